"""A source that cannot be read: the round goes on meanwhile, as far as it can without it."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError

from activities.models.delivery import ReadDeploymentsInput, ReadDeploymentsResult
from activities.models.promotion import Progress, Verb
from activities.models.status import NO_ACTION
from activities.models.testing import RunState
from crds.reasons.vocabulary import State, Waiting
from tests.workflows.promotion.world import FAST, HOTFIX, Run, World, promotion, promotion_in
from tests.worlds.played import Played
from workflows.identity import PROGRESS_QUERY


@dataclass
class SilentWorld(World):
    """A world whose Argo CD may be away."""

    away: bool = False
    reads: int = 0

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        self.reads += 1
        if self.away:
            raise ApplicationError("503", type="ProviderUnavailable", non_retryable=True)
        return await super().read_deployments(request)

    def shows(self, text: str) -> bool:
        """Return whether the newest status shows that this is what is waited for."""
        waiting = self.statuses[-1].waiting_for if self.statuses else None
        return waiting is not None and text in waiting.observed


SELDOM = replace(FAST, poll_initial=timedelta(minutes=1), poll_maximum=timedelta(minutes=1))
CALM = replace(SELDOM, reference_initial=timedelta(seconds=20), reference_maximum=timedelta(seconds=20))
ALL_RUNNING = {"unit": RunState.RUNNING, "e2e": RunState.RUNNING, "look": RunState.RUNNING}


def _round_of(world: World, seconds: float, *, retries: int = 0) -> None:
    found = world.policies["dev"]
    assert found.policy is not None
    tests = tuple(replace(test, retries=retries) for test in found.policy.tests)
    policy = replace(found.policy, timeout=timedelta(seconds=seconds), tests=tests)
    world.policies["dev"] = replace(found, policy=policy)


async def _timers(run: Run) -> int:
    history = await run.handle.fetch_history()
    return sum(1 for event in history.events if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED)


async def test_deadlines_and_retest_hold_while_the_source_cannot_be_read(played: Played) -> None:
    async with promotion_in(SilentWorld, played) as (world, start):
        _round_of(world, 2)
        world.verdicts |= ALL_RUNNING
        world.before_confirm.append(lambda: setattr(world, "away", True))
        run = await start()
        await world.eventually(lambda: len(world.cancelled) == 3)
        status = await world.until(State.TESTING)
        assert status.waiting_for is not None
        assert status.waiting_for.what is Waiting.REFERENCE
        world.away = False
        world.verdicts.clear()
        await run.command(Verb.RETEST, target="staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert len(world.triggers) == 7


async def test_retest_does_not_wait_for_a_source_that_cannot_be_read(played: Played) -> None:
    async with promotion_in(SilentWorld, played) as (world, start):
        world.before_confirm.append(lambda: setattr(world, "away", True))
        run = await start()
        await world.eventually(lambda: world.shows("503"))
        await run.command(Verb.RETEST, target="staging")
        await world.eventually(lambda: len(world.triggers) == 6)
        world.away = False
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0"]


async def test_a_verdict_waits_for_a_source_that_cannot_be_read_and_shows_it(played: Played) -> None:
    async with promotion_in(SilentWorld, played) as (world, start):
        world.verdicts["unit"] = RunState.RUNNING
        await start()
        await world.eventually(lambda: {one.name: one.state for one in world.status.tests}.get("unit") == "Running")
        world.away = True
        world.verdicts["unit"] = RunState.PASSED
        await world.eventually(lambda: world.shows("503"))
        assert {test.state for test in world.status.tests} == {RunState.PASSED}
        assert world.writes == []
        world.away = False
        status = await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert status.waiting_for is not None
        assert status.waiting_for.what is Waiting.PROMOTE_COMMAND


async def test_why_there_is_no_verdict_is_shown_between_two_reads_with_the_time_of_the_next_one(played: Played) -> None:
    seldom = timedelta(minutes=1)
    timings = replace(FAST, reference_initial=seldom, reference_maximum=seldom, passing=timedelta(seconds=3))
    async with promotion_in(SilentWorld, played, timings=timings) as (world, start):
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.eventually(lambda: {one.name: one.state for one in world.status.tests}.get("unit") == "Running")
        world.away = True
        world.verdicts["unit"] = RunState.PASSED
        await world.eventually(lambda: world.shows("the tests ended"))
        waiting = world.status.waiting_for
        assert waiting is not None
        assert (waiting.object, waiting.unblock_with) == ("dev", NO_ACTION)
        reads = world.reads
        await world.eventually(lambda: world.shows("503"))
        assert world.reads == reads, "shown by the next read alone"
        progress: Progress = await run.handle.query(PROGRESS_QUERY, result_type=Progress)
        assert progress.again_at is not None
        world.away = False
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_a_verdict_that_was_not_looked_for_in_time_counts(played: Played) -> None:
    async with promotion(played, timings=SELDOM) as (world, start):
        _round_of(world, 1)
        await start()
        await world.eventually(lambda: bool(world.statuses and world.status.promotions))
        assert world.cancelled == []
        assert world.writes == ["web-staging-0"]


async def test_a_late_failure_is_not_retried_once_the_round_s_time_is_up(played: Played) -> None:
    async with promotion(played, timings=SELDOM) as (world, start):
        _round_of(world, 1, retries=1)
        world.verdicts["unit"] = RunState.FAILED
        await start()
        status = await world.until(State.TESTS_FAILED)
        assert {test.name: test.state for test in status.tests}["unit"] == RunState.FAILED
        assert len(world.triggers) == 3


async def test_a_source_is_read_also_while_held_at_its_own_pace(temporal_server: str) -> None:
    async with promotion_in(SilentWorld, temporal_server, timings=CALM) as (world, start):
        world.verdicts |= ALL_RUNNING
        world.before_confirm.append(lambda: setattr(world, "away", True))
        run = await start()
        await world.eventually(lambda: world.shows("503"))
        await run.command(Verb.HOLD)
        await world.until(State.HELD)
        await asyncio.sleep(1)
        before = await _timers(run)
        await asyncio.sleep(4)
        assert await _timers(run) == before
        world.away = False
        await run.handle.signal("poke")
        await world.eventually(
            lambda: world.status.state is State.HELD and world.status.reason != "WaitingForReference"
        )


async def test_what_else_is_answered_hides_no_source_that_cannot_be_read(played: Played) -> None:
    async with promotion_in(SilentWorld, played, timings=CALM) as (world, start):
        world.verdicts |= ALL_RUNNING
        world.before_confirm.append(lambda: setattr(world, "away", True))
        await start()
        await world.eventually(lambda: world.shows("503"))
        compared = len(world.statuses)
        world.environment("staging", HOTFIX)
        await world.publish("staging")
        await asyncio.sleep(2)
        assert world.shows("503")
        assert all(one.reason == "WaitingForReference" for one in world.statuses[compared:])
