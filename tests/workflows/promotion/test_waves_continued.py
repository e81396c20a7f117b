"""What a wave, its sync window and open cancels become when the run gives way to the next."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.delivery import SyncApplicationInput, WriteOutcome, WriteResult
from activities.models.promotion import Verb
from activities.models.testing import CancelTestsInput, CancelTestsResult, RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.test_continued import LONG, Length, UnheardWorld, continued, gives_way
from tests.workflows.promotion.world import FAST, HOTFIX, MINE, OLD, World, promotion, promotion_in
from tests.worlds.played import Played

BLOCKED = WriteResult(
    outcome=WriteOutcome.BLOCKED,
    message="the sync is forbidden by a sync window: deny window `0 22 * * *` of 8h",
    until=datetime(2030, 1, 1, 6, tzinfo=UTC),
)


@dataclass
class ClosedWorld(World):
    """A world in which a sync window is closed."""

    closed: bool = True

    @activity.defn
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        return BLOCKED if self.closed else await super().sync_application(request)


@dataclass
class StubbornWorld(UnheardWorld):
    """A world whose CI system does not take cancels at the moment, and whose watcher may be away."""

    asked: list[str] = field(default_factory=list)
    stubborn: bool = True

    @activity.defn
    async def cancel_tests(self, request: CancelTestsInput) -> CancelTestsResult:
        self.asked += [run.key for run in request.runs]
        if self.stubborn:
            raise ApplicationError("HTTP 503", type="ProviderUnavailable", non_retryable=True)
        return await super().cancel_tests(request)


def _until(world: World) -> datetime | None:
    waiting = world.status.waiting_for if world.status.state is State.PROMOTING else None
    return waiting.until if waiting else None


@pytest.mark.parametrize("waves", [1, 2])
async def test_a_hold_that_came_during_a_wave_waits_for_its_end_also_in_the_next_run(
    played: Played, monkeypatch: pytest.MonkeyPatch, waves: int
) -> None:
    length = Length(monkeypatch)
    async with promotion(played) as (world, start):
        world.environment("staging", OLD, waves=waves)
        world.slow_syncs = True
        run = await start()
        await world.eventually(lambda: world.writes == ["web-staging-0"])
        await world.until(State.PROMOTING)
        await run.command(Verb.HOLD)
        await continued(run, length)
        world.slow_syncs = False
        world.written.clear()
        await run.handle.signal("poke")
        await world.until(State.HELD)
        assert world.runs["staging"]["web-0"] == MINE
        # The hold took effect after the wave: where there is a next one it has not begun.
        assert "web-staging-1" not in world.writes
        await run.command(Verb.RELEASE)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert {world.runs["staging"][f"web-{wave}"] for wave in range(waves)} == {MINE}


async def test_a_run_continued_within_a_wave_gives_it_no_more_time(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = Length(monkeypatch)
    async with promotion(played) as (world, start):
        world.slow_syncs = True
        run = await start()
        await world.eventually(lambda: world.writes == ["web-staging-0"])
        await world.eventually(lambda: _until(world) is not None)
        until = _until(world)
        before = await continued(run, length)
        await world.eventually(lambda: world.status.workflow is not None and world.status.workflow.run_id != before)
        assert _until(world) == until


async def test_a_sync_window_is_forgotten_with_the_wave_that_diverged(played: Played) -> None:
    async with promotion_in(ClosedWorld, played) as (world, start):
        run = await start()
        await world.eventually(lambda: "SyncWindow" in world.events)
        await world.deploy("staging", HOTFIX)
        world.written.clear()
        await run.handle.signal("poke")
        status = await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
        assert status.waiting_for is not None
        assert status.waiting_for.until is None
        await world.deploy("staging", OLD)
        # Only a window that is noted as a new one stops the new wave's deadline from its own begin on.
        await world.eventually(lambda: world.events.count("SyncWindow") == 2)


async def test_a_sync_window_is_forgotten_with_the_wave_that_others_ended(played: Played) -> None:
    async with promotion_in(ClosedWorld, played) as (world, start):
        world.environment("staging", OLD, waves=2)
        run = await start()
        await world.eventually(lambda: world.events.count("SyncWindow") == 1)
        world.runs["staging"]["web-0"] = MINE
        await run.handle.signal("poke")
        await world.eventually(lambda: world.events.count("SyncWindow") == 2)
        world.closed = False
        await run.handle.signal("poke")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.events.count("SyncWindow") == 2


async def test_cancels_left_to_a_next_run_are_sent_by_this_one_where_an_abort_leaves_no_next(
    temporal_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = Length(monkeypatch)
    monkeypatch.setattr("workflows.runtime.publishing.GRACE", LONG)
    # What cannot be cancelled is given up when a presentation would be.
    timings = replace(FAST, present_deadline=LONG)
    async with promotion_in(StubbornWorld, temporal_server, timings=timings) as (world, start):
        world.there.set()
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        await world.until(State.TESTING)
        await run.command(Verb.RETEST)
        await world.eventually(lambda: bool(world.asked) and len(world.triggers) == 6)
        voided, before = set(world.asked), await run.id()
        # The run waits for the write under way when it gives way to the next.
        world.there.clear()
        await run.command(Verb.HOLD)
        await length.end(run)
        await gives_way(run)
        await run.command(Verb.ABORT)
        world.stubborn = False
        length.allow(10_000)
        world.there.set()
        assert await run.end() is State.ABORTED
        assert await run.id() == before
        assert voided <= set(world.cancelled)
