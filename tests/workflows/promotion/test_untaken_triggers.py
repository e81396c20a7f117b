"""A trigger that no worker takes keeps nothing else waiting: commands, deletion, deadlines."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from temporalio import activity

from activities.models.promotion import Verb
from activities.models.testing import TriggerRoundInput, TriggerRoundResult, TriggerTestInput, TriggerTestResult
from activities.models.tracking import Timings
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import FAST, Run, World, a_test, promotion_in
from tests.worlds.played import Played
from workflows.identity import Queues
from workflows.policies import AWAITED_WITHIN, ci_trigger

NEVER = timedelta(days=9)
"""A task that no worker takes has no start, so that no attempt of it can run out of its own time."""


@dataclass
class Untaken(World):
    """A world without a worker of the queue `ci`."""

    @activity.defn
    async def trigger_round(self, request: TriggerRoundInput) -> TriggerRoundResult:
        answer: TriggerRoundResult = await asyncio.get_running_loop().create_future()
        return answer

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        answer: TriggerTestResult = await asyncio.get_running_loop().create_future()
        return answer


async def retest(world: Untaken, run: Run) -> Callable[[], bool]:
    assert (await run.command(Verb.RETEST)).accepted
    return lambda: bool(world.status.hop and world.status.hop.round == 2)


async def abort(world: Untaken, run: Run) -> Callable[[], bool]:
    assert (await run.command(Verb.ABORT)).accepted
    return lambda: world.status.state is State.ABORTED


async def deletion(world: Untaken, run: Run) -> Callable[[], bool]:
    await run.handle.signal("deleted")
    return lambda: world.status.state is State.ABORTED


async def deadline(world: Untaken, _run: Run) -> Callable[[], bool]:
    return lambda: any(one.name == "quick" and one.state == "TimedOut" for one in world.status.tests)


@pytest.mark.parametrize(
    ("asked", "within"),
    [
        (retest, AWAITED_WITHIN),
        (abort, AWAITED_WITHIN),
        (deletion, AWAITED_WITHIN),
        # The round's trigger, and the one after it, which ends behind the deadline.
        (deadline, 2 * AWAITED_WITHIN),
    ],
)
async def test_what_is_asked_for_takes_effect_in_minutes(
    played: Played, asked: Callable[[Untaken, Run], Awaitable[Callable[[], bool]]], within: timedelta
) -> None:
    timings = replace(FAST, activity_start_to_close=NEVER)
    async with promotion_in(Untaken, played, timings=timings) as (world, start):
        tests = (a_test("quick", timeout=600), a_test("long", timeout=4 * 3600))
        declared = world.policies["dev"].policy
        assert declared is not None
        policy = replace(declared, timeout=timedelta(hours=4), tests=tests)
        world.policies["dev"] = replace(world.policies["dev"], policy=policy)
        run = await start()
        await world.until(State.TESTING)
        took_effect = await asked(world, run)
        await asyncio.sleep(within.total_seconds())
        # A minute at most.
        await world.eventually(took_effect)
        assert world.triggers == []


@pytest.mark.parametrize(
    ("left", "within"), [(timedelta(hours=4), AWAITED_WITHIN), (timedelta(minutes=2), timedelta(minutes=2))]
)
def test_a_trigger_is_taken_and_ends_within_the_time_that_is_left(left: timedelta, within: timedelta) -> None:
    config = ci_trigger(Queues(installation="i"), Timings(), summary="trigger unit", at_most=left)
    assert config.get("schedule_to_start_timeout") == config.get("schedule_to_close_timeout") == within
