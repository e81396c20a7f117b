"""What is proved with real adapters over hosts in memory: which calls are made, and above all which are not."""

from collections.abc import Callable

import httpx
import pytest
from temporalio.testing import ActivityEnvironment

from activities.credential_checks import CredentialProofs
from activities.models.credential_checks import CheckConnectionInput, CheckedResource, CredentialCheckOutcome
from tests.activities.cluster import Cluster, shop
from tests.worker.conftest import Opener
from worker.opening import resources
from worker.opening.resources import ClusterOpener

Answer = Callable[[httpx.Request], httpx.Response]


class Hosts:
    """Answer every call with one status, and keep the calls."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.paths: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        body = {
            "login": "mona",
            "id": 7,
            "username": "mona",
            "path_with_namespace": "acme/shop/web",
            "full_name": "acme/web",
            "Version": "v3.5.7",
            "message": "no",
        }
        return httpx.Response(self.status, json=body, headers={"X-Jenkins": "2.500"})


async def check(cluster: Cluster, open_http: Opener, hosts: Answer, kind: str, name: str) -> CredentialCheckOutcome:
    opener = ClusterOpener(cluster.port(), open_http(hosts), system_namespace="pilotage")
    namespace = "" if kind == "ClusterScmProvider" else "shop"
    ref = CheckedResource(kind=kind, namespace=namespace, name=name, uid=f"uid-{name}")
    proofs = CredentialProofs(cluster.port(), opener)
    return (await ActivityEnvironment().run(proofs.check_connection, CheckConnectionInput(connection=ref))).outcome


async def test_a_github_repository_with_a_gitlab_provider_is_not_ready_and_no_host_is_called(
    open_http: Opener,
) -> None:
    cluster, hosts = shop(), Hosts()
    cluster.add("ScmProvider", "github", {"gitlab": {}, "secretRef": {"name": "github-token"}})
    outcome = await check(cluster, open_http, hosts, "GitRepository", "web")
    assert (outcome.accepted, outcome.reason) == (False, "Invalid")
    assert all(named in outcome.message for named in ("ScmProvider/github", "gitlab", "`github`"))
    assert hosts.paths == []


async def test_a_missing_secret_is_named_and_no_host_is_called(open_http: Opener) -> None:
    cluster, hosts = shop(), Hosts()
    cluster.secrets.clear()
    for kind, name in (("GitRepository", "web"), ("ScmProvider", "github"), ("TestRunner", "jenkins")):
        outcome = await check(cluster, open_http, hosts, kind, name)
        assert (outcome.accepted, outcome.reason) == (False, "SecretNotFound")
        assert "namespace shop" in outcome.message
    assert hosts.paths == []


async def test_a_provider_is_proved_by_its_account_and_a_repository_by_itself(open_http: Opener) -> None:
    hosts = Hosts()
    assert (await check(shop(), open_http, hosts, "ScmProvider", "github")).accepted
    assert (await check(shop(), open_http, hosts, "GitRepository", "web")).accepted
    assert hosts.paths == ["/user", "/repos/acme/web"]


async def test_a_cluster_provider_is_proved_with_the_secret_of_pilotages_own_namespace(open_http: Opener) -> None:
    cluster, hosts = shop(), Hosts()
    spec = {"github": {}, "secretRef": {"name": "github-token"}}
    cluster.add("ClusterScmProvider", "shared", spec, namespace="")
    refused = await check(cluster, open_http, hosts, "ClusterScmProvider", "shared")
    assert (refused.accepted, refused.reason) == (False, "SecretNotFound")
    assert hosts.paths == []
    cluster.secrets["pilotage", "github-token"] = cluster.secrets["shop", "github-token"]
    assert (await check(cluster, open_http, hosts, "ClusterScmProvider", "shared")).accepted


async def test_a_namespace_that_the_cluster_provider_does_not_allow_gets_that_reason(open_http: Opener) -> None:
    cluster, hosts = shop(), Hosts()
    spec = {"github": {}, "secretRef": {"name": "github-token"}, "allowedNamespaces": {"matchLabels": {"team": "bank"}}}
    cluster.add("ClusterScmProvider", "shared", spec, namespace="")
    cluster.objects["Namespace", "", "shop"] = {"metadata": {"name": "shop", "labels": {"team": "shop"}}}
    reference = {"kind": "ClusterScmProvider", "name": "shared"}
    cluster.objects["GitRepository", "shop", "web"]["spec"]["scmProviderRef"] = reference
    outcome = await check(cluster, open_http, hosts, "GitRepository", "web")
    assert (outcome.accepted, outcome.reason) == (False, "NamespaceNotAllowed")
    assert hosts.paths == []


async def test_wrong_tokens_missing_rights_and_wrong_names_are_distinguished(open_http: Opener) -> None:
    for status, reason in ((401, "Unauthorized"), (403, "Forbidden"), (404, "NotFound"), (503, "Unavailable")):
        for kind, name in (("GitRepository", "web"), ("TestRunner", "jenkins"), ("ArgoCDInstance", "argocd")):
            outcome = await check(shop(), open_http, Hosts(status), kind, name)
            assert (outcome.accepted, outcome.reason) == (False, reason), (kind, status, outcome.message)


async def test_a_right_that_nothing_declared_needs_is_not_missed(open_http: Opener) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        body = {"full_name": "acme/web", "private": True}
        return httpx.Response(200, json=body, headers={"X-OAuth-Scopes": "read:org"})

    cluster = shop()
    verdict = await check(cluster, open_http, answer, "GitRepository", "web")
    assert (verdict.accepted, verdict.reason) == (False, "Forbidden")
    assert "does not have the scope `repo`" in verdict.message
    nothing = {"labels": False, "statuses": False, "comment": False}
    cluster.objects["GitRepository", "shop", "web"]["spec"]["show"] = nothing
    assert (await check(cluster, open_http, answer, "GitRepository", "web")).accepted


async def test_a_trigger_token_alone_does_not_make_a_runner_reachable(open_http: Opener) -> None:
    cluster, hosts = shop(), Hosts()
    cluster.add("ScmProvider", "github", {"gitlab": {}, "secretRef": {"name": "github-token"}})
    repository = {"scmProviderRef": {"name": "github"}, "gitlab": {"namespace": "acme", "name": "web"}}
    cluster.add("GitRepository", "web", repository)
    runner = {"gitlabCI": {"repositoryRef": {"name": "web"}}, "secretRef": {"name": "trigger"}}
    cluster.add("TestRunner", "gitlab", runner)
    cluster.secrets["shop", "trigger"] = {"triggerToken": b"glptt-0123456789"}
    outcome = await check(cluster, open_http, hosts, "TestRunner", "gitlab")
    assert (outcome.accepted, outcome.reason) == (False, "Invalid")
    assert "token" in outcome.message
    assert hosts.paths == []


async def test_a_gitlab_host_is_proved_by_its_project_s_path_or_number(open_http: Opener) -> None:
    cluster, hosts = shop(), Hosts()
    cluster.add("ScmProvider", "gitlab", {"gitlab": {}, "secretRef": {"name": "github-token"}})
    for name, number in (("by-path", None), ("by-number", 7)):
        project = {"namespace": "acme/shop", "name": "web", **({"projectId": number} if number else {})}
        cluster.add("GitRepository", name, {"scmProviderRef": {"name": "gitlab"}, "gitlab": project})
        assert (await check(cluster, open_http, hosts, "GitRepository", name)).accepted
    assert (await check(cluster, open_http, hosts, "ScmProvider", "gitlab")).accepted
    token = "/api/v4/personal_access_tokens/self"
    asked = [(token, path, "/api/graphql") for path in ("/api/v4/projects/acme/shop/web", "/api/v4/projects/7")]
    assert hosts.paths == [*asked[0], *asked[1], "/api/v4/user"]
    refused = await check(cluster, open_http, Hosts(401), "ScmProvider", "gitlab")
    assert (refused.accepted, refused.reason) == (False, "Unauthorized")


async def test_a_provider_of_the_cluster_may_be_a_gitlab(open_http: Opener) -> None:
    for domain, host in ((None, "gitlab.com"), ("https://git.example/gitlab", "git.example")):
        cluster = shop()
        seen: list[str] = []

        def answer(request: httpx.Request, seen: list[str] = seen) -> httpx.Response:
            seen.append(request.url.host)
            return httpx.Response(200, json={"id": 7, "username": "mona"})

        spec = {"gitlab": {"domain": domain} if domain else {}, "secretRef": {"name": "token"}}
        cluster.add("ClusterScmProvider", "shared", spec, namespace="")
        cluster.secrets["pilotage", "token"] = {"token": b"glpat-0123456789"}
        assert (await check(cluster, open_http, answer, "ClusterScmProvider", "shared")).accepted
        assert set(seen) == {host}


@pytest.mark.parametrize("kind", ["ScmProvider", "ClusterScmProvider"])
@pytest.mark.parametrize(
    ("block", "asked"),
    [
        ({"gitea": {"domain": "https://git.example:3000/git"}}, "https://git.example:3000/git/api/v1/user"),
        ({"forgejo": {"domain": "code.example"}}, "https://code.example/api/v1/user"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_a_provider_is_asked_at_the_address_that_it_names(
    open_http: Opener, kind: str, block: dict[str, dict[str, str]], asked: str
) -> None:
    cluster = shop()
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={"login": "mona"})

    namespace = "" if kind == "ClusterScmProvider" else "shop"
    cluster.add(kind, "at-host", {**block, "secretRef": {"name": "token"}}, namespace=namespace)
    cluster.secrets[namespace or "pilotage", "token"] = {"token": b"0123456789abcdef"}
    assert (await check(cluster, open_http, answer, kind, "at-host")).accepted
    assert seen == [asked]


async def test_a_host_that_this_version_does_not_serve_is_reported(
    open_http: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, hosts = shop(), Hosts()
    monkeypatch.setattr(resources, "HOSTS", {})
    outcome = await check(cluster, open_http, hosts, "ScmProvider", "github")
    assert (outcome.accepted, outcome.reason) == (False, "Invalid")
    assert "`github`" in outcome.message
    assert hosts.paths == []
