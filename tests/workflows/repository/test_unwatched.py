"""A repository's list is looked at whether or not a watcher is there to write what was found."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import activity

from activities.models.repository_sync import PublishDiscoveryInput, RepositorySyncInput
from activities.models.status import PublishStatusResult
from activities.models.tracking import Timings
from tests.workflows.repository.test_workflow import CAPPED, REF, World
from tests.worlds.played import Played
from workflows.identity import REPOSITORY_SYNC_WORKFLOW, Queues
from workflows.policies import PUBLISHED_WITHIN
from workflows.repository.workflow import RepositorySyncWorkflow


@dataclass
class Unwatched(World):
    """A repository while no watcher serves the queue of conditions."""

    @activity.defn
    async def publish_discovery(self, request: PublishDiscoveryInput) -> PublishStatusResult:
        self.published.append(request)
        answer: PublishStatusResult = await asyncio.get_running_loop().create_future()
        return answer


async def test_it_goes_on_looking_while_no_watcher_writes_its_condition(played: Played) -> None:
    world = Unwatched(client=played.client, discovered=CAPPED)
    # A task that no worker takes has no start, so that no attempt of it can run out of its own time.
    timings = replace(Timings(), activity_start_to_close=timedelta(days=9))
    request = RepositorySyncInput(installation=world.installation, repository=REF, timings=timings)
    names = ("sync_repository", "tidy_repository", "publish_discovery")
    with played.serving([RepositorySyncWorkflow], {"any": [getattr(world, name) for name in names]}):
        handle = await played.client.start_workflow(
            REPOSITORY_SYNC_WORKFLOW,
            request,
            id=world.handle.id,
            task_queue=Queues(installation=world.installation).promotions,
        )
        await asyncio.sleep(timedelta(hours=1).total_seconds())
        looks = len(world.looks)
        assert looks >= timedelta(hours=1) / (2 * timings.list_maximum)
        assert len(world.published) == looks
        await handle.signal("poke")
        await asyncio.sleep((timings.poke_gap + 2 * PUBLISHED_WITHIN).total_seconds())
        assert len(world.looks) > looks
        played.terminate(world.handle.id)
