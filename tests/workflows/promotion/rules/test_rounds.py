"""What a report of the CI system writes into a test."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.models.configuration import DeploymentSpec, EnvironmentView, PolicySnapshot, TestSpec
from activities.models.failures import Failure
from activities.models.status import NO_ACTION
from activities.models.testing import RunRef, RunReport, RunState
from activities.models.tracking import Artifact
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import State
from tests.worlds.declared import a_policy
from tests.worlds.waits import COMMAND
from workflows.promotion.rules.rounds import (
    LONGEST_QUIET,
    LOOK_AGAIN,
    QUEUED_LONG,
    given_up,
    miss_poll,
    next_look,
    next_try,
    next_wake,
    reveal,
    take_report,
    to_poll,
    until_shown,
    variables,
)
from workflows.promotion.state import Hop, PromotionState, Round, RunBlocker, TestProgress
from workflows.promotion.view.waiting import waiting_for

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def command(verb: str, tracker: str = "", /) -> str:
    return f"pilotage {verb} {tracker or 'web-412'}"


def progress(state: RunState, after: timedelta, *, approval: bool = False) -> TestProgress:
    spec = TestSpec(name="e2e", runner="ci", job="e2e", parameters={}, required=True, timeout=timedelta(hours=1))
    test = TestProgress(spec=spec, key="k", started_at=NOON)
    run = RunRef(runner="ci", job="e2e", key="k", id="1")
    report = RunReport(key="k", run=run, state=state, message="pending", waiting_for_approval=approval)
    take_report(test, report, NOON + after, timedelta(minutes=3))
    return test


def test_a_run_that_stays_in_the_queue_shows_that_no_runner_takes_it() -> None:
    assert progress(RunState.QUEUED, QUEUED_LONG / 2).message == "pending"
    waited = progress(RunState.QUEUED, QUEUED_LONG).message
    assert waited == "in the queue since 12:00 UTC: no runner has taken it; pending"


def test_one_that_runs_or_waits_for_a_person_misses_no_runner() -> None:
    assert progress(RunState.RUNNING, QUEUED_LONG * 2).message == "pending"
    assert progress(RunState.QUEUED, QUEUED_LONG * 2, approval=True).message == "pending"


@pytest.mark.parametrize(
    ("state", "after", "approval", "asked"),
    [
        (RunState.QUEUED, QUEUED_LONG / 2, False, NO_ACTION),
        (RunState.QUEUED, QUEUED_LONG, False, "give job `e2e` at TestRunner/ci an agent that takes it"),
        (RunState.QUEUED, QUEUED_LONG, True, "approve the run of job `e2e` at TestRunner/ci"),
        (RunState.RUNNING, QUEUED_LONG, False, NO_ACTION),
    ],
)
def test_what_a_run_waits_for_that_only_people_can_give_it_is_asked_of_them(
    state: RunState, after: timedelta, approval: bool, asked: str
) -> None:
    test = progress(state, after, approval=approval)
    round_ = Round(number=1, artifacts=(), tests=[test], started_at=NOON)
    story = PromotionState(started_at=NOON, state=State.TESTING, hop=Hop(number=0, policy=a_policy(), round=round_))
    waiting = waiting_for(story, source=None, target=None, command=command)
    assert waiting is not None
    assert waiting.unblock_with.startswith(asked)
    assert waiting.unblock_with == NO_ACTION or COMMAND.search(waiting.unblock_with)
    assert progress(RunState.PASSED, after).blocker is RunBlocker.NOTHING


@pytest.mark.parametrize(("component", "deployment"), [("web", "web-eu"), ("api", "api-eu"), ("docs", "")])
def test_the_deployment_of_a_test_is_the_first_one_of_its_artifact(component: str, deployment: str) -> None:
    deployments = tuple(
        DeploymentSpec(
            name=name,
            component=name.partition("-")[0],
            wave=0,
            instance="argocd",
            project="shop",
            application=name,
        )
        for name in ("web-eu", "api-eu", "api-us")
    )
    found = variables(
        PromotionState(started_at=NOON),
        Hop(number=0, policy=a_policy()),
        number=412,
        key="k",
        artifacts=(Artifact(component=component, revision="a" * 40),),
        source=EnvironmentView(
            name="dev", final=False, vars={}, delivery_timeout=timedelta(hours=1), deployments=deployments
        ),
        target=None,
    )
    assert (found["component.name"], found["deployment.name"]) == (component, deployment)


def late_round(test: TestProgress) -> tuple[Round, PolicySnapshot]:
    return Round(number=1, artifacts=(), tests=[test], started_at=NOON), a_policy()


def running() -> TestProgress:
    test = progress(RunState.RUNNING, timedelta(minutes=1))
    test.read_at = NOON + timedelta(minutes=1)
    return test


OVER = NOON + timedelta(hours=1)
PASSING = timedelta(minutes=3)
DOWN = Failure(kind=FailureKind.UNAVAILABLE, message="503")
ASKED_TO_WAIT = Failure(kind=FailureKind.RATE_LIMITED, message="wait", retry_after=timedelta(minutes=30))


def test_a_late_run_is_looked_at_before_it_is_given_up_and_again_until_a_look_succeeds() -> None:
    test = running()
    round_, policy = late_round(test)
    assert not given_up(round_, policy, test, OVER, PASSING)
    assert next_look(test, OVER) == OVER
    miss_poll(test, DOWN, OVER, PASSING)
    assert not given_up(round_, policy, test, OVER, PASSING)
    assert next_look(test, OVER) == OVER + LOOK_AGAIN
    assert next_wake(round_, policy, OVER, timedelta(minutes=2)) == LOOK_AGAIN
    test.read_at = OVER
    assert given_up(round_, policy, test, OVER, PASSING)


def test_a_ci_system_that_has_failed_for_minutes_is_given_up_and_one_that_asks_for_quiet_only_after_it() -> None:
    for failure, patience in ((DOWN, PASSING), (ASKED_TO_WAIT, LONGEST_QUIET)):
        test = running()
        round_, policy = late_round(test)
        miss_poll(test, failure, OVER, PASSING)
        miss_poll(test, failure, OVER + patience - timedelta(seconds=1), PASSING)
        assert not given_up(round_, policy, test, OVER + patience - timedelta(seconds=1), PASSING)
        assert given_up(round_, policy, test, OVER + patience, PASSING)


def test_a_host_that_names_a_time_is_not_polled_before_it_also_where_the_run_is_late() -> None:
    test = running()
    round_, _ = late_round(test)
    miss_poll(test, ASKED_TO_WAIT, OVER, PASSING)
    assert to_poll(round_, OVER + timedelta(minutes=29)) == []
    assert next_look(test, OVER) == OVER + timedelta(minutes=30)
    assert to_poll(round_, OVER + timedelta(minutes=30)) == [test]


def test_a_test_that_failed_to_be_triggered_or_read_has_a_next_try_and_any_other_one_has_none() -> None:
    poll_at, later = NOON + timedelta(minutes=2), NOON + timedelta(minutes=30)
    test, untriggered = running(), TestProgress(spec=running().spec, next_trigger=NOON + timedelta(minutes=5))
    round_, policy = late_round(test)
    round_.tests.append(untriggered)
    assert next_try(round_, policy, NOON, poll_at) is None
    untriggered.failure = DOWN
    assert next_try(round_, policy, NOON, poll_at) == untriggered.next_trigger
    miss_poll(test, DOWN, NOON, PASSING)
    assert next_try(round_, policy, NOON, poll_at) == poll_at
    miss_poll(test, ASKED_TO_WAIT, NOON, PASSING)
    untriggered.failure = None
    assert next_try(round_, policy, NOON, poll_at) == later
    miss_poll(test, DOWN, OVER, PASSING)
    assert next_try(round_, policy, OVER, OVER) == OVER + LOOK_AGAIN


def test_a_failure_that_is_not_shown_yet_wakes_the_round_once_and_one_of_a_test_that_ended_never() -> None:
    test = running()
    round_, _ = late_round(test)
    miss_poll(test, ASKED_TO_WAIT, NOON, PASSING)
    assert until_shown(round_, NOON, timedelta(hours=1), PASSING) == PASSING
    reveal(test, NOON + PASSING, PASSING)
    assert until_shown(round_, NOON + PASSING, timedelta(hours=1), PASSING) == timedelta(hours=1)
    test.lasting, test.state = False, RunState.ERROR
    assert until_shown(round_, NOON + PASSING, timedelta(hours=1), PASSING) == timedelta(hours=1)
