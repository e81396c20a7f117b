"""What is done next for a round of tests: one act at a time, in the order that the policy of a round demands."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.models.configuration import TestSpec
from activities.models.testing import RunRef, RunState
from activities.models.tracking import Artifact
from tests.worlds.declared import a_policy
from workflows.promotion.rules.testing import Act, Facts, Step, decide
from workflows.promotion.state import Round, TestProgress

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = a_policy(timeout=timedelta(hours=2))
FACTS = Facts(policy=POLICY, last_look=5 * MINUTE)


def a_test(
    state: RunState | None = RunState.RUNNING, *, required: bool = True, retries: int = 0, **fields: object
) -> TestProgress:
    spec = TestSpec(
        name="e2e",
        runner="ci",
        job="e2e",
        parameters={},
        required=required,
        timeout=timedelta(hours=1),
        retries=retries,
    )
    run = RunRef(runner="ci", job="e2e", key="k", id="1") if state is not None else None
    test = TestProgress(spec=spec, key="k", run=run, state=state, started_at=NOON if run else None)
    return replace(test, **fields)  # type: ignore[arg-type]


def a_round(*tests: TestProgress, confirmed: bool = True) -> Round:
    artifacts = (Artifact(component="web", revision="a" * 40),)
    return Round(number=1, artifacts=artifacts, tests=list(tests), started_at=NOON, confirmed=confirmed)


@pytest.mark.parametrize(
    ("tests", "confirmed", "facts", "after", "step"),
    [
        pytest.param([a_test(None)], False, FACTS, MINUTE, Step.TRIGGER, id="a test that was not sent is triggered"),
        pytest.param(
            [a_test(None)], False, replace(FACTS, declared=False), MINUTE, Step.DECLARE, id="its parameters come first"
        ),
        pytest.param(
            [a_test(None)],
            False,
            replace(FACTS, declared=False, may_read=False),
            MINUTE,
            Step.WAIT,
            id="a source that failed to be read has its pause",
        ),
        pytest.param(
            [a_test(None, next_trigger=NOON + 2 * MINUTE)],
            True,
            FACTS,
            MINUTE,
            Step.WAIT,
            id="a trigger that was refused has its pause",
        ),
        pytest.param([a_test()], False, FACTS, MINUTE, Step.CONFIRM, id="the source is read after the triggers"),
        pytest.param(
            [a_test(RunState.PASSED)], False, FACTS, MINUTE, Step.CONFIRM, id="a verdict waits for that as well"
        ),
        pytest.param([a_test()], True, FACTS, MINUTE, Step.WAIT, id="a run that goes on is waited for"),
        pytest.param([a_test()], True, replace(FACTS, poll_due=True), MINUTE, Step.POLL, id="and polled when due"),
        pytest.param([a_test(RunState.PASSED)], True, FACTS, MINUTE, Step.JUDGE, id="the verdict ends the round"),
        pytest.param([], True, FACTS, MINUTE, Step.JUDGE, id="a round without tests as well"),
        pytest.param(
            [a_test(RunState.PASSED)],
            True,
            replace(FACTS, may_read=False),
            MINUTE,
            Step.WAIT,
            id="it is not judged while the source cannot be read",
        ),
        pytest.param(
            [a_test(RunState.FAILED, retries=1)], True, FACTS, MINUTE, Step.RETRY, id="a failure has its retries"
        ),
        pytest.param(
            [a_test(RunState.FAILED, retries=1)],
            True,
            FACTS,
            3 * 60 * MINUTE,
            Step.JUDGE,
            id="but none once the round's own time is up",
        ),
        pytest.param([a_test(RunState.FAILED)], True, FACTS, MINUTE, Step.JUDGE, id="without retries it is final"),
        pytest.param([a_test()], True, FACTS, 60 * MINUTE, Step.POLL_LATE, id="at its deadline a run is looked at"),
        pytest.param([a_test()], True, FACTS, 61 * MINUTE, Step.POLL_LATE, id="what is late is looked at once more"),
        pytest.param(
            [a_test(read_at=NOON + 61 * MINUTE)],
            True,
            FACTS,
            62 * MINUTE,
            Step.END,
            id="and ends where it was read after its deadline",
        ),
        pytest.param(
            [a_test(None)], False, FACTS, 3 * 60 * MINUTE, Step.END, id="what was never sent ends with the round"
        ),
    ],
)
def test_the_next_act(
    tests: Sequence[TestProgress], confirmed: bool, facts: Facts, after: timedelta, step: Step
) -> None:
    assert decide(a_round(*tests, confirmed=confirmed), facts, NOON + after).step is step


def test_an_optional_test_that_is_late_ends_while_a_required_one_goes_on() -> None:
    late = a_test(required=False, read_at=NOON + 61 * MINUTE)
    on_time = a_test(started_at=NOON + 30 * MINUTE)
    assert decide(a_round(on_time, late), FACTS, NOON + 62 * MINUTE) == Act(step=Step.END, tests=[late])


def test_only_the_tests_that_are_due_are_triggered() -> None:
    due, later = a_test(None), a_test(None, next_trigger=NOON + 5 * MINUTE)
    assert decide(a_round(due, later, a_test()), FACTS, NOON + MINUTE) == Act(step=Step.TRIGGER, tests=[due])


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        (FACTS, Step.WAIT),
        (replace(FACTS, unread=True), Step.READ_SOURCE),
        (replace(FACTS, unread=True, may_read=False), Step.WAIT),
        (replace(FACTS, poll_due=True), Step.POLL),
    ],
)
def test_a_hold_stops_what_we_do_and_not_what_we_see(facts: Facts, step: Step) -> None:
    for test in (a_test(None), a_test(), a_test(RunState.PASSED), a_test(RunState.FAILED, retries=1)):
        for minutes in (1, 61, 181):
            now = NOON + minutes * MINUTE
            assert decide(a_round(test, confirmed=False), replace(facts, held=True), now).step is step


@given(
    states=st.lists(st.sampled_from([None, *RunState]), max_size=4),
    confirmed=st.booleans(),
    held=st.booleans(),
    declared=st.booleans(),
    may_read=st.booleans(),
    minutes=st.integers(0, 200),
)
def test_nothing_is_judged_unless_it_was_confirmed_and_all_required_tests_are_final(
    states: list[RunState | None], confirmed: bool, held: bool, declared: bool, may_read: bool, minutes: int
) -> None:
    facts = replace(FACTS, held=held, declared=declared, may_read=may_read)
    tests = [a_test(state, retries=1) for state in states]
    act = decide(a_round(*tests, confirmed=confirmed), facts, NOON + minutes * MINUTE)
    if act.step is Step.JUDGE:
        assert confirmed
        assert not held
        assert all(test.final for test in tests)
    if act.step in (Step.TRIGGER, Step.RETRY):
        assert minutes < POLICY.timeout / MINUTE
