"""How long a verdict is tried while its host takes no calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from activities.models.commit_statuses import CommitStatusInput
from providers.errors import ProviderUnavailable
from tests.workflows.commit_status.world import SLOT, World, verdict
from tests.worlds.played import Played, connected, served
from tests.worlds.serving import Activity
from workflows.commit_status.workflow import GIVE_UP, CommitStatusWorkflow
from workflows.identity import VERDICT_SIGNAL, Queues

ATTEMPTS = 10_000
"""More than any of these stories makes."""
AT_FIRST = timedelta(hours=4)
"""What a verdict that comes during the outage has left of the time of the one before it."""
LASTS = GIVE_UP + timedelta(hours=2)


@asynccontextmanager
async def away(played: Played) -> AsyncIterator[World]:
    """Play a world whose host takes no calls, and which had a first verdict."""
    world = World(await connected(played))
    activities: dict[str, list[Activity]] = {
        "scm": [world.post_commit_status],
        "config": [world.close_superseded],
        "kubernetes": [world.publish_post],
    }
    world.refusals = [ProviderUnavailable("no answer", status=503) for _ in range(ATTEMPTS)]
    async with served(played, world.client, world.installation, [CommitStatusWorkflow], activities):
        await world.client.start_workflow(
            CommitStatusWorkflow.run,
            CommitStatusInput(installation=world.installation, slot=SLOT),
            id=world.handle.id,
            task_queue=Queues(installation=world.installation).promotions,
            start_signal=VERDICT_SIGNAL,
            start_signal_args=[verdict("failure")],
        )
        yield world


async def test_a_verdict_that_comes_during_an_outage_is_tried_as_long_as_any_other(played: Played) -> None:
    async with away(played) as world:
        await asyncio.sleep((GIVE_UP - AT_FIRST).total_seconds())
        await world.handle.signal(VERDICT_SIGNAL, verdict("success", at=1))
        await asyncio.sleep((LASTS - GIVE_UP + AT_FIRST).total_seconds())
        assert (await world.progress()).pending
        world.refusals.clear()
        await asyncio.sleep(timedelta(minutes=15).total_seconds())
        assert world.descriptions == ["success at 1"]


async def test_a_verdict_is_given_up_after_a_day(played: Played) -> None:
    async with away(played) as world:
        await asyncio.sleep(LASTS.total_seconds())
        assert len(world.refusals) < ATTEMPTS
        await world.handle.result()
        assert world.descriptions == []
