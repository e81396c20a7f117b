"""Removing finished trackers goes on where it ended, also in a run that continues as new."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from temporalio import activity

from activities.models.repository_sync import RepositorySyncInput, TidyRepositoryInput, TidyRepositoryResult
from activities.models.tracking import Timings
from tests.workflows.repository.test_workflow import REF, World
from tests.worlds.played import Played
from workflows.identity import REPOSITORY_SYNC_WORKFLOW, Queues
from workflows.repository.workflow import RepositorySyncWorkflow


@dataclass
class Crowded(World):
    """A repository with more finished trackers than one look tries to remove."""

    asked: list[str] = field(default_factory=list)

    @activity.defn
    async def tidy_repository(self, request: TidyRepositoryInput) -> TidyRepositoryResult:
        self.asked.append(request.after)
        return TidyRepositoryResult(tried_to="" if len(self.asked) % 3 == 0 else f"web-{len(self.asked)}")


@pytest.mark.parametrize("history_limit", [1, 500], ids=["continued", "one run"])
async def test_the_next_turn_begins_behind_those_that_were_tried(played: Played, history_limit: int) -> None:
    world, timings = Crowded(client=played.client), Timings()
    request = RepositorySyncInput(
        installation=world.installation, repository=REF, timings=timings, history_limit=history_limit
    )
    names = ("sync_repository", "tidy_repository", "publish_discovery")
    with played.serving([RepositorySyncWorkflow], {"any": [getattr(world, name) for name in names]}):
        await played.client.start_workflow(
            REPOSITORY_SYNC_WORKFLOW,
            request,
            id=world.handle.id,
            task_queue=Queues(installation=world.installation).promotions,
        )
        await asyncio.sleep((6 * (timings.tidy_interval + timedelta(minutes=5))).total_seconds())
        assert world.asked[:4] == ["", "web-1", "web-2", ""]
        played.terminate(world.handle.id)
