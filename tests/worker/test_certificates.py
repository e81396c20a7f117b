"""The certificate authority that a resource names is trusted, and no other, on a server that serves TLS."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from temporalio.testing import ActivityEnvironment

from activities.credential_checks import CredentialProofs
from activities.models.credential_checks import CheckConnectionInput, CheckedResource, CredentialCheckOutcome
from deploy.local.environment.certificates import write_certificates
from providers.errors import ProviderMisconfigured
from providers.models import EventMessage
from tests.activities.cluster import Cluster, shop
from worker.opening.resources import ClusterOpener, open_clients
from worker.settings import Settings

ANSWER = {"login": "mona", "username": "mona", "loggedIn": True, "Version": "v3.5.7"}
SETTINGS = Settings(installation="tls", system_namespace="shop", allowed_hosts=("127.0.0.1",))
EVENT = EventMessage(id="1", content_type="application/json", body=b"{}")


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[tuple[str, bytes]]:
    """The address of a server behind TLS, and the authority that signed its certificate."""
    write_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    yield f"https://127.0.0.1:{server.port}", (tmp_path / "ca.crt").read_bytes()
    await server.close()


async def check(cluster: Cluster, kind: str, name: str) -> CredentialCheckOutcome:
    namespace = "" if kind == "ClusterScmProvider" else "shop"
    settings = SETTINGS
    async with open_clients(settings) as clients:
        opener = ClusterOpener(cluster.port(), clients, system_namespace=settings.system_namespace)
        proofs = CredentialProofs(cluster.port(), opener)
        ref = CheckedResource(kind=kind, namespace=namespace, name=name, uid=f"uid-{name}")
        return (await ActivityEnvironment().run(proofs.check_connection, CheckConnectionInput(connection=ref))).outcome


@pytest.mark.parametrize(
    ("kind", "name", "secret"),
    [
        ("ScmProvider", "github", "github-token"),
        ("ClusterScmProvider", "shared", "github-token"),
        ("ArgoCDInstance", "argocd", "argocd-token"),
        ("TestRunner", "jenkins", "jenkins-token"),
    ],
)
async def test_a_server_is_trusted_by_the_authority_that_the_resource_names(
    secure: tuple[str, bytes], kind: str, name: str, secret: str
) -> None:
    address, authority = secure
    cluster = shop()
    cluster.secrets["shop", "ca"] = {"ca.crt": authority}
    places: dict[str, dict[str, Any]] = {
        "ArgoCDInstance": {"server": address},
        "TestRunner": {"jenkins": {"url": address}},
    }
    namespace = "" if kind == "ClusterScmProvider" else "shop"
    spec = {**places.get(kind, {"github": {"domain": address}}), "secretRef": {"name": secret}}
    cluster.add(kind, name, spec, namespace=namespace)
    refused = await check(cluster, kind, name)
    assert (refused.accepted, "certificate" in refused.message) == (False, True)
    cluster.add(kind, name, {**spec, "caSecretRef": {"name": "ca"}}, namespace=namespace)
    assert (await check(cluster, kind, name)).accepted


@pytest.mark.parametrize("named", ["caSecretRef", "secretRef"])
async def test_a_receiver_is_trusted_by_the_authority_that_its_sink_names(
    secure: tuple[str, bytes], named: str
) -> None:
    address, authority = secure
    cluster = shop()
    cluster.secrets["shop", "ca"] = {"ca.crt": authority}
    spec = {"type": "Webhook", "url": address}
    async with open_clients(SETTINGS) as clients:
        opener = ClusterOpener(cluster.port(), clients, system_namespace="shop")
        cluster.add("EventSink", "audit", spec)
        with pytest.raises(ProviderMisconfigured, match="certificate"):
            await (await opener.event_sink("shop", "audit")).receiver.post(EVENT)
        cluster.add("EventSink", "audit", {**spec, named: {"name": "ca"}})
        await (await opener.event_sink("shop", "audit")).receiver.post(EVENT)
