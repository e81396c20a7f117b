"""The certificate authority that a resource names is trusted, and no other, on a server that serves TLS."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from temporalio.testing import ActivityEnvironment

from activities.credential_checks import CredentialProofs
from activities.models.credential_checks import CheckConnectionInput, CheckedResource, CredentialCheckOutcome
from deploy.local.environment.certificates import write_certificates
from tests.activities.cluster import Cluster, shop
from worker.opening.resources import ClusterOpener, open_clients
from worker.settings import Settings

ANSWER = {"login": "mona", "username": "mona", "loggedIn": True, "Version": "v3.5.7"}


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[tuple[str, bytes]]:
    """The address of a server behind TLS, and the authority that signed its certificate."""
    write_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    yield f"https://127.0.0.1:{server.port}", (tmp_path / "ca.crt").read_bytes()
    await server.close()


async def check(cluster: Cluster, kind: str, name: str) -> CredentialCheckOutcome:
    namespace = "" if kind == "ClusterScmProvider" else "shop"
    settings = Settings(installation="tls", system_namespace="shop", allowed_hosts=("127.0.0.1",))
    async with open_clients(settings) as clients:
        connections = ClusterOpener(cluster.port(), clients, system_namespace=settings.system_namespace)
        proofs = CredentialProofs(cluster.port(), connections)
        ref = CheckedResource(kind=kind, namespace=namespace, name=name, uid=f"uid-{name}")
        return (await ActivityEnvironment().run(proofs.check_connection, CheckConnectionInput(connection=ref))).outcome


@pytest.mark.parametrize(
    ("kind", "name", "block"),
    [
        ("ScmProvider", "github", "github"),
        ("ClusterScmProvider", "shared", "github"),
        ("ArgoCDInstance", "argocd", ""),
    ],
)
async def test_a_server_is_trusted_by_the_authority_that_the_resource_names(
    secure: tuple[str, bytes], kind: str, name: str, block: str
) -> None:
    address, authority = secure
    cluster = shop()
    cluster.secrets["shop", "ca"] = {"ca.crt": authority}
    place = {"github": {"domain": address}} if block else {"server": address}
    secret = "github-token" if block else "argocd-token"
    namespace = "" if kind == "ClusterScmProvider" else "shop"
    spec = {**place, "secretRef": {"name": secret}}
    cluster.add(kind, name, spec, namespace=namespace)
    refused = await check(cluster, kind, name)
    assert (refused.accepted, "certificate" in refused.message) == (False, True)
    cluster.add(kind, name, {**spec, "caSecretRef": {"name": "ca"}}, namespace=namespace)
    assert (await check(cluster, kind, name)).accepted
