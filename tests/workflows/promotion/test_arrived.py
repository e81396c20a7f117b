"""What contains a change has not arrived: nothing is shown as promoted before it is settled and healthy."""

from dataclasses import replace
from datetime import timedelta

from activities.models.promotion import Verb
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import NEWER, World, promotion
from tests.worlds.played import Played

ILL = "web-staging-0"


def hurried(world: World) -> None:
    """Give up a delivery to staging soon."""
    view = world.environments["staging"]
    world.environments["staging"] = replace(view, delivery_timeout=timedelta(seconds=1))


async def test_a_revision_that_stays_degraded_fails_and_is_not_promoted_by_its_own_write(played: Played) -> None:
    async with promotion(played) as (world, start):
        hurried(world)
        world.ill.add(ILL)
        run = await start()
        status = await world.until(State.PROMOTION_FAILED)
        assert "Degraded" in status.message
        looked = len(world.members)
        # The place shows our write again and again, and a retry fails like the first try: neither makes it promoted.
        await world.publish("staging")
        assert (await run.command(Verb.RETRY, target="staging")).accepted
        await world.eventually(lambda: [one.result for one in world.status.promotions] == ["Failed", "Failed"])
        assert len(world.members) > looked
        assert not any(one.promoted for one in world.status.promotions)
        assert not any("promoted/staging" in one.labels for one in world.presented)


async def test_a_failed_change_that_becomes_healthy_ends_its_hop(played: Played) -> None:
    async with promotion(played) as (world, start):
        hurried(world)
        world.ill.add(ILL)
        await start()
        await world.until(State.PROMOTION_FAILED)
        world.ill.clear()
        await world.publish("staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert [one.result for one in world.status.promotions] == ["Failed", "AlreadyContained"]


async def test_a_target_that_contains_the_change_and_is_ill_ends_no_hop(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("staging", NEWER)
        world.ill.add(ILL)
        await start()
        await world.until(State.TESTING)
        assert world.status.promotions == ()
