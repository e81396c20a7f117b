"""`pilotage validate --online` as people run it: a process, an API server, CI systems that answer over HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from crds.group import API_VERSION
from crds.rules.secrets import CONSENT_LABEL
from deploy.local.environment.kubernetes_server import KubernetesAccess
from deploy.local.sandbox import seed
from tests.e2e.cluster import Cluster

Document = dict[str, Any]
Validate = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "validate-online"
REPOSITORY = "acme/validated"
# Nothing listens on the discard port of this machine.
NOWHERE = "http://127.0.0.1:9"
INPUTS = {"promotion_key": {"required": False, "default": ""}}


@pytest.fixture(scope="module")
def shop(kubernetes_api: KubernetesAccess, sandbox: str) -> Iterator[Cluster]:
    """A namespace with the runners of three CI systems, and one whose host is away."""
    workflows = {
        "shown.yml": {"run_name": "e2e ${{ inputs.promotion_key }}", "inputs": INPUTS},
        "hidden.yml": {"run_name": None, "inputs": INPUTS},
    }
    commits = {"commits": [{"sha": "1" * 40}], "branches": {"main": "1" * 40}}
    world = {
        "github": {"repos": {REPOSITORY: {**commits, "workflows": workflows}}},
        "gitlab": {"projects": {REPOSITORY: {"branches": {"main": "1" * 40}, "workflow_name": "$PROMOTION_KEY"}}},
        "jenkins": {"jobs": {"validated/shown": declares("PROMOTION_KEY"), "validated/hidden": declares("REVISION")}},
    }
    httpx.post(f"{sandbox}/_seed", json=world, trust_env=False).raise_for_status()
    away = {"github": {"domain": NOWHERE}, "secretRef": {"name": "github"}}
    with closing(Cluster(kubernetes_api)) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for document in (
            secret("github", token=seed.GITHUB_TOKEN),
            secret("gitlab", token=seed.GITLAB_TOKEN),
            secret("jenkins", username=seed.JENKINS_USER, token=seed.JENKINS_TOKEN),
            resource("ScmProvider", "github", {"github": {"domain": f"{sandbox}/github"}, **named("github")}),
            resource("ScmProvider", "gitlab", {"gitlab": {"domain": f"{sandbox}/gitlab/api/v4"}, **named("gitlab")}),
            resource("ScmProvider", "away", away),
            repository("web", "github", "github"),
            repository("pipelines", "gitlab", "gitlab"),
            repository("away", "away", "github"),
            runner("actions", "web"),
            runner("away", "away"),
            resource("TestRunner", "gitlab", {"gitlabCI": {"repositoryRef": {"name": "pipelines"}}}),
            resource("TestRunner", "jenkins", {"jenkins": {"url": f"{sandbox}/jenkins"}, **named("jenkins")}),
        ):
            cluster.apply(document)
        yield cluster


@pytest.fixture
def validate(kubernetes_api: KubernetesAccess, shop: Cluster, tmp_path: Path) -> Validate:
    """Run the command on these documents."""

    def run(*documents: Document, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "promotion.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)}))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PILOTAGE_", "KUBE"))}
        ours = {"PILOTAGE_ALLOW_HTTP": "true", "PILOTAGE_ALLOWED_HOSTS": "127.0.0.1"}
        environment = {**kept, **ours, "KUBECONFIG": str(kubernetes_api.kubeconfig)}
        command = [sys.executable, "-m", "worker", "validate", "--online", *options, str(file)]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def resource(kind: str, name: str, spec: Document) -> Document:
    """Build one object."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def declares(*parameters: str) -> Document:
    """Build a Jenkins job."""
    return {"parameters": list(parameters)}


def secret(name: str, **data: str) -> Document:
    """Build a Secret."""
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {CONSENT_LABEL: "true"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def named(secret_name: str) -> Document:
    """Build the reference to a Secret."""
    return {"secretRef": {"name": secret_name}}


def repository(name: str, provider: str, host: str) -> Document:
    """Build the repository at one of its hosts."""
    owner, short = REPOSITORY.split("/")
    place = {"owner" if host == "github" else "namespace": owner, "name": short}
    return resource("GitRepository", name, {"scmProviderRef": {"name": provider}, host: place})


def runner(name: str, repository_name: str) -> Document:
    """Build a runner of GitHub Actions."""
    return resource("TestRunner", name, {"githubActions": {"repositoryRef": {"name": repository_name}}})


def policy(*tests: tuple[str, str], target: str = "staging") -> Document:
    """Build a policy with one test per runner and job."""
    declared = [
        {"name": f"test-{number}", "runnerRef": {"name": name}, "job": job} for number, (name, job) in enumerate(tests)
    ]
    spec = {"sourceEnvironment": "dev", "targetEnvironment": target, "tests": declared}
    return resource("PromotionPolicy", "dev-to-staging", spec)


GOOD = (("actions", "shown.yml"), ("gitlab", "main"), ("jenkins", "validated/shown"))


def test_jobs_that_show_the_key_are_not_mentioned(validate: Validate) -> None:
    done = validate(policy(*GOOD))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "1 resource in 1 file: valid\n"


def test_jobs_that_hide_the_key_are_warned_of_and_a_host_that_is_away_is_named(
    validate: Validate, shop: Cluster
) -> None:
    bad = (("actions", "hidden.yml"), ("jenkins", "validated/hidden"), ("away", "shown.yml"))
    done = validate(policy(*GOOD, *bad))
    hidden, undeclared, away = done.stdout.splitlines()
    assert "spec.tests[3].job: runs of `hidden.yml` do not show their promotion key" in hidden
    assert "spec.tests[4].job: runs of `validated/hidden` do not show their promotion key" in undeclared
    assert "spec.tests[5].job: not known whether runs of `shown.yml` show their promotion key" in away
    assert "127.0.0.1:9: no connection" in away
    assert done.returncode == 0
    assert done.stderr == "1 resource in 1 file: valid, 3 warnings\n"


def test_a_runner_of_the_same_files_is_asked_with_the_clusters_credential(validate: Validate) -> None:
    done = validate(policy(("planned", "shown.yml"), ("planned", "hidden.yml")), runner("planned", "web"))
    [hidden] = done.stdout.splitlines()
    assert "runs of `hidden.yml` do not show" in hidden
    assert done.returncode == 0


def test_an_applied_runner_that_names_a_secret_is_the_same_in_the_files(validate: Validate, sandbox: str) -> None:
    spec = {"jenkins": {"url": f"{sandbox}/jenkins"}, **named("jenkins")}
    done = validate(policy(("jenkins", "validated/hidden")), resource("TestRunner", "jenkins", spec))
    assert "runs of `validated/hidden` do not show" in done.stdout


def test_errors_exit_1_together_with_the_warnings(validate: Validate) -> None:
    done = validate(policy(("actions", "hidden.yml"), target="dev"), options=("-o", "json"))
    report = json.loads(done.stdout)
    assert (done.returncode, report["valid"], len(report["errors"]), len(report["warnings"])) == (1, False, 1, 1)


def test_a_cluster_that_is_away_is_a_warning_that_names_it(validate: Validate, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "away",
                "contexts": [{"name": "away", "context": {"cluster": "away", "user": "away"}}],
                "clusters": [{"name": "away", "cluster": {"server": NOWHERE}}],
                "users": [{"name": "away", "user": {"token": "none"}}],
            }
        )
    )
    done = validate(policy(*GOOD), options=("--kubeconfig", str(kubeconfig)))
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)
    assert all("127.0.0.1:9" in line for line in done.stdout.splitlines())
    assert "Traceback" not in done.stderr


def test_what_may_not_be_read_is_a_warning(validate: Validate, kubernetes_api: KubernetesAccess) -> None:
    done = validate(policy(*GOOD), options=("--kubeconfig", str(kubernetes_api.kubeconfig_for("bob"))))
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)
    assert "bob" in done.stdout


def test_a_namespace_that_is_none_is_a_warning(validate: Validate) -> None:
    strange = [policy(("actions", "shown.yml")) for _ in range(3)]
    for document, namespace in zip(strange, ("no/../name", "a b\nc", "%2e%2e"), strict=True):
        document["metadata"]["namespace"] = namespace
    done = validate(*strange)
    assert done.stdout.count("not known whether runs of `shown.yml`") == 3
    assert "Traceback" not in done.stderr
