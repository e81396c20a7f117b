"""People run our runs again at the CI system: the first verdict that was read stands, and what comes later is shown."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.models.configuration import TestSpec
from activities.models.failures import Failure
from activities.models.testing import RunRef, RunReport, RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import World, a_test, promotion_in
from tests.worlds.played import Played
from tests.worlds.refusals import unread
from workflows.promotion.rules import rounds
from workflows.promotion.state import Round, TestProgress

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPEC = TestSpec(name="unit", runner="jenkins", job="j", parameters={}, required=True, timeout=60 * MINUTE)


def ref(key: str = "k") -> RunRef:
    return RunRef(runner="jenkins", job="j", key=key, id="1")


def report(state: RunState, number: str = "7", failure: Failure | None = None) -> RunReport:
    return RunReport(key="k", run=ref(), state=state, number=number, failure=failure)


async def test_a_later_attempt_is_shown_and_changes_no_verdict(played: Played) -> None:
    async with promotion_in(World, played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit"), a_test("e2e")))
        world.verdicts.update({"unit": RunState.FAILED, "e2e": RunState.RUNNING})
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: {one.name: one.state for one in world.status.tests}.get("unit") == "Failed")
        world.verdicts["unit"] = RunState.PASSED
        await world.eventually(lambda: "Passed, and Failed stands" in world.status.tests[0].message)
        assert world.status.tests[0].state == "Failed"
        assert world.events.count("RunAgain") == 1
        world.verdicts["e2e"] = RunState.PASSED
        await world.until(State.TESTS_FAILED)
        assert world.cancelled == []


def test_only_a_verdict_that_was_read_is_compared_with_what_comes_later() -> None:
    ended = TestProgress(spec=SPEC, key="k", run=ref(), state=RunState.TIMED_OUT, read_at=NOON)
    judged = TestProgress(spec=SPEC, key="k", run=ref(), read_at=NOON)
    rounds.take_report(judged, report(RunState.FAILED), NOON, MINUTE)
    open_test = TestProgress(spec=SPEC, key="o", run=ref("o"), state=RunState.RUNNING)
    round_ = Round(number=1, artifacts=(), tests=[ended, judged, open_test], started_at=NOON)
    assert rounds.to_read_again(round_, [open_test], NOON + MINUTE, MINUTE) == [judged]
    assert rounds.to_read_again(round_, [open_test], NOON + MINUTE / 2, MINUTE) == []
    assert rounds.to_read_again(round_, [], NOON + MINUTE, MINUTE) == []


@pytest.mark.parametrize(
    ("later", "news"),
    [
        (report(RunState.FAILED), False),
        (report(RunState.FAILED, number=""), False),
        (report(RunState.RUNNING, failure=unread()), False),
        (report(RunState.FAILED, number="7 (attempt 2)"), True),
        (report(RunState.RUNNING), True),
    ],
)
def test_what_is_the_same_or_could_not_be_read_is_no_news(later: RunReport, news: bool) -> None:
    test = TestProgress(spec=SPEC, key="k", run=ref())
    rounds.take_report(test, report(RunState.FAILED), NOON, MINUTE)
    assert rounds.take_later(test, later) is news
    assert bool(test.later) is news
    assert rounds.take_later(test, later) is False
    assert test.state is RunState.FAILED
