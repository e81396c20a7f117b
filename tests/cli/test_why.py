"""`pilotage why`: each check with its inputs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from crds.api.ports import ApiForbidden, ApiResource
from tests.cli.conftest import MERGED, OLDER, tracker_spec
from tests.cli.fake_cluster import FakeCluster

Run = Callable[..., Result]

SPEC = {
    "deployments": [
        {
            "name": "eu",
            "repositoryRef": {"name": "web"},
            "argocd": {"instanceRef": {"name": "argocd"}, "project": "shop", "application": "web-eu"},
        }
    ]
}


REFUSED = "401 from the server: the token of the Secret is wrong or has expired"


def condition(kind: str, *, met: bool, reason: str, message: str = "") -> dict[str, Any]:
    """Return the status of a resource with one condition."""
    told = {"type": kind, "status": str(met), "reason": reason, "message": message}
    return {"conditions": [{**told, "lastTransitionTime": "2026-11-21T08:00:01Z"}]}


def environment_status(revision: str, health: str = "Healthy", **entry: Any) -> dict[str, Any]:
    """Return the status of an environment with one deployment."""
    problem = {"problem": entry.pop("problem")} if "problem" in entry else {}
    deployment = {"name": "eu", "artifact": {"component": "", "revision": revision}, "health": health, **problem}
    return {"repositories": [{"repository": "web", "deployments": [deployment], **entry}]}


def add_world(cluster: FakeCluster) -> None:
    """Add what the tracker names."""
    cluster.add(
        "GitRepository", "web", spec={"scmProviderRef": {"name": "github"}, "github": {"owner": "a", "name": "w"}}
    )
    cluster.add("TestRunner", "jenkins", spec={"jenkins": {"url": "https://jenkins.example.com"}})
    cluster.add("Environment", "dev", spec=SPEC, status=environment_status(MERGED))
    lane = {"holder": "web-411", "members": [{"tracker": "web-411", "phase": "Holder", "held": True}]}
    status = environment_status(OLDER, "Degraded", lane=lane, problem="Argo CD ComparisonError: repository not found")
    cluster.add("Environment", "staging", spec=SPEC, status=status)
    test = {"name": "integration", "runnerRef": {"name": "jenkins"}, "job": "web/integration"}
    policy = {"sourceEnvironment": "dev", "targetEnvironment": "staging", "autoPromote": True, "tests": [test]}
    cluster.add(
        "PromotionPolicy",
        "dev-to-staging",
        spec=policy,
        status={
            "conditions": [
                {
                    "type": "Valid",
                    "status": "True",
                    "reason": "Valid",
                    "message": "everything fits",
                    "lastTransitionTime": "2026-11-21T08:00:01Z",
                }
            ]
        },
    )


def test_why_prints_each_check_with_what_was_wanted_and_found(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)

    result = run("why", "web-412")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "web-412: Testing (TestsRunning)"
    assert "✓ pull request #412: wanted Merged, is Merged as ab12ab12ab12" in lines
    assert "✓ dev/eu web-eu: wanted ab12ab12ab12, runs ab12ab12ab12, Healthy" in lines
    assert (
        "✗ staging/eu web-eu: wanted ab12ab12ab12, runs 77c077c077c0, Degraded; "
        "Argo CD ComparisonError: repository not found"
    ) in lines
    assert "✓ PromotionPolicy dev-to-staging (dev -> staging, auto): Valid is True (Valid): everything fits" in lines
    assert "· test e2e (required, jenkins): wanted Passed, is Running" in lines
    assert "· test lighthouse (optional, jenkins): wanted Passed, is Failed; score 41" in lines
    assert "✗ lane of staging: web-411 is Holder, held" in lines


def test_why_names_what_is_missing_and_goes_on(tracked: FakeCluster, run: Run) -> None:
    result = run("why", "web-412")

    assert result.exit_code == 0
    assert "✗ GitRepository web: not found in namespace shop" in result.stdout
    assert "✗ Environment dev: not found in namespace shop" in result.stdout
    assert "✓ pull request #412" in result.stdout


def test_why_says_that_a_persons_word_is_wanted(tracked: FakeCluster, status: dict[str, Any], run: Run) -> None:
    waiting = {"what": "PromoteCommand", "unblockWith": "pilotage -n shop promote web-412"}
    ready = {**status, "state": "ReadyToPromote", "waitingFor": waiting}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=ready)
    add_world(tracked)

    text = run("why", "web-412").stdout

    assert "unblock with: pilotage -n shop promote web-412" in text
    assert "✗ the policy wants a person's word" in text


def test_why_finds_rival_policies(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)
    tracked.add("PromotionPolicy", "rival", spec={"sourceEnvironment": "dev", "targetEnvironment": "qa"})

    text = run("why", "web-412").stdout

    assert "✗ several policies from dev match web: dev-to-staging, rival" in text


def test_why_as_json_lists_the_checks(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)

    answer = json.loads(run("why", "web-412", "-o", "json").stdout)

    assert answer["state"] == "Testing"
    assert answer["waitingFor"]["what"] == "Verdict"
    subjects = [check["subject"] for check in answer["checks"]]
    assert subjects.index("merge") < subjects.index("source") < subjects.index("test") < subjects.index("target")


def test_why_works_before_the_first_status(cluster: FakeCluster, run: Run) -> None:
    cluster.add("PullRequestTracker", "web-412", spec=tracker_spec(412))

    result = run("why", "web-412")

    assert result.exit_code == 0
    assert "· pull request #412: not read yet" in result.stdout


def test_not_having_arrived_yet_is_no_failed_check(tracked: FakeCluster, status: dict[str, Any], run: Run) -> None:
    underway = {
        "type": "Completed",
        "status": "False",
        "reason": "Testing",
        "lastTransitionTime": "2026-11-21T08:00:01Z",
    }
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "conditions": [underway]})

    assert "Completed is False" not in run("why", "web-412").stdout


def add_connections(cluster: FakeCluster, kind: str = "ScmProvider") -> None:
    """Add the world, its SCM provider of this kind, and its Argo CD, whose tokens are refused."""
    add_world(cluster)
    repository = {"scmProviderRef": {"kind": kind, "name": "github"}, "github": {"owner": "a", "name": "w"}}
    cluster.add("GitRepository", "web", spec=repository)
    namespace = "shop" if kind == "ScmProvider" else ""
    provider = {"github": {}, "secretRef": {"name": "github-token"}}
    refused = condition("Reachable", met=False, reason="Unauthorized", message=REFUSED)
    cluster.add(kind, "github", namespace=namespace, spec=provider, status=refused)
    instance = {"server": "https://argocd.example.com", "secretRef": {"name": "argocd-token"}}
    refused = condition("Reachable", met=False, reason="Unauthorized", message=REFUSED)
    cluster.add("ArgoCDInstance", "argocd", spec=instance, status=refused)


@pytest.mark.parametrize("kind", ["ScmProvider", "ClusterScmProvider"])
def test_why_shows_a_refused_token_of_the_scm_host_with_its_secret(tracked: FakeCluster, run: Run, kind: str) -> None:
    add_connections(tracked, kind)

    lines = run("why", "web-412").stdout.splitlines()

    assert f"✗ {kind} github (Secret github-token): Reachable is False (Unauthorized): {REFUSED}" in lines


def test_why_shows_a_refused_token_of_argo_cd_once_with_its_secret(tracked: FakeCluster, run: Run) -> None:
    add_connections(tracked)

    lines = run("why", "web-412").stdout.splitlines()

    told = f"✗ ArgoCDInstance argocd (Secret argocd-token): Reachable is False (Unauthorized): {REFUSED}"
    assert lines.count(told) == 1


def test_why_shows_a_refused_token_of_a_ci_system_with_its_secret(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)
    refused = condition("Reachable", met=False, reason="Unauthorized", message=REFUSED)
    runner = {"jenkins": {"url": "https://jenkins.example.com"}, "secretRef": {"name": "jenkins-token"}}
    tracked.add("TestRunner", "jenkins", spec=runner, status=refused)

    lines = run("why", "web-412").stdout.splitlines()

    assert f"✗ TestRunner jenkins (Secret jenkins-token): Reachable is False (Unauthorized): {REFUSED}" in lines


def test_why_says_which_connection_is_not_checked_yet(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)
    tracked.add("ArgoCDInstance", "argocd", spec={"server": "https://a.example.com", "secretRef": {"name": "token"}})

    text = run("why", "web-412").stdout

    assert "· ArgoCDInstance argocd (Secret token): not checked yet" in text
    assert "✗ ScmProvider github: not found in namespace shop" in text


def test_what_a_person_may_not_read_is_told_but_holds_nothing_up(
    tracked: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_connections(tracked, "ClusterScmProvider")
    read = tracked.get

    async def get(resource: ApiResource, namespace: str | None, name: str) -> dict[str, Any]:
        if resource.kind == "ClusterScmProvider":
            raise ApiForbidden("alice may not get clusterscmproviders", status=403)
        return await read(resource, namespace, name)

    monkeypatch.setattr(tracked, "get", get)

    assert "· ClusterScmProvider github: alice may not get clusterscmproviders" in run("why", "web-412").stdout


@pytest.mark.parametrize(("required", "mark"), [(True, "✗"), (False, "·")])
def test_a_trigger_that_is_not_accepted_holds_up_a_required_test(
    tracked: FakeCluster, status: dict[str, Any], run: Run, required: bool, mark: str
) -> None:
    test = {"name": "e2e", "runner": "jenkins", "required": required, "state": "Pending", "message": REFUSED}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "tests": [test]})
    kind = "required" if required else "optional"

    lines = run("why", "web-412").stdout.splitlines()

    assert f"{mark} test e2e ({kind}, jenkins): wanted Passed, is Pending; {REFUSED}" in lines


def test_a_test_that_is_about_to_be_triggered_is_not_settled(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    test = {"name": "e2e", "runner": "jenkins", "required": True, "state": "Pending"}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "tests": [test]})

    assert "· test e2e (required, jenkins): wanted Passed, is Pending" in run("why", "web-412").stdout


def test_why_says_who_holds_and_why_not_what_the_held_state_said(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    waiting = {"what": "Release", "object": "bob", "observed": "held by bob: freeze until Monday"}
    held = {**status, "state": "Held", "heldState": "Testing", "message": "2 of 3 tests run", "waitingFor": waiting}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=held)

    lines = run("why", "web-412").stdout.splitlines()

    assert "✗ held by bob: freeze until Monday" in lines
    assert "✗ held: 2 of 3 tests run" not in lines
