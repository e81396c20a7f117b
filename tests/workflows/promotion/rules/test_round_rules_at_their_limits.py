"""Conditions on rounds that other tests pass by: each case differs from its neighbour in one of them alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.models.configuration import TestSpec
from activities.models.failures import Failure
from activities.models.testing import RunRef, RunReport, RunState
from activities.models.tracking import Artifact
from crds.reasons.problems import FailureKind
from tests.workflows.promotion.rules.test_commands import a_story
from tests.worlds.declared import a_policy
from workflows.promotion.rules import rounds
from workflows.promotion.state import Hop, PromotionState, Round, TestProgress

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
POLL, PASSING = 2 * MINUTE, 3 * MINUTE
POLICY = a_policy(timeout=2 * HOUR)
RUN = RunRef(runner="ci", job="e2e", key="k", id="1")
DOWN = Failure(kind=FailureKind.UNAVAILABLE, message="503")
ASKED_TO_WAIT = Failure(kind=FailureKind.RATE_LIMITED, message="wait", retry_after=30 * MINUTE)


def a_spec(name: str = "e2e", *components: str) -> TestSpec:
    return TestSpec(
        name=name, runner="ci", job="e2e", parameters={}, required=True, timeout=HOUR, components=components
    )


def untriggered(name: str = "e2e") -> TestProgress:
    return TestProgress(spec=a_spec(name), key="k")


def running(name: str = "e2e") -> TestProgress:
    return TestProgress(spec=a_spec(name), key="k", run=RUN, state=RunState.RUNNING, started_at=NOON)


def passed(name: str = "e2e") -> TestProgress:
    return replace(running(name), state=RunState.PASSED, finished_at=NOON)


def a_round(*tests: TestProgress) -> Round:
    return Round(number=1, artifacts=(), tests=list(tests), started_at=NOON)


def report(
    state: RunState = RunState.RUNNING, *, failure: Failure | None = None, number: str = "", summary: str = ""
) -> RunReport:
    return RunReport(key="k", run=RUN, state=state, failure=failure, number=number, summary=summary)


@pytest.mark.parametrize(
    ("touched", "tested"),
    [(("web",), ["all", "web"]), (("api", "web"), ["all", "web", "api"]), (("docs",), ["all"]), (None, ["all"])],
)
def test_a_round_has_the_tests_of_touched_components_and_those_of_all(
    touched: tuple[str, ...] | None, tested: list[str]
) -> None:
    policy = replace(POLICY, tests=(a_spec("all"), a_spec("web", "web"), a_spec("api", "api")))
    story = PromotionState(started_at=NOON, components=touched)
    made = rounds.new_round(story, Hop(number=0, policy=policy), (), NOON)
    assert [one.spec.name for one in made.tests] == tested


@pytest.mark.parametrize(
    ("test", "due"),
    [
        (untriggered(), True),
        (replace(untriggered(), next_trigger=NOON), True),
        (replace(untriggered(), next_trigger=NOON - SECOND), True),
        (replace(untriggered(), next_trigger=NOON + SECOND), False),
        (running(), False),
        (replace(running(), next_trigger=NOON), False),
    ],
)
def test_a_trigger_is_due_at_its_time_unless_it_was_accepted(test: TestProgress, *, due: bool) -> None:
    assert rounds.due(a_round(test), NOON) == ([test] if due else [])


def test_only_runs_that_go_on_are_read() -> None:
    tests = [untriggered("unsent"), running("running"), passed("passed")]
    assert [one.spec.name for one in rounds.to_poll(a_round(*tests), NOON)] == ["running"]


@pytest.mark.parametrize(
    ("tests", "sleeps"),
    [
        ([running()], POLL),
        ([running(), passed()], POLL),
        ([passed()], POLL),
        # Nothing is to be read: the next trigger wakes the round, else its deadline.
        ([replace(untriggered(), next_trigger=NOON + 20 * MINUTE)], 20 * MINUTE),
        ([untriggered()], 2 * HOUR),
        ([untriggered(), passed()], 2 * HOUR),
        ([running(), replace(untriggered(), next_trigger=NOON + MINUTE)], MINUTE),
        # An accepted trigger wakes nothing.
        ([replace(running(), next_trigger=NOON + MINUTE)], POLL),
    ],
)
def test_a_round_sleeps_until_the_first_thing_that_there_is_to_do(tests: list[TestProgress], sleeps: timedelta) -> None:
    assert rounds.next_wake(a_round(*tests), POLICY, NOON, POLL) == sleeps


def test_a_deadline_within_the_quiet_of_a_host_still_wakes_the_round() -> None:
    test, now = running(), NOON + 50 * MINUTE
    rounds.miss_poll(test, ASKED_TO_WAIT, now, PASSING)
    assert rounds.next_wake(a_round(test), POLICY, now, POLL) == 10 * MINUTE


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ([running(), untriggered("unsent")], "poll e2e"),
        ([untriggered("unsent"), passed()], "trigger unsent again"),
        ([passed()], "end the round"),
    ],
)
def test_a_wake_up_is_to_read_runs_else_to_send_what_was_refused(tests: list[TestProgress], reason: str) -> None:
    assert rounds.wake_reason(a_round(*tests)) == reason


@pytest.mark.parametrize(
    ("test", "after", "late"),
    [
        (running(), HOUR - SECOND, False),
        (running(), HOUR, True),
        (running(), HOUR + SECOND, True),
        (passed(), HOUR + SECOND, False),
        # One that never began has the round's time.
        (untriggered(), HOUR, False),
        (untriggered(), 2 * HOUR, True),
    ],
)
def test_a_test_is_late_from_its_deadline_on_unless_it_has_its_verdict(
    test: TestProgress, after: timedelta, *, late: bool
) -> None:
    assert rounds.late(a_round(test), POLICY, NOON + after) == ([test] if late else [])


def test_a_round_runs_out_of_time_with_its_first_test_that_goes_on() -> None:
    later = replace(running(), started_at=NOON + 10 * MINUTE)
    assert rounds.round_deadline(a_round(passed(), later, untriggered()), POLICY) == NOON + 70 * MINUTE
    assert rounds.round_deadline(a_round(passed()), POLICY) == NOON + 2 * HOUR


def test_a_ci_system_that_failed_long_before_the_deadline_is_given_up_with_the_look_at_it() -> None:
    test, over = running(), NOON + HOUR
    rounds.miss_poll(test, DOWN, over - PASSING, PASSING)
    assert not rounds.given_up(a_round(test), POLICY, test, over, PASSING)
    rounds.miss_poll(test, DOWN, over, PASSING)
    assert rounds.given_up(a_round(test), POLICY, test, over, PASSING)


def test_a_hold_takes_no_time_from_what_goes_on_and_changes_nothing_that_ended() -> None:
    tests = [running(), passed(), replace(untriggered(), next_trigger=NOON), untriggered()]
    round_ = a_round(*tests)
    rounds.shift(round_, HOUR)
    assert round_.started_at == NOON + HOUR
    assert [one.started_at for one in round_.tests] == [NOON + HOUR, NOON, None, None]
    assert [one.next_trigger for one in round_.tests] == [None, None, NOON + HOUR, None]


def test_what_a_run_was_once_seen_with_stays_until_another_value_is_shown() -> None:
    test = untriggered()
    full = replace(report(number="7", summary="1 passed"), run=replace(RUN, url="https://ci.example/7"))
    again = replace(report(number="8", summary="2 passed"), run=replace(RUN, url="https://ci.example/8"))
    for shown, (url, number, summary) in (
        (full, ("https://ci.example/7", "7", "1 passed")),
        (report(), ("https://ci.example/7", "7", "1 passed")),
        (again, ("https://ci.example/8", "8", "2 passed")),
    ):
        rounds.take_report(test, shown, NOON, PASSING)
        assert (test.url, test.number, test.summary) == (url, number, summary)


def test_a_poll_that_failed_is_no_verdict_and_has_the_kind_that_the_worker_names() -> None:
    test = running()
    rounds.take_report(test, report(RunState.PASSED, failure=DOWN), NOON, PASSING)
    assert test.failure is not None
    assert (test.failure.kind, test.state) == (FailureKind.UNAVAILABLE, RunState.RUNNING)


def test_a_run_ended_when_its_verdict_was_read_first() -> None:
    test = running()
    ended = []
    for minutes, state in enumerate((RunState.RUNNING, RunState.PASSED, RunState.PASSED)):
        rounds.take_report(test, report(state), NOON + minutes * MINUTE, PASSING)
        ended.append(test.finished_at)
    assert ended == [None, NOON + MINUTE, NOON + MINUTE]


@pytest.mark.parametrize(("failure", "unread"), [(DOWN, 2), (ASKED_TO_WAIT, 0)], ids=["down", "quiet"])
def test_a_request_for_quiet_is_no_poll_that_failed(failure: Failure, unread: int) -> None:
    test = running()
    for _ in range(2):
        rounds.miss_poll(test, failure, NOON, PASSING)
    assert test.unread == unread


@pytest.mark.parametrize(
    ("test", "lasting"),
    [
        (replace(running(), failure=DOWN, failing_since=NOON), True),
        (replace(passed(), failure=DOWN, failing_since=NOON), False),
        (replace(running(), failure=DOWN), False),
        (running(), False),
    ],
    ids=["failing", "ended", "undated", "well"],
)
def test_a_failure_is_revealed_while_the_test_goes_on(test: TestProgress, *, lasting: bool) -> None:
    rounds.reveal(test, NOON + PASSING, PASSING)
    assert test.lasting is lasting


@pytest.mark.parametrize(
    ("test", "after", "message"),
    [
        (running(), HOUR, "no verdict within 1h"),
        (running(), 2 * HOUR, "no verdict within 1h"),
        (replace(running(), started_at=NOON + 90 * MINUTE), 2 * HOUR, "no verdict within 2h"),
        (untriggered(), 2 * HOUR, "no verdict within 2h"),
        (replace(running(), failure=DOWN), HOUR, "no verdict within 1h: ProviderUnavailable: 503"),
    ],
)
def test_a_test_that_ends_by_time_names_the_limit_that_it_reached_and_what_kept_it(
    test: TestProgress, after: timedelta, message: str
) -> None:
    rounds.time_out(test, POLICY, NOON + after)
    assert (test.state, test.finished_at, test.failure) == (RunState.TIMED_OUT, NOON + after, None)
    assert test.message == message


@pytest.mark.parametrize(
    ("limit", "text"), [(SECOND / 2, "0s"), (90 * SECOND, "1m30s"), (HOUR, "1h"), (HOUR + SECOND, "1h1s")]
)
def test_a_limit_is_shown_in_its_units_that_are_not_zero(limit: timedelta, text: str) -> None:
    test = untriggered()
    rounds.time_out(test, replace(POLICY, timeout=limit), NOON + HOUR)
    assert test.message == f"no verdict within {text}"


def variables_of(story: PromotionState, *artifacts: Artifact, components: tuple[str, ...] = ()) -> dict[str, str]:
    return rounds.variables(
        story,
        Hop(number=0, policy=POLICY),
        number=412,
        key="k",
        artifacts=artifacts,
        source=None,
        target=None,
        components=components,
    )


WEB = Artifact(component="web", revision="a" * 40, image="registry.example/web", tag="1.2")
API = Artifact(component="api", revision="b" * 40)


@pytest.mark.parametrize(
    ("components", "named"), [((), WEB), (("api",), API), (("api", "web"), WEB), (("docs",), None)]
)
def test_a_test_gets_the_first_artifact_of_its_components(components: tuple[str, ...], named: Artifact | None) -> None:
    found = variables_of(PromotionState(started_at=NOON), WEB, API, components=components)
    names = ("component.name", "revision", "artifact.image", "artifact.tag", "deployment.name")
    expected = (named.component, named.revision, named.image or "", named.tag or "", "") if named else ("",) * 5
    assert tuple(found[name] for name in names) == expected


@pytest.mark.parametrize("merge_sha", ["a" * 40, None])
def test_a_test_gets_the_merge_commit_once_there_is_one(merge_sha: str | None) -> None:
    story = a_story()
    assert story.pull_request is not None
    story.pull_request = replace(story.pull_request, merge_sha=merge_sha)
    assert variables_of(story)["pullRequest.mergeSHA"] == (merge_sha or "")


@pytest.mark.parametrize(
    ("tests", "has_begun"),
    [
        ([], False),
        ([untriggered()], False),
        ([running()], True),
        ([running(), untriggered()], False),
        ([running(), passed()], True),
        ([passed(), replace(running(), retry=1)], False),
    ],
)
def test_a_round_has_begun_once_each_test_has_its_first_run_and_none_another(
    tests: list[TestProgress], has_begun: bool
) -> None:
    assert rounds.begun(a_round(*tests)) is has_begun


@pytest.mark.parametrize(("after", "up"), [(2 * HOUR - SECOND, False), (2 * HOUR, True), (3 * HOUR, True)])
def test_the_time_of_a_round_is_up_at_its_timeout(after: timedelta, up: bool) -> None:
    assert rounds.is_timed_out(a_round(running()), POLICY, NOON + after) is up


JUDGED = replace(passed(), judged=True, read_at=NOON - POLL)


@pytest.mark.parametrize(
    ("test", "read"),
    [
        (JUDGED, True),
        (replace(JUDGED, read_at=NOON - POLL - SECOND), True),
        (replace(JUDGED, read_at=NOON - POLL + SECOND), False),
        (replace(JUDGED, read_at=None), False),
        (replace(JUDGED, judged=False), False),
        (replace(JUDGED, run=None), False),
        (replace(JUDGED, spec=replace(JUDGED.spec, runner="other")), False),
    ],
)
def test_a_run_with_a_verdict_is_read_again_after_a_pause_where_its_runner_is_asked_anyway(
    test: TestProgress, read: bool
) -> None:
    assert rounds.to_read_again(a_round(test), [running()], NOON, POLL) == ([test] if read else [])
    assert rounds.to_read_again(a_round(test), [], NOON, POLL) == []


@pytest.mark.parametrize(
    ("seen", "news"),
    [
        (report(RunState.FAILED), True),
        (report(RunState.FAILED, number="7"), True),
        (report(RunState.PASSED, number="8"), True),
        (report(RunState.PASSED), False),
        (report(RunState.PASSED, number="7"), False),
        (report(RunState.FAILED, failure=DOWN), False),
        (report(RunState.PASSED, number="8", failure=DOWN), False),
    ],
)
def test_that_a_run_was_run_again_is_news_once_and_changes_no_verdict(seen: RunReport, news: bool) -> None:
    test = replace(JUDGED, number="7")
    assert rounds.take_later(test, seen) is news
    assert bool(test.later) is news
    assert rounds.take_later(test, seen) is False
    assert test.state is RunState.PASSED


def test_variables_that_all_tests_have_alike_travel_once() -> None:
    one, other = {"revision": "a", "name": "e2e"}, {"revision": "a", "name": "unit"}
    assert rounds.shared_variables([one, other]) == {"revision": "a"}
    assert rounds.shared_variables([one, {}]) == {}
    assert rounds.shared_variables([one]) == one
    assert rounds.shared_variables([]) == {}
