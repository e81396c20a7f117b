"""A host is called through the proxy that its provider names, and through nothing else."""

import base64
from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from temporalio.testing import ActivityEnvironment

from activities.credential_checks import CredentialProofs
from activities.models.credential_checks import CheckConnectionInput, CheckedResource, CredentialCheckOutcome
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
    "login": "mona",
    "username": "mona",
    "nickname": "mona",
    "values": [],
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
    app.router.add_get("/{path:.*}", made.answer)
    server = TestServer(app)
    await server.start_server()
    made.address = f"http://127.0.0.1:{server.port}"
    yield made
    await server.close()


async def check(cluster: Cluster, kind: str = "ScmProvider", name: str = "github") -> CredentialCheckOutcome:
    settings = Settings(installation="proxied", allow_http=True, allowed_hosts=("127.0.0.1", HOST))
    async with open_clients(settings) as clients:
        proofs = CredentialProofs(cluster.port(), ClusterOpener(cluster.port(), clients, system_namespace="pilotage"))
        ref = CheckedResource(kind=kind, namespace="shop", name=name, uid=f"uid-{name}")
        return (await ActivityEnvironment().run(proofs.check_connection, CheckConnectionInput(connection=ref))).outcome


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_is_called_through_the_proxy_that_its_provider_names(proxy: RecordingProxy, host: str) -> None:
    cluster = shop()
    secret = {"address": proxy.address, "username": "bot", "password": "of-the-proxy"}
    cluster.secrets["shop", "proxy"] = {key: value.encode() for key, value in secret.items()}
    spec = {host: HOSTS[host], "secretRef": {"name": "github-token"}, "proxySecretRef": {"name": "proxy"}}
    cluster.add("ScmProvider", "github", spec)
    outcome = await check(cluster)
    assert outcome.accepted, outcome.message
    assert set(proxy.asked) == {(HOST, f"Basic {base64.b64encode(b'bot:of-the-proxy').decode()}")}


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
