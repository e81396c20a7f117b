"""A presentation that failed is tried again while the state lasts, and given up for a tracker that goes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError

from activities.models.failures import Failure
from activities.models.promotion import Verb
from activities.models.revisions import PresentInput, PresentResult, RefusedPart, Shown
from activities.models.state_labels import STATES_BY_LABEL
from activities.models.status import ConditionStatus
from activities.models.testing import RunState
from activities.models.tracking import Timings
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import State
from tests.workflows.promotion.test_continued import Length, continued
from tests.workflows.promotion.world import FAST, Run, World, pauses, promotion_in
from workflows.promotion.steps.presenting import GIVEN_UP

LASTING = replace(FAST, present_deadline=Timings().present_deadline)
UNASKED = replace(LASTING, reference_initial=timedelta(hours=1), reference_maximum=timedelta(hours=1))
"""No timer tries again within a test."""
OFTEN = replace(LASTING, reference_initial=timedelta(milliseconds=20), reference_maximum=timedelta(milliseconds=40))
SILENT = "unit"
AT_ONCE, LATER = timedelta(milliseconds=50), timedelta(hours=1)


@dataclass
class Host(World):
    """A host that keeps labels as hosts do, and can be down."""

    down: str = ""
    """What it answers; empty while it is up."""
    kind: str = "ProviderUnauthorized"
    final: bool = True
    """Whether the activity itself gives up at such an answer."""
    asks_to_wait: timedelta = AT_ONCE
    tries: int = 0
    refused: tuple[RefusedPart, ...] = ()
    shows: set[str] = field(default_factory=set)
    slow: asyncio.Event | None = None

    @activity.defn
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        self.tries += 1
        if self.slow is not None:
            await self.slow.wait()
        if self.down:
            delay = None if self.final else self.asks_to_wait
            raise ApplicationError(self.down, type=self.kind, non_retryable=self.final, next_retry_delay=delay)
        known = request.shown.labels if request.shown and activity.info().attempt == 1 else self.shows
        self.shows -= {one for one in known if one in STATES_BY_LABEL and one != request.state_label}
        self.shows.add(request.state_label)
        self.presented.append(request)
        shown = Shown(labels=(request.state_label,), comment_id="1")
        return PresentResult(writes=1, shown=shown, refused=self.refused)

    @property
    def condition(self) -> ConditionStatus | None:
        return next((one for one in self.status.conditions if one.type == "Presented"), None)

    def shows_presented(self, status: str, message: str = "") -> Callable[[], bool]:
        """Return whether the condition shows this, to be asked later."""
        return lambda: (
            self.condition is not None and (self.condition.status, self.condition.message) == (status, message)
        )


async def failed_tests(world: Host, run: Run) -> None:
    """Bring a promotion to where its author must be mentioned."""
    await world.until(State.TESTS_FAILED)
    await world.eventually(world.shows_presented("False", f"ProviderUnauthorized: {world.down}"))
    await presenting(run)


async def presenting(run: Run, *attempts: int) -> None:
    """Return once the server knows these presentations at work, each by its attempt: that, or the next after a pause.

    A fake counts a try before the server, and long before the workflow, know what became of it.
    """
    at_work: list[int] = []
    async for _ in pauses():
        found = (await run.handle.describe()).raw_description.pending_activities
        at_work = [one.attempt for one in found if one.activity_type.name == "present_on_pull_request"]
        if at_work == list(attempts):
            return
    raise AssertionError(f"at work: {at_work}")


async def test_an_old_state_s_label_goes_also_after_a_failure(temporal_server: str) -> None:
    async with promotion_in(Host, temporal_server, timings=OFTEN) as (world, start):
        world.verdicts[SILENT] = RunState.RUNNING
        await start()
        await world.eventually(lambda: world.shows == {"pilotage/testing"})
        world.down = "down"
        world.verdicts[SILENT] = RunState.FAILED
        await world.until(State.TESTS_FAILED)
        await world.eventually(world.shows_presented("False", "ProviderUnauthorized: down"))
        world.down = ""
        await world.eventually(lambda: world.shows == {"pilotage/tests-failed"})
        assert world.status.state is State.TESTS_FAILED


async def test_a_poke_has_what_failed_shown_again_with_the_mention_that_the_author_missed(temporal_server: str) -> None:
    async with promotion_in(Host, temporal_server, timings=UNASKED) as (world, start):
        world.verdicts[SILENT], world.down = RunState.FAILED, "down"
        run = await start()
        await failed_tests(world, run)
        triggers = len(world.triggers)
        world.down = ""
        await run.handle.signal("poke")
        await world.eventually(lambda: world.shows == {"pilotage/tests-failed"})
        assert [one.body.split()[0] for one in world.presented[-1].mentions] == ["@ada"]
        await world.eventually(world.shows_presented("True"))
        assert (world.status.state, len(world.triggers)) == (State.TESTS_FAILED, triggers)


async def test_without_a_poke_it_is_shown_again_by_itself_and_each_error_is_shown_once(temporal_server: str) -> None:
    async with promotion_in(Host, temporal_server, timings=OFTEN) as (world, start):
        world.verdicts[SILENT], world.down = RunState.FAILED, "down"
        run = await start()
        await failed_tests(world, run)
        published, tries = len(world.statuses), world.tries
        await world.eventually(lambda: world.tries >= tries + 2)
        assert (world.events.count("PresentationFailed"), len(world.statuses)) == (1, published)
        world.down = "down for repair"
        await world.eventually(world.shows_presented("False", "ProviderUnauthorized: down for repair"))
        assert world.events.count("PresentationFailed") == 2
        world.down = ""
        await world.eventually(world.shows_presented("True"))
        tries = world.tries
        await asyncio.sleep(1)
        # Nothing is tried, and no timer runs, once it is shown.
        assert world.tries == tries


async def test_what_passes_is_shown_only_once_it_has_lasted(temporal_server: str) -> None:
    lasting = replace(OFTEN, reference_maximum=timedelta(milliseconds=400))
    async with promotion_in(Host, temporal_server, timings=lasting) as (world, start):
        world.verdicts[SILENT], world.down, world.kind = RunState.FAILED, "down", "ProviderUnavailable"
        await start()
        await world.eventually(lambda: world.tries >= 2)
        assert "PresentationFailed" not in world.events
        await world.eventually(world.shows_presented("False", "ProviderUnavailable: down"))
        assert world.tries > 2
        assert world.events.count("PresentationFailed") == 1


async def test_parts_that_are_refused_are_named_with_what_to_fix_and_tried_again(temporal_server: str) -> None:
    async with promotion_in(Host, temporal_server, timings=OFTEN) as (world, start):
        world.verdicts[SILENT] = RunState.FAILED
        refusal = Failure(kind=FailureKind.UNAUTHORIZED, message="403 no right")
        world.refused = (RefusedPart(part="labels", failure=refusal),)
        await start()
        await world.until(State.TESTS_FAILED)
        fix = "give the credential of GitRepository/web the right to write them"
        await world.eventually(world.shows_presented("False", f"labels: ProviderUnauthorized: 403 no right; {fix}"))
        # What is shown already is not sent again with what was refused.
        await world.eventually(lambda: world.presented[-1].shown is not None)
        world.refused = ()
        await world.eventually(world.shows_presented("True"))
        assert world.status.state is State.TESTS_FAILED


async def test_a_promotion_whose_presentations_succeed_has_no_timer_for_them(temporal_server: str) -> None:
    async with promotion_in(Host, temporal_server, timings=LASTING) as (world, start):
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await run.command(Verb.PROMOTE, target="prod")
        assert await run.end() is State.COMPLETED
        events = (await run.handle.fetch_history()).events
        timers = [one for one in events if one.event_type == EventType.EVENT_TYPE_TIMER_STARTED]
        assert timers
        assert not [one for one in timers if b"present again" in one.user_metadata.summary.data]


async def test_a_run_that_continues_tries_at_once_what_its_predecessor_could_not_show(
    temporal_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with promotion_in(Host, temporal_server, timings=UNASKED) as (world, start):
        world.verdicts[SILENT], world.down = RunState.FAILED, "down"
        run = await start()
        await failed_tests(world, run)
        world.down = ""
        await continued(run, Length(monkeypatch), poked=False)
        await world.eventually(lambda: world.shows == {"pilotage/tests-failed"})
        await world.eventually(world.shows_presented("True"))
        assert world.status.state is State.TESTS_FAILED


async def test_a_deleted_tracker_is_presented_a_few_times_and_briefly(temporal_server: str) -> None:
    async with promotion_in(Host, temporal_server, timings=UNASKED) as (world, start):
        world.verdicts[SILENT] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        await world.eventually(lambda: world.shows == {"pilotage/tests-failed"})
        await presenting(run)
        tries = world.tries
        world.down, world.final = "Secret/github: does not exist", False
        await run.handle.signal("deleted")
        assert await run.end() is State.ABORTED
        assert world.tries == tries + 4


async def test_a_host_that_asks_to_wait_for_long_does_not_keep_a_deleted_tracker(temporal_server: str) -> None:
    async with promotion_in(Host, temporal_server, timings=UNASKED) as (world, start):
        world.verdicts[SILENT] = RunState.RUNNING
        world.down, world.final, world.asks_to_wait = "limit", False, LATER
        run = await start()
        await world.until(State.TESTING)
        # Now one on the way waits for an hour, and would keep the last one from its turn.
        await presenting(run, 2)
        await run.handle.signal("deleted")
        assert await run.end() is State.ABORTED


async def test_the_last_presentation_of_an_end_before_is_given_up_when_the_tracker_goes(temporal_server: str) -> None:
    async with promotion_in(Host, temporal_server, timings=UNASKED) as (world, start):
        world.verdicts[SILENT] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        await world.eventually(lambda: world.shows == {"pilotage/tests-failed"})
        await presenting(run)
        world.down, world.final, world.asks_to_wait = "down", False, LATER
        await run.command(Verb.ABORT)
        await world.until(State.ABORTED)
        # After one try, whose failure is shown, comes the patient one.
        await world.eventually(world.shows_presented("False", "ProviderUnauthorized: down"))
        await presenting(run, 2)
        await run.handle.signal("deleted")
        assert await run.end() is State.ABORTED
        # The attempt ended as it did; only its presentation ends with the tracker.
        assert world.status.reason == "Aborted"
        assert world.shows_presented("False", GIVEN_UP)()
        world.down = ""
        await asyncio.sleep(0.3)
        assert "pilotage/aborted" not in world.shows


async def test_an_attempt_at_work_when_the_tracker_goes_comes_to_its_end(temporal_server: str) -> None:
    async with promotion_in(Host, temporal_server, timings=UNASKED) as (world, start):
        world.verdicts[SILENT] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        await world.eventually(lambda: world.shows == {"pilotage/tests-failed"})
        await presenting(run)
        world.slow, tries = asyncio.Event(), world.tries
        await run.command(Verb.ABORT)
        await world.eventually(lambda: world.tries > tries)
        await run.handle.signal("deleted")
        await asyncio.sleep(0.3)
        world.slow.set()
        assert await run.end() is State.ABORTED
        assert (world.tries, world.shows) == (tries + 1, {"pilotage/aborted"})
        assert "PresentationFailed" not in world.events


async def test_a_host_that_asks_to_wait_holds_up_no_run_that_is_to_continue(
    temporal_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with promotion_in(Host, temporal_server, timings=UNASKED) as (world, start):
        world.verdicts[SILENT] = RunState.RUNNING
        world.down, world.final, world.asks_to_wait = "limit", False, LATER
        run = await start()
        await world.until(State.TESTING)
        await presenting(run, 2)
        tried = world.tries
        # The one on the way has its answer, and waits for an hour; the next run tries at once.
        world.down = ""
        await continued(run, Length(monkeypatch))
        await world.eventually(lambda: world.tries > tried and world.shows == {"pilotage/testing"})
        await world.eventually(world.shows_presented("True"))
        assert world.down == ""
