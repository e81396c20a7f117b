"""What a place saw before we wrote shows nothing of what we wrote, whenever its signal comes."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio import activity

from activities.models.delivery import ReadDeploymentsInput, ReadDeploymentsResult
from activities.models.places import Counter, PlaceSignal
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import MINE, World, promotion_in
from tests.worlds.played import Played
from tests.worlds.stage import now


@dataclass
class CountingWorld(World):
    """A world that counts how often applications are read."""

    reads: int = 0

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        self.reads += 1
        return await super().read_deployments(request)


async def _report_as_of(world: World, at: datetime) -> None:
    """Have the place of staging report, with its newest signal, that the change runs there since then."""
    world.counter += 1
    [seen] = world.observations("staging")
    await world.client.get_workflow_handle(world.workflow_id).signal(
        "place",
        PlaceSignal(
            environment="staging",
            counter=Counter(epoch=world.epoch, n=world.counter),
            observed=(replace(seen, runs=MINE, written=MINE, settled=True),),
            observed_at=at,
        ),
    )


async def test_only_a_view_newer_than_the_write_shows_that_it_arrived(played: Played) -> None:
    async with promotion_in(CountingWorld, played) as (world, start):
        world.slow_syncs = True
        before = now() - timedelta(minutes=1)
        await start()
        await world.until(State.PROMOTING)
        await world.eventually(lambda: world.writes == ["web-staging-0"])
        reads = world.reads
        await _report_as_of(world, before)
        # It is not believed, but looked into.
        await world.eventually(lambda: world.reads > reads)
        assert world.status.promotions == ()
        await _report_as_of(world, now() + timedelta(seconds=1))
        await world.eventually(lambda: bool(world.status.promotions))
