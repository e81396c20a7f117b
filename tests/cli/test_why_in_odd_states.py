"""What `pilotage why`, `show`, `where` and `get` state of promotions that are gone, ended, held or of a part alone."""

from typing import Any

import pytest

from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from tests.cli.conftest import MERGED, OLDER, Run, tracker_spec
from tests.cli.fake_cluster import FakeCluster
from tests.cli.test_places import cells, place
from tests.cli.test_why import SPEC, add_world, condition
from worker.cli.asking import WorkflowAnswer
from worker.cli.watching import LineView

OTHER = "cd34" * 10
RESTART = "unblock with: pilotage -n shop restart web-412"


def track(cluster: FakeCluster, status: dict[str, Any], *, attempt: int = 1) -> None:
    """Have the tracker show this status."""
    cluster.add("PullRequestTracker", "web-412", spec={**tracker_spec(412), "attempt": attempt}, status=status)


@pytest.fixture
def waiting(status: dict[str, Any]) -> dict[str, Any]:
    """A status of a wait that ends by itself, as long as its workflow goes on."""
    wait = {"what": "Verdict", "object": "e2e", "unblockWith": "no action needed"}
    return {**status, "workflow": {"id": "promotion/x"}, "waitingFor": wait}


@pytest.mark.parametrize(
    ("reason", "way"),
    [
        ("Terminated", RESTART),
        ("Lost", RESTART),
        ("Failed", RESTART),
        ("WorkflowStalled", "unblock with: pilotage doctor"),
    ],
)
def test_what_a_gone_workflow_waits_for_is_not_what_ends_the_wait(
    cluster: FakeCluster, waiting: dict[str, Any], run: Run, reason: str, way: str
) -> None:
    track(cluster, {**waiting, **condition("WorkflowAvailable", met=False, reason=reason)})
    why, show = run("why", "412").stdout, run("show", "412").stdout
    assert why.splitlines()[2] == why.splitlines()[-1] == way
    assert "no action needed" not in why + show
    assert way.partition(": ")[2] in show


def test_a_workflow_that_temporal_does_not_have_is_restarted_also_before_its_condition_states_it(
    cluster: FakeCluster, waiting: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(_workflow: str) -> WorkflowAnswer:
        return WorkflowAnswer(absent=True)

    monkeypatch.setattr("worker.cli.asking.ask", ask)
    track(cluster, waiting)
    assert run("why", "412").stdout.splitlines()[-1] == RESTART


def test_a_status_of_an_earlier_attempt_is_shown_as_that(
    cluster: FakeCluster, waiting: dict[str, Any], run: Run
) -> None:
    track(cluster, {**waiting, "state": "Aborted", "reason": "Aborted"}, attempt=2)
    lines = run("why", "412").stdout.splitlines()
    assert lines[0] == "web-412: Aborted, attempt 1"
    assert lines[-1] == "wait for the status of attempt 2; if none comes: pilotage doctor"
    assert "Aborted, attempt 1" in run("show", "412").stdout


def test_a_log_of_a_new_attempt_does_not_begin_with_the_end_of_the_one_before(
    status: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    view = LineView()
    for attempt in (1, 2):
        shown = {**status, "attempt": attempt, "state": "Aborted" if attempt == 1 else "Testing"}
        spec = {**tracker_spec(412), "attempt": 2}
        document = {"metadata": {"name": "web-412", "namespace": "shop"}, "spec": spec, "status": shown}
        view.show(PullRequestTracker.from_wire(document))
    lines = [line.partition("web-412 ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == ["attempt 2 has no status yet", "Testing dev: waits for Verdict on dev-to-staging"]


def test_a_wait_whose_end_is_not_known_is_not_called_one_that_needs_nothing(
    cluster: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    track(cluster, {**status, "waitingFor": None})
    assert "no action needed" not in run("why", "412").stdout


@pytest.mark.parametrize("state", ["Completed", "Closed", "Aborted"])
def test_an_end_waits_for_no_policy_lane_or_target(
    cluster: FakeCluster, status: dict[str, Any], run: Run, state: str
) -> None:
    add_world(cluster)
    track(cluster, {**status, "state": state, "reason": state, "hop": None, "waitingFor": None, "tests": []})
    assert run("why", "412").stdout == f"web-412: {state}\n"
    assert "staging" not in run("why", "412", "--all").stdout


def test_a_command_that_was_accepted_and_not_carried_out_is_shown(
    cluster: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    track(cluster, {**status, "superseded": ["1f2e: the retry of alice is not carried out: staging has the change"]})
    shown = run("why", "412").stdout.splitlines()
    assert "· the retry of alice is not carried out: staging has the change" in shown


def test_a_component_that_the_change_does_not_touch_is_not_compared_with_it(
    cluster: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    spec = {"deployments": [{**SPEC["deployments"][0], "name": name, "component": name} for name in ("api", "web")]}

    def running(web: str) -> dict[str, Any]:
        found = [("api", OTHER), ("web", web)]
        artifacts = [(name, {"component": name, "revision": revision}) for name, revision in found]
        deployments = [{"name": name, "artifact": one, "health": "Healthy"} for name, one in artifacts]
        return {"repositories": [{"repository": "web", "deployments": deployments}]}

    cluster.add("Environment", "dev", spec=spec, status=running(MERGED))
    cluster.add("Environment", "staging", spec=spec, status=running(OLDER))
    track(cluster, {**status, "artifacts": [{"component": "web", "revision": MERGED}]})
    text = run("why", "412", "--all").stdout
    assert f"staging/web web-eu: runs {OLDER[:12]} now; the change is {MERGED[:12]}, Healthy" in text
    assert "/api" not in text


@pytest.mark.parametrize("rivals", [(), ("dev-to-staging", "rival")])
def test_policies_that_were_edited_since_hold_up_no_hop_that_keeps_its_own(
    cluster: FakeCluster, status: dict[str, Any], run: Run, rivals: tuple[str, ...]
) -> None:
    add_world(cluster)
    del cluster.objects["PromotionPolicy", "shop", "dev-to-staging"]
    for name in rivals:
        cluster.add("PromotionPolicy", name, spec={"sourceEnvironment": "dev", "targetEnvironment": "staging"})
    hop = {**status["hop"], "policy": {"name": "dev-to-staging", "generation": 1}}
    track(cluster, {**status, "hop": hop})
    (line,) = [one for one in run("why", "412").stdout.splitlines() if "policies from" in one or "policy from" in one]
    assert line.startswith("·")
    assert line.endswith("; this hop keeps dev-to-staging")


def test_before_its_first_status_the_policy_is_one_of_where_the_change_begins(cluster: FakeCluster, run: Run) -> None:
    cluster.add("PullRequestTracker", "web-412", spec=tracker_spec(412))
    assert "no policy from dev for web" in run("why", "412").stdout


UNMERGED = {"pullRequest": {"number": 412, "headSHA": OLDER}}


@pytest.mark.parametrize(
    ("shown", "result"),
    [
        ({"state": "Held", "heldState": "AwaitingMerge"}, "not yet: Held (AwaitingMerge)"),
        ({"state": "Held", "heldState": "AwaitingPolicy"}, "deployed there first"),
        ({"state": "Closed", **UNMERGED}, "never: Closed"),
        ({"state": "Aborted", **UNMERGED}, "never: Aborted"),
        ({"state": "Aborted"}, "not known: Aborted"),
        ({"state": "Completed", "reason": "NothingToDeploy"}, "nothing to deploy"),
        ({"state": "AwaitingPolicy"}, "deployed there first"),
    ],
)
def test_a_change_that_did_not_reach_its_first_environment_was_not_deployed_there(
    cluster: FakeCluster, status: dict[str, Any], run: Run, shown: dict[str, Any], result: str
) -> None:
    cluster.add("Environment", "dev", spec={}, status=place(OLDER))
    track(cluster, {**status, "hop": None, "reason": "", **shown})
    assert cells(run("where", "412").stdout)[1][1:3] == ["dev", result]


@pytest.mark.parametrize(
    ("shown", "result"),
    [
        ({"state": "Held", "heldState": "Testing"}, "not yet: Held (Testing)"),
        ({"state": "Aborted"}, "ended: Aborted"),
        ({"state": "PromotionFailed"}, "not yet: PromotionFailed"),
    ],
)
def test_where_a_hop_leads_is_still_to_come_unless_the_promotion_has_ended(
    cluster: FakeCluster, status: dict[str, Any], run: Run, shown: dict[str, Any], result: str
) -> None:
    track(cluster, {**status, **shown})
    assert cells(run("where", "412").stdout)[2][1:3] == ["staging", result]


def test_a_state_that_no_tracker_is_in_is_answered(tracked: FakeCluster, run: Run) -> None:
    assert "web-412" in run("get", "--state", "Testing").stdout
    assert run("get", "--state", "Held").stderr == "No trackers found in namespace shop in state Held.\n"


def test_what_a_check_found_before_the_last_change_is_not_claimed_of_now(
    tracked: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_world(tracked)
    refused = condition("Reachable", met=False, reason="Unauthorized", message="401")
    runner = {"jenkins": {"url": "https://jenkins.example.com"}, "secretRef": {"name": "jenkins"}}

    def lines(generation: int) -> list[str]:
        refused["conditions"][0]["observedGeneration"] = 1
        tracked.add("TestRunner", "jenkins", spec=runner, status=refused)
        tracked.objects["TestRunner", "shop", "jenkins"]["metadata"]["generation"] = generation
        monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        shown = [*run("why", "412").stdout.splitlines(), *run("doctor", "-n", "shop").stdout.splitlines()]
        return [one for one in shown if "Unauthorized" in one]

    assert [one[0] for one in lines(1)] == ["✗", "✗"]
    assert [(one[0], one.endswith(": 401, before its last change")) for one in lines(2)] == [("·", True)] * 2
