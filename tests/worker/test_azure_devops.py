"""Azure DevOps as resources declare it: where calls go, and with which credential."""

import base64

import httpx
import pytest

from activities.ports import ReferenceMissing
from providers.models import ChangeState
from tests.activities.cluster import Cluster, shop
from tests.worker.conftest import Opener
from worker.opening.resources import ClusterOpener

PULL = {
    "pullRequestId": 7,
    "status": "active",
    "lastMergeSourceCommit": {"commitId": "a" * 40},
    "labels": [],
    "sourceRefName": "refs/heads/x",
    "targetRefName": "refs/heads/main",
}


class Hosts:
    """Answer every call alike, and keep the calls."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        account = {"id": "1", "providerDisplayName": "Pilotage"}
        return httpx.Response(200, json={**PULL, "authenticatedUser": account})


def declared(provider: dict[str, str], *, kind: str = "ScmProvider") -> Cluster:
    cluster = shop()
    shared = kind == "ClusterScmProvider"
    home = "pilotage" if shared else "shop"
    spec: dict[str, object] = {"azureDevOps": provider, "secretRef": {"name": "azure"}}
    if shared:
        cluster.objects["Namespace", "", "shop"] = {"metadata": {"name": "shop", "labels": {"team": "shop"}}}
        spec["allowedNamespaces"] = {"matchLabels": {"team": "shop"}}
    cluster.add(kind, "azure", spec, namespace="" if shared else "shop")
    cluster.secrets[home, "azure"] = {"token": b"azure-token"}
    reference = {"kind": kind, "name": "azure"}
    cluster.add(
        "GitRepository", "web", {"scmProviderRef": reference, "azureDevOps": {"project": "shop", "name": "web"}}
    )
    return cluster


def opener(cluster: Cluster, open_http: Opener, hosts: Hosts) -> ClusterOpener:
    return ClusterOpener(cluster.port(), open_http(hosts), system_namespace="pilotage")


@pytest.mark.parametrize("kind", ["ScmProvider", "ClusterScmProvider"])
@pytest.mark.parametrize(
    ("provider", "root"),
    [
        ({"organization": "acme"}, "https://dev.azure.com/acme"),
        ({"organization": "Main", "domain": "tfs.example.com:8443/tfs"}, "https://tfs.example.com:8443/tfs/Main"),
    ],
)
async def test_a_pull_request_is_read_at_the_declared_organization_with_the_declared_token(
    open_http: Opener, kind: str, provider: dict[str, str], root: str
) -> None:
    hosts = Hosts()
    opened = await opener(declared(provider, kind=kind), open_http, hosts).repository("shop", "web")
    assert (opened.view.owner, opened.view.full_name) == ("shop", "shop/web")
    assert (await opened.host.pull_requests.get(7)).state is ChangeState.OPEN
    asked = hosts.requests[0]
    assert str(asked.url).partition("?")[0] == f"{root}/shop/_apis/git/repositories/web/pullrequests/7"
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b":azure-token").decode()


async def test_a_provider_is_proved_at_its_organization(open_http: Opener) -> None:
    hosts = Hosts()
    check = await opener(declared({"organization": "acme"}), open_http, hosts).provider_check("shop", "azure")
    assert await check.check() == "Pilotage"
    assert hosts.requests[0].url.path == "/acme/_apis/connectionData"


async def test_a_repository_of_another_host_is_not_opened_with_its_provider(open_http: Opener) -> None:
    cluster, hosts = declared({"organization": "acme"}), Hosts()
    named = {"scmProviderRef": {"name": "azure"}, "github": {"owner": "acme", "name": "web"}}
    cluster.add("GitRepository", "web", named)
    with pytest.raises(ReferenceMissing, match="azureDevOps host"):
        await opener(cluster, open_http, hosts).repository("shop", "web")
    assert hosts.requests == []
