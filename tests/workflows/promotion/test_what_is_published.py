"""What a promotion writes and shows depends on what happens, not on how fast the machine is."""

import asyncio
from dataclasses import dataclass, field

from temporalio import activity

from activities.models.state_labels import state_label
from activities.models.testing import TriggerTestInput, TriggerTestResult
from crds.reasons.vocabulary import Phase, State
from tests.workflows.promotion.world import World, a_test, promotion, promotion_in
from tests.worlds.played import Played

WRITES_OF_TWO_HOPS = 8
"""Of each hop: tests with their links, one poll's news at most, the delivery, which brings the record before; the end.
One more, where a machine is so busy that something on the way lasts two seconds."""

BRIEF = {state_label(state) for state in (State.PENDING, State.SYNCED, State.AWAITING_SYNC, State.PROMOTING)}


@dataclass
class Hanging(World):
    """A CI system that answers triggers only when it may."""

    proceed: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        await self.proceed.wait()
        return await super().trigger_test(request)


async def test_two_hops_are_published_with_few_writes_and_each_record_with_a_state(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("staging", "prod", tests=(a_test("smoke"),))
        run = await start()
        assert await run.end() is State.COMPLETED
        assert len(world.statuses) <= WRITES_OF_TWO_HOPS, [(one.state, one.reason) for one in world.statuses]
        assert [(one.target, one.promoted) for one in world.status.promotions] == [("staging", True), ("prod", True)]
        assert world.events.count("Promoted") == 2
        # The first time that tests are shown they have links.
        testing = [one for one in world.statuses if one.state is State.TESTING]
        assert testing
        assert all(test.url for one in testing for test in one.tests)


async def test_a_trigger_that_hangs_is_published_all_the_same(played: Played) -> None:
    async with promotion_in(Hanging, played) as (world, start):
        await start()
        status = await world.until(State.TESTING)
        assert status.tests
        assert not any(test.url for test in status.tests)
        world.proceed.set()
        await world.eventually(lambda: all(test.url for test in world.status.tests))


async def test_a_slow_delivery_of_seconds_is_published_and_costs_the_host_no_call(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("staging", "prod", tests=(a_test("smoke"),))
        world.arrival_seconds = 2.5
        run = await start()
        assert await run.end() is State.COMPLETED
        assert State.PROMOTING in {one.state for one in world.statuses}
        assert not BRIEF & {one.state_label for one in world.presented}
        # The tests of both hops, and the end.
        assert len(world.presented) == 3


async def test_a_delivery_that_lasts_is_shown_without_any_news(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.slow_syncs = True
        await start()
        await world.eventually(lambda: Phase.HOLDER in {signal.phase for _, signal in world.members})
        await world.eventually(lambda: state_label(State.PROMOTING) in {one.state_label for one in world.presented})
        assert world.slow_syncs
