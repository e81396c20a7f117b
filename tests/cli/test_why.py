"""`pilotage why`: each check with its inputs."""

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

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
    assert "✓ pull request #412: wanted Merged, is Merged as ab12ab12ab…" in lines
    assert "✓ dev/eu web-eu: wanted ab12ab12ab…, runs ab12ab12ab…, Healthy" in lines
    assert (
        "✗ staging/eu web-eu: wanted ab12ab12ab…, runs 77c077c077…, Degraded; "
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
