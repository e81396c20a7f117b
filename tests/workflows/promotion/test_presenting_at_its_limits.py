"""When a presentation is sent, tried again, given up and noted: without a server, in a time that a test lets pass."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.models.failures import Failure
from activities.models.revisions import PresentResult, RefusedPart, Shown
from activities.models.tracking import Timings
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import State
from tests.workflows.promotion.view.test_pull_request import REQUEST, in_hop
from workflows.identity import Queues
from workflows.policies import PRESENT_ATTEMPTS, PRESENT_BRIEFLY
from workflows.promotion.run import PromotionRun
from workflows.promotion.steps.presenting import GIVEN_UP, INITIAL_PAUSE, Presenting
from workflows.promotion.view import status as status_view
from workflows.promotion.view.pull_request import SHOWN_AGAIN_AFTER

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
TIMINGS = Timings()
PASSING = TIMINGS.passing
PAUSE = TIMINGS.reference_initial * INITIAL_PAUSE * 2
"""Longer than the first pause after a failure, whatever its jitter."""
SHOWN = Shown(labels=("pilotage/testing",), comment_id="1")
MANY = 20
ON_THE_WAY, ONCE, PATIENT, BRIEF = "on the way", "once", "patient", "brief"


def failed(kind: str = "ProviderUnauthorized", wait: timedelta | None = None) -> ActivityError:
    """What a presentation fails of."""
    error = ActivityError(
        "failed",
        scheduled_event_id=1,
        started_event_id=1,
        identity="",
        activity_type="",
        activity_id="",
        retry_state=None,
    )
    error.__cause__ = ApplicationError("no", type=kind, next_retry_delay=wait)
    return error


class Stage:
    """A presentation, the host, and the time."""

    def __init__(self, patch: pytest.MonkeyPatch, state: State = State.TESTING) -> None:
        self.now = NOON
        self.sent: list[str] = []
        """How patient each presentation that began was."""
        self.at_work = 0
        self.answer: PresentResult | BaseException = PresentResult(writes=1, shown=SHOWN)
        self.free = asyncio.Event()
        self.free.set()
        self.events: list[str] = []
        self.flushed = 0
        self.changes = 0
        self.story = in_hop(state)
        self.story.since, self.story.message = NOON - HOUR, "web is not there yet"
        patch.setattr(workflow, "now", lambda: self.now)
        patch.setattr(workflow, "random", lambda: SimpleNamespace(random=lambda: 0.5))
        patch.setattr(workflow, "wait_condition", self._wait_condition)
        patch.setattr(workflow, "execute_activity_method", self._execute)
        patch.setattr(
            status_view, "view", lambda _ctx: status_view.View(state=self.story.state, waiting=None, obstacle=None)
        )
        self.ctx = SimpleNamespace(
            request=REQUEST,
            story=self.story,
            queues=Queues(installation="main"),
            timings=TIMINGS,
            pokes=0,
            event=lambda _reason, message, **_more: self.events.append(message),
            changed=lambda: self._count("changes"),
            flush=lambda: self._count("flushed"),
        )
        self.presenting = Presenting(cast("PromotionRun", self.ctx))

    def _count(self, name: str) -> None:
        setattr(self, name, getattr(self, name) + 1)

    async def _wait_condition(self, ready: Callable[[], bool], **limit: Any) -> None:
        end = self.now + limit["timeout"] if "timeout" in limit else None
        while not ready():
            if end is not None and self.now >= end:
                raise TimeoutError(limit["timeout_summary"])
            await asyncio.sleep(0)

    async def _execute(self, *_activity: Any, retry_policy: Any, schedule_to_close_timeout: Any, **_config: Any) -> Any:
        attempts = retry_policy.maximum_attempts
        brief = schedule_to_close_timeout == PRESENT_BRIEFLY
        how = {PRESENT_ATTEMPTS: BRIEF if brief else ON_THE_WAY, 1: ONCE, 0: PATIENT}[attempts]
        self.sent.append(how)
        self.at_work += 1
        assert self.at_work == 1
        assert len(self.sent) < MANY
        try:
            await self.free.wait()
        finally:
            self.at_work -= 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def goes_on(self, time: timedelta = timedelta(0)) -> None:
        """Let the time pass, and all that it wakes."""
        self.now += time
        for _ in range(30):
            await asyncio.sleep(0)

    async def offer(self) -> None:
        """Offer the state at hand, and let follow what follows at once."""
        self.presenting.offer(self.story.state)
        await self.goes_on()

    async def another(self) -> None:
        """Offer a moment that was not shown."""
        self.story.hops += 1
        await self.offer()

    @property
    def shown(self) -> Shown | None:
        """What the next presentation may believe the host to show."""
        return self.story.shown

    @property
    def quiet_until(self) -> datetime | None:
        """Before when the host wants no presentation."""
        return self.story.present_after

    @property
    def noted(self) -> tuple[bool | None, str]:
        return self.story.presented, self.story.presentation_error


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A tracker in Testing that was not shown yet."""
    return Stage(monkeypatch)


async def test_a_moment_is_sent_once(stage: Stage) -> None:
    await stage.offer()
    await stage.offer()
    assert stage.sent == [ON_THE_WAY]
    await stage.another()
    assert stage.sent == [ON_THE_WAY] * 2


async def test_nothing_is_sent_before_there_is_a_pull_request_or_of_what_is_no_moment(stage: Stage) -> None:
    stage.story.pull_request, found = None, stage.story.pull_request
    await stage.offer()
    stage.story.pull_request, stage.story.state = found, State.PENDING
    await stage.offer()
    assert stage.sent == []


async def test_what_the_run_before_owes_is_sent_whatever_the_moment_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, State.SYNCED)
    stage.story.presentation_owed = True
    stage.presenting = Presenting(cast("PromotionRun", stage.ctx))
    await stage.offer()
    await stage.offer()
    assert stage.sent == [ON_THE_WAY]


async def test_one_is_at_work_at_a_time_and_a_newer_moment_follows_it(stage: Stage) -> None:
    stage.free.clear()
    await stage.offer()
    await stage.another()
    assert (stage.sent, stage.presenting.idle) == ([ON_THE_WAY], False)
    stage.free.set()
    await stage.goes_on()
    assert (stage.sent, stage.presenting.idle) == ([ON_THE_WAY] * 2, True)


async def test_one_that_is_about_to_be_sent_is_not_idle_and_one_that_pauses_is(stage: Stage) -> None:
    stage.presenting.offer(State.TESTING)
    assert not stage.presenting.idle
    stage.answer = failed()
    await stage.goes_on()
    assert stage.presenting.idle


@pytest.mark.parametrize("state", [State.AWAITING_SYNC, State.PROMOTING])
async def test_a_state_that_may_pass_in_moments_is_shown_once_it_lasts(
    monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    stage = Stage(monkeypatch, state)
    stage.story.since, hop = NOON, stage.story.hop
    assert hop is not None
    hop.wave = 0
    await stage.offer()
    await stage.offer()
    await stage.goes_on(SECOND)
    assert stage.sent == []
    await stage.goes_on(SECOND * 10)
    assert stage.sent == [ON_THE_WAY]


@pytest.mark.parametrize("stopped", [False, True])
async def test_a_state_that_passed_or_is_left_to_the_next_run_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    stage = Stage(monkeypatch, State.AWAITING_SYNC)
    stage.story.since = NOON
    await stage.offer()
    if stopped:
        stage.presenting.stop()
    else:
        stage.story.since = NOON + SECOND
    await stage.goes_on(SECOND)
    assert stage.presenting._later is None
    await stage.goes_on(HOUR)
    assert stage.sent == []


async def test_a_state_that_follows_one_which_passed_is_awaited_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, State.AWAITING_SYNC)
    stage.story.since = NOON
    await stage.offer()
    stage.story.since = NOON + SECOND
    await stage.goes_on(SECOND)
    await stage.offer()
    await stage.goes_on(SECOND * 10)
    assert stage.sent == [ON_THE_WAY]


async def test_what_changed_within_a_moment_is_shown_soon_and_all_of_it_at_once(stage: Stage) -> None:
    await stage.offer()
    assert stage.story.hop is not None
    assert stage.story.hop.round is not None
    (test,) = stage.story.hop.round.tests
    for retry in (1, 2):
        test.retry = retry
        await stage.offer()
        await stage.goes_on(SECOND * 10)
    assert stage.sent == [ON_THE_WAY]
    await stage.goes_on(SHOWN_AGAIN_AFTER)
    assert stage.sent == [ON_THE_WAY] * 2
    await stage.goes_on(HOUR)
    test.retry = 3
    await stage.offer()
    assert stage.sent == [ON_THE_WAY] * 3
    assert stage.presenting._later is None


async def test_other_states_are_not_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, State.PENDING)
    await stage.offer()
    assert stage.presenting._later is None
    lasting = Stage(monkeypatch, State.PROMOTION_FAILED)
    await lasting.offer()
    assert lasting.presenting._later is None


async def test_what_lasts_and_is_still_not_worth_a_call_is_not_looked_at_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, State.AWAITING_SYNC)
    stage.story.message = ""
    await stage.offer()
    assert stage.presenting._later is None
    assert stage.sent == []


async def test_what_is_at_work_is_left_to_the_next_run(stage: Stage) -> None:
    stage.free.clear()
    await stage.offer()
    stage.story.shown = SHOWN
    stage.presenting.stop()
    await stage.goes_on()
    assert (stage.presenting.idle, stage.story.presentation_owed) == (True, True)
    assert stage.shown is None
    # What was only cut off is not shown.
    assert (stage.noted, stage.events) == ((None, ""), [])
    await stage.another()
    await stage.goes_on(HOUR)
    assert stage.sent == [ON_THE_WAY]


async def test_a_pause_ends_where_the_run_gives_way(stage: Stage) -> None:
    stage.answer = failed()
    await stage.offer()
    stage.presenting.stop()
    await stage.goes_on(HOUR)
    assert (stage.sent, stage.presenting._task) == ([ON_THE_WAY], None)


async def test_one_that_somebody_else_cancels_is_no_failure_of_the_host(stage: Stage) -> None:
    stage.free.clear()
    await stage.offer()
    task, at_work = stage.presenting._task, stage.presenting._at_work
    assert task is not None
    assert at_work is not None
    at_work.cancel()
    await stage.goes_on()
    assert task.cancelled()
    assert (stage.noted, stage.story.presentation_owed) == ((None, ""), False)


async def test_a_failure_is_tried_again_after_a_pause_and_at_once_at_a_poke_or_for_a_newer_moment(
    stage: Stage,
) -> None:
    stage.answer = failed()
    await stage.offer()
    await stage.goes_on(SECOND)
    assert stage.sent == [ON_THE_WAY]
    await stage.goes_on(PAUSE)
    assert stage.sent == [ON_THE_WAY] * 2
    stage.ctx.pokes += 1
    await stage.goes_on()
    assert stage.sent == [ON_THE_WAY] * 3
    await stage.another()
    assert stage.sent == [ON_THE_WAY] * 4


async def test_a_poke_during_a_try_causes_another_one(stage: Stage) -> None:
    stage.free.clear()
    stage.answer = failed()
    await stage.offer()
    stage.ctx.pokes += 1
    stage.free.set()
    await stage.goes_on()
    assert stage.sent == [ON_THE_WAY] * 2


async def test_what_a_host_asks_to_wait_for_outlasts_a_newer_moment_and_not_a_poke(stage: Stage) -> None:
    stage.answer = failed("ProviderRateLimited", HOUR)
    await stage.offer()
    assert stage.story.present_after == NOON + HOUR
    await stage.another()
    await stage.goes_on(HOUR - SECOND)
    assert stage.sent == [ON_THE_WAY]
    await stage.goes_on(SECOND)
    assert stage.sent == [ON_THE_WAY] * 2
    await stage.another()
    stage.ctx.pokes += 1
    await stage.goes_on()
    assert stage.sent == [ON_THE_WAY] * 3
    # The next failure asks for nothing.
    stage.answer = failed()
    stage.ctx.pokes += 1
    await stage.goes_on()
    assert stage.story.present_after is None


async def test_the_run_gives_way_while_a_host_asked_to_wait(stage: Stage) -> None:
    stage.answer = failed("ProviderRateLimited", HOUR)
    await stage.offer()
    await stage.another()
    stage.presenting.stop()
    await stage.goes_on()
    assert (stage.presenting.idle, stage.presenting._task, stage.sent) == (True, None, [ON_THE_WAY])


async def test_the_last_presentation_is_tried_once_and_then_patiently_although_the_host_asked_to_wait(
    stage: Stage,
) -> None:
    stage.answer = failed("ProviderRateLimited", HOUR)
    await stage.offer()
    await stage.another()
    stage.presenting.finish()
    await stage.offer()
    assert stage.sent == [ON_THE_WAY, ONCE, PATIENT]
    assert stage.presenting.idle
    # Of what passes people are shown it as well: nothing comes after it.
    assert stage.noted == (False, "ProviderRateLimited: no")


async def test_the_last_presentation_is_sent_also_where_the_moment_was_shown(stage: Stage) -> None:
    await stage.offer()
    stage.presenting.finish()
    await stage.offer()
    assert stage.sent == [ON_THE_WAY, ONCE]


async def test_a_tracker_that_goes_cuts_off_what_is_at_work_once_and_is_tried_briefly(stage: Stage) -> None:
    stage.free.clear()
    stage.presenting.finish()
    await stage.offer()
    stage.presenting.give_up()
    await stage.goes_on()
    assert (stage.sent, stage.noted) == ([ONCE], (False, GIVEN_UP))
    await stage.another()
    stage.presenting.give_up()
    await stage.goes_on()
    assert stage.sent == [ONCE, BRIEF]
    stage.answer = failed()
    stage.free.set()
    await stage.goes_on()
    assert (stage.sent, stage.presenting.idle) == ([ONCE, BRIEF], True)


async def test_a_tracker_that_goes_while_nothing_is_at_work_is_tried_briefly(stage: Stage) -> None:
    stage.presenting.give_up()
    stage.presenting.finish()
    await stage.offer()
    assert (stage.sent, stage.noted) == ([BRIEF], (True, ""))


async def test_a_tracker_that_goes_is_not_shown_before_its_last_presentation_however_long_its_farewells_take(
    stage: Stage,
) -> None:
    stage.answer = failed()
    await stage.offer()
    stage.presenting.give_up()
    await stage.another()
    await stage.goes_on(PAUSE)
    assert stage.sent == [ON_THE_WAY]
    stage.presenting.finish()
    await stage.another()
    assert (stage.sent, stage.presenting.idle) == ([ON_THE_WAY, BRIEF], True)


@pytest.mark.parametrize(
    ("state", "before", "changes", "flushed"),
    [
        # While tests are polled the first success travels with what they bring.
        (State.TESTING, None, 0, 0),
        (State.TESTS_FAILED, None, 1, 0),
        (State.TESTING, False, 1, 1),
        (State.TESTING, True, 0, 0),
    ],
)
async def test_a_success_is_published_at_once_where_the_one_before_failed(
    stage: Stage, state: State, before: bool | None, changes: int, flushed: int
) -> None:
    stage.story.state = state
    stage.story.presented, stage.story.presentation_error = before, "no" if before is False else ""
    await stage.offer()
    assert (stage.noted, stage.changes, stage.flushed) == ((True, ""), changes, flushed)


async def test_the_success_of_the_last_presentation_is_published_at_once(stage: Stage) -> None:
    stage.presenting.finish()
    await stage.offer()
    assert (stage.noted, stage.flushed) == ((True, ""), 1)


async def test_what_passes_is_noted_once_it_has_lasted_and_what_people_must_fix_at_once(stage: Stage) -> None:
    stage.answer = failed("ProviderUnavailable")
    await stage.offer()
    stage.now = NOON + PASSING - SECOND
    stage.ctx.pokes += 1
    await stage.goes_on()
    assert (stage.noted, stage.events) == ((None, ""), [])
    stage.ctx.pokes += 1
    await stage.goes_on(SECOND)
    assert stage.noted == (False, "ProviderUnavailable: no")
    stage.answer = failed()
    stage.ctx.pokes += 1
    await stage.goes_on()
    assert stage.events == ["ProviderUnavailable: no", "ProviderUnauthorized: no"]


async def test_an_error_is_published_once_until_it_was_shown(stage: Stage) -> None:
    stage.answer = failed()
    await stage.offer()
    await stage.another()
    assert stage.events == ["ProviderUnauthorized: no"]
    stage.answer = PresentResult(writes=1, shown=SHOWN)
    await stage.another()
    stage.answer = failed()
    await stage.another()
    assert stage.events == ["ProviderUnauthorized: no"] * 2


async def test_a_part_that_is_refused_is_noted_and_tried_again(stage: Stage) -> None:
    refused = RefusedPart(part="labels", failure=Failure(kind=FailureKind.UNAUTHORIZED, message="no right"))
    stage.story.present_after = NOON - SECOND
    stage.answer = PresentResult(writes=1, shown=SHOWN, refused=(refused,))
    await stage.offer()
    assert stage.noted[0] is False
    assert stage.shown == SHOWN
    assert stage.quiet_until is None
    await stage.goes_on(PAUSE)
    assert stage.sent == [ON_THE_WAY] * 2
