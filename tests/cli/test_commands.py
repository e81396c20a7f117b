"""`pilotage retest|retry|promote|hold|release|abort|restart`."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from crds.api.ports import ApiForbidden, ApiUnavailable
from tests.cli.conftest import MERGED, tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli.commanding import CALLS_AT_ONCE

Run = Callable[..., Result]


@pytest.mark.parametrize("verb", ["retest", "retry", "promote", "hold", "release", "abort", "refresh"])
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
    assert "`pilotage -n shop why web-412`" in result.stderr


def test_a_refusal_is_shown_with_the_command_that_it_names(tracked: FakeCluster, run: Run) -> None:
    message = "meant for staging, but the hop at hand goes to prod: `pilotage -n shop promote web-412 -e prod`"
    tracked.answer_command = lambda _: {"accepted": False, "message": message}

    result = run("promote", "web-412")

    assert result.exit_code == 1
    assert message in result.stdout
    assert result.stderr == ""


HELD_BY_STAGING = {"web": "bbbbbbbbbbbb", "api": ""}


def test_promote_names_what_the_diverged_target_holds(cluster: FakeCluster, run: Run, status: dict[str, Any]) -> None:
    diverged = {**status, "hop": {**status["hop"], "diverged": HELD_BY_STAGING}}
    cluster.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=diverged)

    result = run("promote", "web-412", "--reason", "the hotfix is obsolete")

    assert cluster.created[0]["spec"]["targetRevisions"] == HELD_BY_STAGING
    assert "web holds bbbbbbbbbbbb" in result.stderr

    run("hold", "web-412")
    assert "targetRevisions" not in cluster.created[1]["spec"]


@pytest.mark.parametrize("verb", ["hold", "promote", "abort"])
def test_nothing_is_filled_in_from_the_status_of_an_earlier_attempt(
    cluster: FakeCluster, run: Run, status: dict[str, Any], verb: str
) -> None:
    earlier = {**status, "attempt": 1, "hop": {**status["hop"], "diverged": HELD_BY_STAGING}}
    cluster.add("PullRequestTracker", "web-412", spec={**tracker_spec(412), "attempt": 2}, status=earlier)

    run(verb, "web-412")

    spec = cluster.created[0]["spec"]
    assert spec["environment"] == "dev"
    assert not spec.keys() & {"revision", "targetRevisions"}


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


def test_where_it_stays_away_the_answer_is_that_the_command_stands(tracked: FakeCluster, run: Run) -> None:
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

    async def refuse(resource: Any, namespace: str | None, document: dict[str, Any], **options: Any) -> dict[str, Any]:
        if resource.kind == "PromotionCommand":
            raise ApiForbidden("user bob may not promote in environment staging", status=403)
        return await create(resource, namespace, document, **options)

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


def with_workflow(status: dict[str, Any], reason: str, state: str = "Testing") -> dict[str, Any]:
    condition = {
        "type": "WorkflowAvailable",
        "status": "False",
        "reason": reason,
        "lastTransitionTime": "2026-11-21T08:00:01Z",
    }
    return {**status, "state": state, "conditions": [condition]}


def lose(cluster: FakeCluster, status: dict[str, Any], *numbers: int) -> None:
    for number in numbers:
        lost = with_workflow(status, "Lost")
        cluster.add("PullRequestTracker", f"web-{number}", spec=tracker_spec(number), status=lost)


def test_restart_of_all_lost_ones_leaves_the_others_alone(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    def add(number: int, *found: str) -> None:
        spec = tracker_spec(number)
        tracked.add("PullRequestTracker", f"web-{number}", spec=spec, status=with_workflow(status, *found))

    add(1, "Lost")
    add(2, "Starting")
    add(3, "Lost", "Completed")
    add(4, "Terminated")

    result = run("restart", "--lost")

    assert result.exit_code == 0
    assert [one["spec"]["trackerRef"]["name"] for one in tracked.created] == ["web-1", "web-4"]


@pytest.fixture
def refusing(cluster: FakeCluster, status: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A cluster with three lost trackers, of which the second must not be restarted."""
    create = cluster.create

    async def refuse(resource: Any, namespace: str | None, document: dict[str, Any], **options: Any) -> dict[str, Any]:
        if document.get("spec", {}).get("trackerRef") == {"name": "web-2"}:
            raise ApiForbidden("user alice may not restart in environment dev", status=403)
        # The others are on their way when the refusal comes.
        await asyncio.sleep(0.01)
        return await create(resource, namespace, document, **options)

    monkeypatch.setattr(cluster, "create", refuse)
    lose(cluster, status, 1, 2, 3)
    return cluster


def test_one_refusal_hides_no_other_answer_of_the_lost_ones(refusing: FakeCluster, run: Run) -> None:
    result = run("restart", "--lost")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "web-1: restart (dev) accepted: the promotion goes on",
        "web-2: restart failed: user alice may not restart in environment dev",
        "web-3: restart (dev) accepted: the promotion goes on",
    ]


def test_a_refusal_among_the_lost_ones_is_a_status_of_its_own_in_json(refusing: FakeCluster, run: Run) -> None:
    items = json.loads(run("restart", "--lost", "-o", "json").stdout)["items"]

    assert [one["kind"] for one in items] == ["PromotionCommand", "Status", "PromotionCommand"]
    assert (items[1]["status"], items[1]["details"]["name"]) == ("Failure", "web-2")


def test_a_lost_tracker_that_is_gone_meanwhile_is_named_with_its_exit_code(
    cluster: FakeCluster, status: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(cluster, status, 1, 2)
    read = cluster.get

    async def gone(resource: Any, namespace: str | None, name: str) -> dict[str, Any]:
        return await read(resource, namespace, "web-0" if name == "web-1" else name)

    monkeypatch.setattr(cluster, "get", gone)

    result = run("restart", "--lost")

    assert result.exit_code == 3
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["web-1", "web-2"]
    assert [one["spec"]["trackerRef"]["name"] for one in cluster.created] == ["web-2"]


def test_many_lost_ones_do_not_fall_upon_the_api_server_at_once(
    cluster: FakeCluster, status: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most = 0, 0
    create = cluster.create

    async def count(*arguments: Any, **options: Any) -> dict[str, Any]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return await create(*arguments, **options)

    monkeypatch.setattr(cluster, "create", count)
    lose(cluster, status, *range(1, 101))

    assert run("restart", "--lost", "--no-wait").exit_code == 0
    assert len(cluster.created) == 100
    assert most == CALLS_AT_ONCE


def test_restart_wants_either_a_name_or_lost(tracked: FakeCluster, run: Run) -> None:
    assert run("restart").exit_code == 2
    assert run("restart", "web-412", "--lost").exit_code == 2
    assert tracked.created == []


def test_nothing_lost_is_noted_and_is_no_error(tracked: FakeCluster, run: Run) -> None:
    result = run("restart", "--lost")

    assert result.exit_code == 0
    assert "No tracker has lost its workflow." in result.stderr
    assert tracked.created == []


def test_an_overlong_reason_is_a_usage_error(tracked: FakeCluster, run: Run) -> None:
    result = run("promote", "web-412", "--reason", "x" * 1025)

    assert result.exit_code == 2
    assert "1 to 1024 characters" in result.stderr
    assert tracked.created == []


def test_a_dry_run_asks_the_api_server_and_gives_no_command(tracked: FakeCluster, run: Run) -> None:
    result = run("promote", "412", "--dry-run", "-m", "looks good")

    assert result.exit_code == 0
    assert f"promote (staging) at {MERGED[:12]} may be given (dry run)" in result.stdout
    assert ([one["spec"]["reason"] for one in tracked.judged], tracked.created) == (["looks good"], [])


def test_a_command_for_several_answers_each_by_itself(tracked: FakeCluster, run: Run) -> None:
    tracked.add("PullRequestTracker", "web-413", spec=tracker_spec(413))

    result = run("retest", "#412", "413", "web-1")

    assert result.exit_code == 3
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["web-412", "web-413", "web-1"]
    assert [one["spec"]["trackerRef"]["name"] for one in tracked.created] == ["web-412", "web-413"]


def test_approve_is_another_name_of_promote(tracked: FakeCluster, run: Run) -> None:
    assert run("approve", "web-412").exit_code == 0
    assert tracked.created[0]["spec"]["verb"] == "promote"


def test_an_environment_is_held_for_a_time_by_a_command_without_a_tracker(cluster: FakeCluster, run: Run) -> None:
    cluster.answer_command = lambda _: {"accepted": True, "message": "hold-prod-x7f2q: nothing is written to prod"}

    result = run("hold", "-e", "prod", "--for", "2h", "-m", "migration")

    assert (result.exit_code, result.stdout) == (
        0,
        "prod: hold accepted: hold-prod-x7f2q: nothing is written to prod\n",
    )
    assert cluster.created[0]["spec"] == {
        "verb": "hold",
        "environment": "prod",
        "duration": "2h",
        "requestedBy": "alice@example.com",
        "reason": "migration",
    }


def test_an_environment_hold_is_released_by_its_id(cluster: FakeCluster, run: Run) -> None:
    run("release", "-e", "prod", "--hold", "hold-prod-x7f2q")

    assert cluster.created[0]["spec"]["hold"] == "hold-prod-x7f2q"
    asked = run("-n", "team", "release", "-e", "prod")
    assert asked.exit_code == 2
    assert "pilotage -n team envs prod" in " ".join(asked.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["hold"],
        ["hold", "412", "--for", "2h"],
        ["hold", "-e", "prod", "--for", "2"],
        ["hold", "-e", "prod", "--for", "0s"],
    ],
)
def test_a_hold_that_is_not_clear_is_wrong_usage(tracked: FakeCluster, run: Run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
    assert tracked.created == []
