"""`pilotage retest|retry|promote|hold|release|abort|restart`."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from crds.ports import ApiForbidden, ApiUnavailable
from tests.cli.conftest import MERGED, tracker_spec
from tests.cli.fake_cluster import FakeCluster

Run = Callable[..., Result]


@pytest.mark.parametrize("verb", ["retest", "retry", "promote", "hold", "release", "abort"])
def test_a_command_names_hop_revision_and_the_own_user(tracked: FakeCluster, run: Run, verb: str) -> None:
    result = run("-n", "shop", verb, "web-412", "--reason", "looks good")

    assert result.exit_code == 0
    assert result.stdout == f"web-412: {verb} (staging) accepted: the promotion goes on\n"
    created = tracked.created[0]
    assert created["metadata"]["generateName"] == f"web-412-{verb}-"
    assert created["spec"] == {
        "trackerRef": {"name": "web-412"},
        "verb": verb,
        "environment": "staging",
        "revision": MERGED,
        "requestedBy": "alice@example.com",
        "reason": "looks good",
    }


def test_a_refused_command_exits_1_with_the_answer(tracked: FakeCluster, run: Run) -> None:
    tracked.answer_command = lambda _: {"accepted": False, "message": "the hop goes to prod, not to staging"}

    result = run("promote", "web-412")

    assert result.exit_code == 1
    assert "promote (staging) refused: the hop goes to prod, not to staging" in result.stdout
    assert "`pilotage show web-412`" in result.stderr


def test_a_command_without_an_answer_exits_4_and_stays(tracked: FakeCluster, run: Run) -> None:
    tracked.answer_command = lambda _: None

    result = run("promote", "web-412", "--timeout", "0.3")

    assert result.exit_code == 4
    assert "no answer after 0.3 s" in result.stdout
    assert "promotioncommand/web-412-promote-x7f2q stays" in result.stderr
    assert len(tracked.created) == 1


def away(_command: dict[str, Any]) -> dict[str, Any]:
    raise ApiUnavailable("the API server cannot be reached: connection refused")


def test_an_api_server_that_goes_away_before_the_answer_is_waited_for(tracked: FakeCluster, run: Run) -> None:
    def away_twice(command: dict[str, Any]) -> dict[str, Any]:
        looks.append(command)
        return away(command) if len(looks) <= 2 else {"accepted": True, "message": "the promotion goes on"}

    looks: list[dict[str, Any]] = []
    tracked.answer_command = away_twice

    result = run("promote", "web-412")

    assert (result.exit_code, result.stderr) == (0, "")
    assert "promote (staging) accepted" in result.stdout


def test_where_it_stays_away_it_is_said_that_the_command_stands(tracked: FakeCluster, run: Run) -> None:
    tracked.answer_command = away

    result = run("promote", "web-412", "--timeout", "0.3")

    assert result.exit_code == 4
    assert "promotioncommand/web-412-promote-x7f2q stays" in result.stderr


def test_without_waiting_the_name_of_the_command_is_printed(tracked: FakeCluster, run: Run) -> None:
    tracked.answer_command = lambda _: None

    result = run("hold", "web-412", "--no-wait")

    assert (result.exit_code, result.stdout) == (0, "promotioncommand/web-412-hold-x7f2q created\n")


def test_the_admission_policys_refusal_is_shown_as_it_is(
    tracked: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = tracked.create

    async def refuse(resource: Any, namespace: str | None, document: dict[str, Any]) -> dict[str, Any]:
        if resource.kind == "PromotionCommand":
            raise ApiForbidden("user bob may not promote in environment staging", status=403)
        return await create(resource, namespace, document)

    monkeypatch.setattr(tracked, "create", refuse)

    result = run("promote", "web-412")

    assert result.exit_code == 1
    assert "user bob may not promote in environment staging" in result.stderr


def test_before_any_hop_a_command_names_the_trackers_own_environment(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    waiting = {**status, "state": "AwaitingMerge", "hop": None, "revision": None}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=waiting)

    run("hold", "web-412")

    assert tracked.created[0]["spec"]["environment"] == "dev"
    assert "revision" not in tracked.created[0]["spec"]


def test_between_two_hops_a_command_names_where_the_change_is(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    waiting = {**status, "state": "AwaitingPolicy", "hop": None, "environment": "staging"}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=waiting)

    run("abort", "web-412")

    assert tracked.created[0]["spec"]["environment"] == "staging"


def test_what_a_person_names_wins_over_status(tracked: FakeCluster, run: Run) -> None:
    run("promote", "web-412", "-e", "prod", "--revision", "v1.2")

    spec = tracked.created[0]["spec"]
    assert (spec["environment"], spec["revision"]) == ("prod", "v1.2")


def test_the_answer_as_json_is_the_command_object(tracked: FakeCluster, run: Run) -> None:
    answer = json.loads(run("promote", "web-412", "-o", "json").stdout)

    assert answer["kind"] == "PromotionCommand"
    assert answer["status"]["accepted"] is True
    assert len(tracked.created) == 1


def test_a_command_for_an_unknown_tracker_exits_3_and_creates_nothing(cluster: FakeCluster, run: Run) -> None:
    assert run("promote", "web-1").exit_code == 3
    assert cluster.created == []


def test_restart_asks_for_the_trackers_environment_without_a_revision(tracked: FakeCluster, run: Run) -> None:
    result = run("restart", "web-412")

    assert result.exit_code == 0
    spec = tracked.created[0]["spec"]
    assert (spec["verb"], spec["environment"]) == ("restart", "dev")
    assert "revision" not in spec


def test_restart_of_all_lost_ones_leaves_the_others_alone(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    def with_workflow(reason: str, state: str = "Testing") -> dict[str, Any]:
        condition = {
            "type": "WorkflowAvailable",
            "status": "False",
            "reason": reason,
            "lastTransitionTime": "2026-11-21T08:00:01Z",
        }
        return {**status, "state": state, "conditions": [condition]}

    tracked.add("PullRequestTracker", "web-1", spec=tracker_spec(1), status=with_workflow("Lost"))
    tracked.add("PullRequestTracker", "web-2", spec=tracker_spec(2), status=with_workflow("Starting"))
    tracked.add("PullRequestTracker", "web-3", spec=tracker_spec(3), status=with_workflow("Lost", "Completed"))
    tracked.add("PullRequestTracker", "web-4", spec=tracker_spec(4), status=with_workflow("Terminated"))

    result = run("restart", "--lost")

    assert result.exit_code == 0
    assert [one["spec"]["trackerRef"]["name"] for one in tracked.created] == ["web-1", "web-4"]


def test_restart_wants_either_a_name_or_lost(tracked: FakeCluster, run: Run) -> None:
    assert run("restart").exit_code == 2
    assert run("restart", "web-412", "--lost").exit_code == 2
    assert tracked.created == []


def test_nothing_lost_is_said_and_is_no_error(tracked: FakeCluster, run: Run) -> None:
    result = run("restart", "--lost")

    assert result.exit_code == 0
    assert "No tracker has lost its workflow." in result.stderr
    assert tracked.created == []


def test_an_overlong_reason_is_a_usage_error(tracked: FakeCluster, run: Run) -> None:
    result = run("promote", "web-412", "--reason", "x" * 1025)

    assert result.exit_code == 2
    assert "1 to 1024 characters" in result.stderr
    assert tracked.created == []
