"""`pilotage validate --online`: tests whose lost triggers could not be found again are shown beforehand."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from crds.api.ports import ApiForbidden, ApiUnavailable, SecretData
from crds.group import API_VERSION
from crds.rules.secrets import CONSENT_LABEL
from providers.http import HttpClients, HttpOptions
from tests.cli.fake_cluster import FakeCluster
from worker.cli import online, session
from worker.settings import Settings

Run = Callable[..., Result]
Document = dict[str, Any]

TOKEN = "ghp_0123456789abcdef"
JENKINS_TOKEN = "jenkins-api-token"
ACTIONS = {"githubActions": {"repositoryRef": {"name": "web"}}}
JENKINS = {"jenkins": {"url": "https://ci.example"}, "secretRef": {"name": "jenkins-token"}}
WEB = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
GITLAB = {"gitlabCI": {"repositoryRef": {"name": "pipelines"}, "parametersAs": "Inputs"}}
PIPELINES = {"scmProviderRef": {"name": "gitlab"}, "gitlab": {"namespace": "acme", "name": "web"}}

SHOWN = "on: {workflow_dispatch: {inputs: {promotion_key: {}}}}\nrun-name: ${{ inputs.promotion_key }}\njobs: {}\n"
HIDDEN = SHOWN.replace("run-name: ${{ inputs.promotion_key }}\n", "")


class ClusterWithSecrets(FakeCluster):
    """A fake cluster that knows who reads which Secret."""

    def __init__(self) -> None:
        super().__init__()
        held = {
            "github-token": {"token": TOKEN.encode()},
            "gitlab-token": {"token": b"glpat-0123456789"},
            "jenkins-token": {"username": b"ci", "token": JENKINS_TOKEN.encode()},
        }
        labels = {CONSENT_LABEL: "true"}
        self.secrets = {("shop", name): SecretData(data=data, labels=labels) for name, data in held.items()}
        self.forbidden = False

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        if self.forbidden:
            raise ApiForbidden("secrets is forbidden", status=403)
        return await super().get_secret(namespace, name)


class Hosts:
    """GitHub, GitLab and Jenkins, as far as the question goes."""

    def __init__(self) -> None:
        self.workflow = SHOWN
        self.ci_file = "workflow:\n  name: $[[ inputs.promotion_key ]]\n"
        self.parameters = ["PROMOTION_KEY"]
        self.failure: httpx.Response | Exception | None = None
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.failure, Exception):
            raise self.failure
        if self.failure is not None:
            return self.failure
        return {"api.github.com": self._github, "gitlab.com": self._gitlab, "ci.example": self._jenkins}[
            request.url.host
        ](request.url.path)

    def asked(self, part: str) -> int:
        """Count the requests whose path holds this."""
        return sum(part in request.url.path for request in self.requests)

    def _github(self, path: str) -> httpx.Response:
        if "/contents/" in path:
            return httpx.Response(200, text=self.workflow)
        if "/workflows/" in path:
            name = path.rpartition("/")[2]
            return httpx.Response(200, json={"id": 1, "path": f".github/workflows/{name}"})
        return httpx.Response(200, json={"default_branch": "main"})

    def _gitlab(self, path: str) -> httpx.Response:
        if "/repository/files/" in path:
            return httpx.Response(200, text=self.ci_file)
        return httpx.Response(200, json={"path_with_namespace": "acme/web", "ci_config_path": ""})

    def _jenkins(self, path: str) -> httpx.Response:
        if path.endswith("/nowhere/api/json"):
            return httpx.Response(404, text="no such job")
        named = [{"name": name} for name in self.parameters]
        return httpx.Response(200, json={"builds": [], "property": [{"parameterDefinitions": named}]})


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> ClusterWithSecrets:
    """A cluster with a repository, its GitHub Actions, a Jenkins and GitLab."""
    fake = ClusterWithSecrets()
    monkeypatch.setattr(session, "opener", fake.open)
    fake.add("ScmProvider", "github", spec={"github": {}, "secretRef": {"name": "github-token"}})
    fake.add("ScmProvider", "gitlab", spec={"gitlab": {}, "secretRef": {"name": "gitlab-token"}})
    fake.add("GitRepository", "web", spec=WEB)
    fake.add("GitRepository", "pipelines", spec=PIPELINES)
    fake.add("TestRunner", "actions", spec=ACTIONS)
    fake.add("TestRunner", "gitlab", spec=GITLAB)
    fake.add("TestRunner", "jenkins", spec=JENKINS)
    return fake


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """Hosts that answer from memory; those that are not named are no hosts."""
    answering = Hosts()

    @asynccontextmanager
    async def opened(_settings: Settings) -> AsyncIterator[HttpClients]:
        clients = HttpClients(HttpOptions(transport=httpx.MockTransport(answering)))
        yield clients
        await clients.aclose()

    monkeypatch.setattr(online, "open_clients", opened)
    return answering


@pytest.fixture
def check(run: Run, tmp_path: Path, cluster: ClusterWithSecrets, hosts: Hosts) -> Callable[..., Result]:
    """Validate these documents online."""

    def validate(*documents: Document, options: tuple[str, ...] = ()) -> Result:
        file = tmp_path / "promotion.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)}))
        return run("validate", "--online", *options, str(file))

    return validate


def policy(runner: str = "actions", *jobs: str, namespace: str | None = "shop", **metadata: Any) -> Document:
    """Build a policy with one test per job."""
    tests = [
        {"name": f"test-{number}", "runnerRef": {"name": runner}, "job": job}
        for number, job in enumerate(jobs or ("e2e.yml",))
    ]
    spec = {"sourceEnvironment": "dev", "targetEnvironment": "staging", "tests": tests}
    return resource("PromotionPolicy", "dev-to-staging", spec, namespace=namespace, **metadata)


def resource(kind: str, name: str, spec: Document, *, namespace: str | None = "shop", **metadata: Any) -> Document:
    """Build one object as a file holds it."""
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, **place, **metadata}, "spec": spec}


def test_a_workflow_that_shows_the_key_is_not_mentioned(check: Run) -> None:
    result = check(policy())
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "1 resource in 1 file: valid\n"


def test_a_workflow_that_hides_the_key_is_a_warning_at_its_field(check: Run, hosts: Hosts) -> None:
    hosts.workflow = HIDDEN
    result = check(policy())
    assert result.exit_code == 0
    assert (
        "promotion.json:1: warning: PromotionPolicy/dev-to-staging: spec.tests[0].job: runs of `e2e.yml` do not show"
        in result.stdout
    )
    assert "TriggerUnknown" in result.stdout
    assert "run-name: ${{ inputs.promotion_key }}" in result.stdout
    assert result.stderr == "1 resource in 1 file: valid, 1 warning\n"


def test_every_kind_of_runner_is_asked_and_shows_what_to_do_there(check: Run, hosts: Hosts) -> None:
    hosts.ci_file, hosts.parameters = "stages: []\n", ["REVISION"]
    assert "declare the parameter `PROMOTION_KEY`" in check(policy("jenkins", "web/e2e")).stdout
    assert "`workflow: name`" in check(policy("gitlab", "main")).stdout
    hosts.ci_file, hosts.parameters = Hosts().ci_file, ["PROMOTION_KEY"]
    assert check(policy("jenkins", "web/e2e")).stdout == ""
    assert check(policy("gitlab", "main")).stdout == ""


def test_a_runner_and_a_repository_of_the_files_need_not_be_in_the_cluster_yet(check: Run, hosts: Hosts) -> None:
    web = {**WEB, "github": {"owner": "acme", "name": "new"}}
    runner = {"githubActions": {"repositoryRef": {"name": "new"}, "ref": "release"}}
    documents = (policy("new"), resource("TestRunner", "new", runner), resource("GitRepository", "new", web))
    assert check(*documents).stdout == ""
    assert hosts.asked("/repos/acme/new/contents/") == 1
    hosts.workflow = HIDDEN
    assert "do not show" in check(*documents).stdout


def test_a_file_without_a_namespace_is_of_the_contexts_or_the_one_that_is_given(
    check: Run, cluster: ClusterWithSecrets
) -> None:
    assert check(policy(namespace=None)).stdout == ""
    cluster.default_namespace = "elsewhere"
    assert "does not exist in namespace elsewhere" in check(policy(namespace=None)).stdout
    assert check(policy(namespace=None), options=("-n", "shop")).stdout == ""


def test_a_provider_of_the_files_never_gets_the_clusters_credential(check: Run, hosts: Hosts) -> None:
    elsewhere = {"github": {"domain": "github.evil.example"}, "secretRef": {"name": "github-token"}}
    assert check(policy(), resource("ScmProvider", "github", elsewhere)).stdout == ""
    assert {request.url.host for request in hosts.requests} == {"api.github.com"}


@pytest.mark.parametrize(
    "spec",
    [
        {**JENKINS, "jenkins": {"url": "https://evil.example"}},
        {**ACTIONS, "secretRef": {"name": "jenkins-token"}},
    ],
)
@pytest.mark.parametrize("name", ["jenkins", "unheard-of"])
def test_a_runner_of_the_files_that_names_a_secret_is_asked_only_as_it_was_applied(
    check: Run, hosts: Hosts, spec: Document, name: str
) -> None:
    result = check(policy(name, "e2e.yml"), resource("TestRunner", name, spec))
    assert result.exit_code == 0
    assert f"not known whether runs of `e2e.yml` show their promotion key: TestRunner/{name}: " in result.stdout
    assert hosts.requests == []


def test_an_applied_runner_that_names_a_secret_may_be_in_the_files_too(check: Run, hosts: Hosts) -> None:
    hosts.parameters = ["REVISION"]
    assert "do not show" in check(policy("jenkins", "web/e2e"), resource("TestRunner", "jenkins", JENKINS)).stdout


def test_a_repository_of_the_files_does_not_decide_where_a_runners_own_secret_goes(
    check: Run, cluster: ClusterWithSecrets, hosts: Hosts
) -> None:
    cluster.add("TestRunner", "own", spec={**ACTIONS, "secretRef": {"name": "jenkins-token"}})
    moved = {**WEB, "github": {"owner": "acme", "name": "moved"}}
    assert check(policy("own"), resource("GitRepository", "web", moved)).stdout == ""
    assert (hosts.asked("/repos/acme/web"), hosts.asked("/repos/acme/moved")) == (3, 0)


@pytest.mark.parametrize(
    ("failure", "shown"),
    [
        (httpx.ConnectError("refused"), "at api.github.com: no connection"),
        (httpx.Response(503, text="down"), "at api.github.com"),
        (httpx.Response(429, headers={"Retry-After": "60"}), "at api.github.com"),
        (httpx.Response(401, json={"message": f"Bad credentials {TOKEN}"}), "at api.github.com"),
    ],
)
def test_a_host_that_does_not_answer_is_named_once_for_each_test_and_asked_once(
    check: Run, hosts: Hosts, failure: httpx.Response | Exception, shown: str
) -> None:
    hosts.failure = failure
    result = check(policy("actions", "a.yml", "b.yml"))
    lines = result.stdout.splitlines()
    assert (result.exit_code, len(lines), len(hosts.requests)) == (0, 2, 1)
    assert all("not known whether runs of" in line and shown in line for line in lines)
    assert TOKEN not in result.output


def test_a_job_that_is_not_there_does_not_keep_the_others_from_being_asked(check: Run, hosts: Hosts) -> None:
    hosts.parameters = ["REVISION"]
    first, second = check(policy("jenkins", "nowhere", "web/e2e")).stdout.splitlines()
    assert "spec.tests[0].job: not known whether runs of `nowhere` show" in first
    assert "spec.tests[1].job: runs of `web/e2e` do not show" in second


def test_a_job_of_several_tests_is_asked_about_once(check: Run, hosts: Hosts) -> None:
    hosts.workflow = HIDDEN
    assert len(check(policy("actions", "e2e.yml", "e2e.yml")).stdout.splitlines()) == 2
    assert hosts.asked("/contents/") == 1


def test_a_cluster_that_does_not_answer_is_a_warning(check: Run, cluster: ClusterWithSecrets) -> None:
    cluster.failure = ApiUnavailable("Cannot connect to host 127.0.0.1:1\nssl:default")
    result = check(policy())
    assert result.exit_code == 0
    assert "promotion key: Cannot connect to host 127.0.0.1:1 ssl:default" in result.stdout


def test_a_secret_that_one_may_not_read_is_a_warning_about_oneself(check: Run, cluster: ClusterWithSecrets) -> None:
    cluster.forbidden = True
    result = check(policy())
    assert result.exit_code == 0
    assert "you may not read Secret/github-token" in result.stdout


def test_errors_and_warnings_exit_1_and_both_are_in_the_document(check: Run, hosts: Hosts) -> None:
    hosts.workflow = HIDDEN
    wrong = policy()
    wrong["spec"]["targetEnvironment"] = "dev"
    result = check(wrong, options=("-o", "json"))
    report = json.loads(result.stdout)
    assert (result.exit_code, report["valid"]) == (1, False)
    assert [one["path"] for one in report["errors"]] == ["spec.targetEnvironment"]
    assert [one["path"] for one in report["warnings"]] == ["spec.tests[0].job"]


def test_warnings_alone_leave_the_document_valid(check: Run, hosts: Hosts) -> None:
    hosts.workflow = HIDDEN
    report = json.loads(check(policy(), options=("-o", "json")).stdout)
    assert (report["valid"], len(report["warnings"])) == (True, 1)


@pytest.mark.parametrize("documents", [(), ({"apiVersion": API_VERSION, "kind": "PromotionPolicy", "metadata": 1},)])
def test_files_without_a_readable_test_ask_no_one(
    check: Run, cluster: ClusterWithSecrets, documents: tuple[Document, ...]
) -> None:
    check(*documents)
    assert cluster.targets == []


def test_names_that_are_no_names_do_no_harm(check: Run) -> None:
    result = check(policy(), resource("TestRunner", "x", ACTIONS, labels=1) | {"metadata": {"name": ["x"]}})
    assert result.exit_code == 1
    assert "warning" not in result.stdout


def test_nothing_is_asked_without_online(run: Run, tmp_path: Path, cluster: ClusterWithSecrets, hosts: Hosts) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(policy()))
    assert run("validate", str(file)).exit_code == 0
    assert (cluster.targets, hosts.requests) == ([], [])


def test_a_wrong_setting_exits_2(check: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_SCM_IN_FLIGHT", "none")
    result = check(policy())
    assert result.exit_code == 2
    assert "PILOTAGE_SCM_IN_FLIGHT" in result.stderr
