"""Bitbucket's hosts, opened from what people declare: each field decides what is asked, and with what."""

import base64

import httpx
import pytest

from crds.v1alpha1.scm_host import SHOWS_NO_TEAMS, WRITES_NO_FILES
from providers.bitbucket_cloud.options import BitbucketCloudOptions
from providers.bitbucket_data_center.options import BitbucketDataCenterOptions
from providers.models import Credential, ScmIdentity
from providers.registry import Access, open_scm_host
from tests.activities.cluster import Cluster, shop
from tests.worker.conftest import Opener
from worker.opening.resources import ClusterOpener

CLOUD = {"full_name": "rain/umbrellas", "size": 0, "nickname": "bot", "uuid": "{1}"}


class Asked:
    """Answer every call with the same, and keep address and credential of each."""

    def __init__(self, body: dict[str, object]) -> None:
        self._body = body
        self.calls: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append((str(request.url.copy_with(query=None)), request.headers["authorization"]))
        return httpx.Response(200, json=self._body)


@pytest.mark.parametrize(
    ("kind", "domain", "base"),
    [
        ("ScmProvider", None, "https://api.bitbucket.org/2.0"),
        ("ScmProvider", "https://bb.example.com/gateway", "https://bb.example.com/gateway/2.0"),
        ("ClusterScmProvider", "https://bb.example.com", "https://bb.example.com/2.0"),
    ],
)
async def test_a_repository_at_bitbucket_cloud_is_asked_for_by_workspace_and_name_at_its_providers_address(
    open_http: Opener, kind: str, domain: str | None, base: str
) -> None:
    cluster, asked = shop(), Asked(CLOUD)
    _add(cluster, kind, {"bitbucketCloud": {"domain": domain} if domain else {}})
    reference = {"kind": kind, "name": "bitbucket"}
    cluster.add(
        "GitRepository",
        "umbrellas",
        {"scmProviderRef": reference, "bitbucketCloud": {"owner": "rain", "name": "umbrellas"}},
    )
    opener = ClusterOpener(cluster.port(), open_http(asked), system_namespace="shop")
    opened = await opener.repository("shop", "umbrellas")
    assert opened.view.full_name == "rain/umbrellas"
    assert await opened.host.check() == "rain/umbrellas"
    assert asked.calls[0] == (f"{base}/repositories/rain/umbrellas", "Bearer token-of-bitbucket")


async def test_the_account_of_a_bitbucket_cloud_secret_is_sent_with_its_token(open_http: Opener) -> None:
    cluster, asked = shop(), Asked(CLOUD)
    _add(cluster, "ScmProvider", {"bitbucketCloud": {}}, username="ada@example.com")
    opener = ClusterOpener(cluster.port(), open_http(asked), system_namespace="shop")
    assert await (await opener.provider_check("shop", "bitbucket")).check() == "bot"
    pair = base64.b64encode(b"ada@example.com:token-of-bitbucket").decode()
    assert asked.calls == [("https://api.bitbucket.org/2.0/user", f"Basic {pair}")]


def _add(cluster: Cluster, kind: str, host: dict[str, object], **secret: str) -> None:
    shared = kind == "ClusterScmProvider"
    spec: dict[str, object] = {**host, "secretRef": {"name": "bitbucket-token"}}
    if shared:
        spec["allowedNamespaces"] = {"matchLabels": {"team": "rain"}}
        cluster.add("Namespace", "shop", {}, namespace="", metadata={"name": "shop", "labels": {"team": "rain"}})
    cluster.add(kind, "bitbucket", spec, namespace="" if shared else "shop")
    data = {"token": "token-of-bitbucket", **secret}
    cluster.secrets["shop", "bitbucket-token"] = {key: value.encode() for key, value in data.items()}


@pytest.mark.parametrize("kind", ["ScmProvider", "ClusterScmProvider"])
async def test_a_repository_at_bitbucket_data_center_is_asked_for_by_project_and_name_below_the_context_path(
    open_http: Opener, kind: str
) -> None:
    cluster, asked = shop(), Asked({"slug": "umbrellas"})
    _add(cluster, kind, {"bitbucketDataCenter": {"domain": "https://bb.example.com:8443/context"}})
    reference = {"kind": kind, "name": "bitbucket"}
    cluster.add(
        "GitRepository",
        "umbrellas",
        {"scmProviderRef": reference, "bitbucketDataCenter": {"project": "~ada", "name": "umbrellas"}},
    )
    opener = ClusterOpener(cluster.port(), open_http(asked), system_namespace="shop")
    opened = await opener.repository("shop", "umbrellas")
    assert await opened.host.check() == "~ada/umbrellas"
    place = "https://bb.example.com:8443/context/rest/api/latest/projects/~ada/repos/umbrellas"
    assert asked.calls == [(place, "Bearer token-of-bitbucket")]


@pytest.mark.parametrize("options", [BitbucketCloudOptions(), BitbucketDataCenterOptions(domain="git.example.com")])
def test_environments_are_refused_what_their_host_cannot_do(
    open_http: Opener, options: BitbucketCloudOptions | BitbucketDataCenterOptions
) -> None:
    access = Access(http=open_http(Asked({})), credential=Credential(data={"token": "token-of-bitbucket"}))
    identity = ScmIdentity(
        git_repository="web", git_repository_namespace="shop", scm_provider="bitbucket", scm_provider_kind="ScmProvider"
    )
    host = open_scm_host(options, access, identity)
    assert (host.branches is None) is (options.kind in WRITES_NO_FILES)
    assert host.steering is not None
    assert host.steering.has_teams is (options.kind not in SHOWS_NO_TEAMS)
