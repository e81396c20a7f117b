"""A host is called through the proxy that its provider names, and through nothing else."""

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from temporalio.testing import ActivityEnvironment

from activities.credential_checks import CredentialProofs
from activities.models.credential_checks import CheckConnectionInput, CheckedResource, CredentialCheckOutcome
from providers.models import EventMessage
from tests.activities.cluster import Cluster, shop
from worker.opening.resources import ClusterOpener, open_clients
from worker.settings import Settings

HOST = "git.example.com"
HOSTS: Mapping[str, Mapping[str, str]] = {
    "github": {"domain": f"http://{HOST}/api/v3"},
    "gitlab": {"domain": f"http://{HOST}/gitlab"},
    "gitea": {"domain": f"http://{HOST}"},
    "forgejo": {"domain": f"http://{HOST}"},
    "bitbucketCloud": {"domain": f"http://{HOST}"},
    "bitbucketDataCenter": {"domain": f"http://{HOST}/bitbucket"},
    "azureDevOps": {"domain": f"http://{HOST}/tfs", "organization": "acme"},
}
ACCOUNT = {
    "id": 7,
    "login": "mona",
    "username": "mona",
    "nickname": "mona",
    "values": [],
    "loggedIn": True,
    "Version": "v3.5.7",
    "authenticatedUser": {"id": "7", "providerDisplayName": "mona"},
}


class RecordingProxy:
    """Answer for every host, and keep what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers["Host"], request.headers.get("Proxy-Authorization", "")))
        return web.json_response(ACCOUNT)


@pytest.fixture
async def proxy() -> AsyncIterator[RecordingProxy]:
    made = RecordingProxy()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    server = TestServer(app)
    await server.start_server()
    made.address = f"http://127.0.0.1:{server.port}"
    yield made
    await server.close()


SERVERS: Mapping[str, Mapping[str, Any]] = {
    "TestRunner": {"jenkins": {"url": f"http://{HOST}/jenkins"}, "secretRef": {"name": "jenkins-token"}},
    "ArgoCDInstance": {"server": f"http://{HOST}/argocd", "secretRef": {"name": "argocd-token"}},
}
SETTINGS = Settings(installation="proxied", allow_http=True, allowed_hosts=("127.0.0.1", HOST))


def proxied(proxy: RecordingProxy) -> Cluster:
    """Return a cluster with the Secret of the proxy."""
    cluster = shop()
    secret = {"address": proxy.address, "username": "bot", "password": "of-the-proxy"}
    cluster.secrets["shop", "proxy"] = {key: value.encode() for key, value in secret.items()}
    return cluster


def through_proxy() -> set[tuple[str, str]]:
    """Return what the proxy is asked by who knows its password."""
    return {(HOST, f"Basic {base64.b64encode(b'bot:of-the-proxy').decode()}")}


async def check(cluster: Cluster, kind: str = "ScmProvider", name: str = "github") -> CredentialCheckOutcome:
    settings = SETTINGS
    async with open_clients(settings) as clients:
        proofs = CredentialProofs(cluster.port(), ClusterOpener(cluster.port(), clients, system_namespace="pilotage"))
        ref = CheckedResource(kind=kind, namespace="shop", name=name, uid=f"uid-{name}")
        return (await ActivityEnvironment().run(proofs.check_connection, CheckConnectionInput(connection=ref))).outcome


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_is_called_through_the_proxy_that_its_provider_names(proxy: RecordingProxy, host: str) -> None:
    cluster = proxied(proxy)
    spec = {host: HOSTS[host], "secretRef": {"name": "github-token"}, "proxySecretRef": {"name": "proxy"}}
    cluster.add("ScmProvider", "github", spec)
    outcome = await check(cluster)
    assert outcome.accepted, outcome.message
    assert set(proxy.asked) == through_proxy()


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_server_is_called_through_the_proxy_that_its_resource_names(proxy: RecordingProxy, kind: str) -> None:
    cluster = proxied(proxy)
    cluster.add(kind, "ci", {**SERVERS[kind], "proxySecretRef": {"name": "proxy"}})
    outcome = await check(cluster, kind, "ci")
    assert outcome.accepted, outcome.message
    assert set(proxy.asked) == through_proxy()


@pytest.mark.parametrize("own", [{}, {"secretRef": {"name": "argocd-token"}}])
async def test_a_receiver_is_sent_events_through_the_proxy_that_its_sink_names(
    proxy: RecordingProxy, own: Mapping[str, Any]
) -> None:
    cluster = proxied(proxy)
    spec = {"type": "Webhook", "url": f"http://{HOST}/hook", "proxySecretRef": {"name": "proxy"}, **own}
    cluster.add("EventSink", "audit", spec)
    async with open_clients(SETTINGS) as clients:
        opener = ClusterOpener(cluster.port(), clients, system_namespace="pilotage")
        sink = await opener.event_sink("shop", "audit")
        await sink.receiver.post(EventMessage(id="1", content_type="application/json", body=b"{}"))
    assert set(proxy.asked) == through_proxy()


@pytest.mark.parametrize(("host", "block"), [("github", "githubActions"), ("gitlab", "gitlabCI")])
async def test_a_runner_with_a_secret_of_its_own_is_called_as_its_repositorys_provider(
    proxy: RecordingProxy, host: str, block: str
) -> None:
    cluster = shop()
    cluster.secrets["shop", "proxy"] = {"address": proxy.address.encode()}
    spec = {host: HOSTS[host], "secretRef": {"name": "github-token"}, "proxySecretRef": {"name": "proxy"}}
    cluster.add("ScmProvider", "github", spec)
    named = {"namespace" if host == "gitlab" else "owner": "acme", "name": "web"}
    cluster.add("GitRepository", "web", {host: named, "scmProviderRef": {"name": "github"}})
    cluster.add("TestRunner", "ci", {block: {"repositoryRef": {"name": "web"}}, "secretRef": {"name": "jenkins-token"}})
    await check(cluster, "TestRunner", "ci")
    assert set(proxy.asked) == {(HOST, "")}


async def test_a_secret_that_names_no_proxy_is_named(proxy: RecordingProxy) -> None:
    cluster = shop()
    cluster.secrets["shop", "proxy"] = {"username": b"bot"}
    spec = {"github": HOSTS["github"], "secretRef": {"name": "github-token"}, "proxySecretRef": {"name": "proxy"}}
    cluster.add("ScmProvider", "github", spec)
    outcome = await check(cluster)
    assert (outcome.accepted, "has no key `address`" in outcome.message) == (False, True)
    assert proxy.asked == []
