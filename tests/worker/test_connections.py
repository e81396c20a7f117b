"""Opening what resources name: credentials are read at each use, and references stay within their namespace."""

import json
from typing import Any

import httpx
import pytest

from activities.ports import ReferenceMissing
from activities.redaction import reading_secrets, redact
from crds.api.ports import ApiForbidden, ApiUnavailable, SecretData
from crds.v1alpha1.test_runner import HOSTED_BY, RunnerType
from providers.application_models import ApplicationRef
from providers.errors import ProviderUnauthorized
from providers.github_actions.at_ref import RunsAtRef
from tests.activities.cluster import Cluster, shop
from tests.worker.conftest import Opener
from worker.opening.resources import CI_SERVERS, HOSTED_CI, ClusterOpener

APP = {"metadata": {"name": "web-dev"}, "spec": {"project": "shop", "source": {"targetRevision": "main"}}}
REF = ApplicationRef(project="shop", name="web-dev")


def connect(cluster: Cluster, open_http: Opener, handler: Any = None) -> ClusterOpener:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=APP)

    http = open_http(handler or answer)
    return ClusterOpener(cluster.port(), http, system_namespace="pilotage")


async def missing_in(opener: ClusterOpener, kind: str) -> tuple[str, str]:
    name = {"repository": "web", "ci_runs": "jenkins", "deployments": "argocd"}[kind]
    with pytest.raises(ReferenceMissing) as caught:
        await getattr(opener, kind)("shop", name)
    return caught.value.what, caught.value.reason


async def test_a_rotated_secret_is_used_by_the_next_call(open_http: Opener) -> None:
    def check(request: httpx.Request) -> httpx.Response:
        good = request.headers["Authorization"] == "Bearer rotated-argocd-token"
        return httpx.Response(200 if good else 401, json=APP if good else {"error": "invalid session"})

    cluster = shop()
    opener = connect(cluster, open_http, check)
    with pytest.raises(ProviderUnauthorized):
        await (await opener.deployments("shop", "argocd")).get(REF)
    cluster.secrets["shop", "argocd-token"] = {"token": b"rotated-argocd-token"}
    assert (await (await opener.deployments("shop", "argocd")).get(REF)).name == "web-dev"


async def test_what_did_not_change_stays_open(open_http: Opener) -> None:
    cluster = shop()
    opener = connect(cluster, open_http)
    first = await opener.repository("shop", "web")
    assert (await opener.repository("shop", "web")).host is first.host
    cluster.secrets["shop", "github-token"] = {"token": b"another-token-value"}
    assert (await opener.repository("shop", "web")).host is not first.host


async def test_the_values_of_a_read_secret_are_cut_out_of_every_text(open_http: Opener) -> None:
    with reading_secrets():
        await connect(shop(), open_http).ci_runs("shop", "jenkins")
        assert "jenkins-api-token" not in redact("Jenkins answered: jenkins-api-token is wrong")


@pytest.mark.parametrize(
    ("kind", "secret"),
    [("repository", "github-token"), ("ci_runs", "jenkins-token"), ("deployments", "argocd-token")],
)
async def test_a_missing_secret_is_named(kind: str, secret: str, open_http: Opener) -> None:
    cluster = shop()
    del cluster.secrets["shop", secret]
    assert await missing_in(connect(cluster, open_http), kind) == (f"Secret/{secret}", "SecretNotFound")


@pytest.mark.parametrize(
    ("kind", "resource", "name"),
    [
        ("repository", "GitRepository", "web"),
        ("repository", "ScmProvider", "github"),
        ("ci_runs", "TestRunner", "jenkins"),
        ("deployments", "ArgoCDInstance", "argocd"),
    ],
)
async def test_a_missing_resource_is_named(kind: str, resource: str, name: str, open_http: Opener) -> None:
    cluster = shop()
    cluster.remove(resource, name)
    assert await missing_in(connect(cluster, open_http), kind) == (f"{resource}/{name}", "NotFound")


async def test_an_outage_of_the_cluster_is_not_a_missing_reference(open_http: Opener) -> None:
    cluster = shop()
    cluster.failure = ApiUnavailable("no answer in time")
    with pytest.raises(ApiUnavailable):
        await connect(cluster, open_http).deployments("shop", "argocd")


async def test_a_secret_that_may_not_be_read_is_reported(open_http: Opener) -> None:
    cluster = shop()
    read = cluster.get_secret

    async def refuse(namespace: str, name: str) -> SecretData:
        await read(namespace, name)
        raise ApiForbidden("secrets is forbidden", status=403)

    cluster.get_secret = refuse  # type: ignore[method-assign]
    assert await missing_in(connect(cluster, open_http), "deployments") == ("Secret/argocd-token", "Forbidden")


def shared_provider(cluster: Cluster, allowed: dict[str, Any]) -> None:
    cluster.objects["GitRepository", "shop", "web"]["spec"]["scmProviderRef"] = {
        "kind": "ClusterScmProvider",
        "name": "shared",
    }
    spec = {"github": {}, "secretRef": {"name": "shared-token"}, "allowedNamespaces": allowed}
    cluster.add("ClusterScmProvider", "shared", spec, namespace="")
    cluster.objects["Namespace", "", "shop"] = {"metadata": {"name": "shop", "labels": {"team": "shop"}}}
    cluster.secrets["pilotage", "shared-token"] = {"token": b"shared-token-value"}


async def test_a_cluster_provider_serves_the_namespaces_that_it_allows(open_http: Opener) -> None:
    cluster = shop()
    shared_provider(cluster, {"matchLabels": {"team": "shop"}})
    repository = await connect(cluster, open_http).repository("shop", "web")
    assert repository.view.full_name == "acme/web"


@pytest.mark.parametrize("allowed", [{}, {"matchLabels": {"team": "bank"}}])
async def test_a_cluster_provider_refuses_every_other_namespace(allowed: dict[str, Any], open_http: Opener) -> None:
    cluster = shop()
    shared_provider(cluster, allowed)
    found = await missing_in(connect(cluster, open_http), "repository")
    assert found == ("ClusterScmProvider/shared", "NamespaceNotAllowed")


async def test_the_secret_of_a_cluster_provider_is_never_taken_from_the_teams_namespace(open_http: Opener) -> None:
    cluster = shop()
    shared_provider(cluster, {"matchLabels": {"team": "shop"}})
    cluster.secrets["shop", "shared-token"] = cluster.secrets.pop(("pilotage", "shared-token"))
    assert await missing_in(connect(cluster, open_http), "repository") == ("Secret/shared-token", "SecretNotFound")


async def test_a_provider_of_another_host_is_refused(open_http: Opener) -> None:
    cluster = shop()
    cluster.add("ScmProvider", "github", {"gitlab": {}, "secretRef": {"name": "github-token"}})
    assert await missing_in(connect(cluster, open_http), "repository") == ("ScmProvider/github", "Invalid")


async def test_a_runner_without_a_credential_names_the_keys_it_needs(open_http: Opener) -> None:
    cluster = shop()
    cluster.add("TestRunner", "jenkins", {"jenkins": {"url": "https://ci.example"}})
    with pytest.raises(ReferenceMissing, match="`username` and `token`"):
        await connect(cluster, open_http).ci_runs("shop", "jenkins")


async def test_a_runner_in_a_repository_uses_the_repositorys_credential(open_http: Opener) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json={"workflow_runs": [], "default_branch": "main"})

    cluster = shop()
    block = {"repositoryRef": {"name": "web"}, "ref": "release"}
    cluster.add("TestRunner", "jenkins", {"githubActions": block})
    runs = await connect(cluster, open_http, answer).ci_runs("shop", "jenkins")
    assert isinstance(runs, RunsAtRef)
    assert await runs.find("e2e.yml", "key") == ()
    assert all(header.endswith("ghp_0123456789abcdef") for header in seen)


@pytest.mark.parametrize(
    ("block", "field"),
    [({}, "variables"), ({"parametersAs": "Variables"}, "variables"), ({"parametersAs": "Inputs"}, "inputs")],
)
async def test_a_gitlab_runner_sends_parameters_as_it_declares(
    open_http: Opener, block: dict[str, str], field: str
) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(201, json={"id": 1})

    cluster = shop()
    cluster.add("ScmProvider", "github", {"gitlab": {}, "secretRef": {"name": "github-token"}})
    repository = {"scmProviderRef": {"name": "github"}, "gitlab": {"namespace": "acme", "name": "web"}}
    cluster.add("GitRepository", "web", repository)
    opener = connect(cluster, open_http, answer)
    for spec in ({}, block):
        cluster.add("TestRunner", "jenkins", {"gitlabCI": {"repositoryRef": {"name": "web"}, **spec}})
        await (await opener.ci_runs("shop", "jenkins")).create("main", "k", {})
    assert [set(body) - {"ref"} for body in bodies] == [{"variables"}, {field}]


async def test_a_ca_secret_without_its_key_is_named(open_http: Opener) -> None:
    cluster = shop()
    spec = cluster.objects["ArgoCDInstance", "shop", "argocd"]["spec"]
    spec["caSecretRef"] = {"name": "ca"}
    cluster.secrets["shop", "ca"] = {"tls.crt": b"x"}
    assert await missing_in(connect(cluster, open_http), "deployments") == ("Secret/ca", "NoKey")


def test_every_ci_system_is_opened_by_one_table() -> None:
    assert sorted([*CI_SERVERS, *HOSTED_CI]) == sorted(RunnerType)
    assert HOSTED_CI.keys() == HOSTED_BY.keys()
