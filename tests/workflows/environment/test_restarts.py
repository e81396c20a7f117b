"""A restart starts a new attempt while the one before may still write: the lane is handed on after that."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from temporalio import activity

from activities.models.delivery import SyncApplicationInput, WriteResult
from activities.models.status import PublishStatusInput, PublishStatusResult
from activities.models.tracking import TrackerSpec
from tests.workflows.environment.puppets import eventually
from tests.workflows.environment.test_with_promotions import Together, together_in
from tests.workflows.promotion.world import FAST, MINE, NEWER
from tests.worlds.played import Played
from workflows.identity import Queues, promotion_workflow_id
from workflows.promotion.state import PromotionStart
from workflows.promotion.workflow import PromotionWorkflow

START_TO_CLOSE = timedelta(seconds=6)
TIMINGS = replace(FAST, activity_start_to_close=START_TO_CLOSE)
SLOW = START_TO_CLOSE.total_seconds() - 2


@dataclass
class SlowFirstAttempt(Together):
    """The first attempt's sync takes nearly as long as it may, whatever becomes of its workflow."""

    at_work: set[str] = field(default_factory=set)
    begun: list[str] = field(default_factory=list)
    together: list[set[str]] = field(default_factory=list)

    @activity.defn
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        workflow_id = activity.info().workflow_id or ""
        self.at_work.add(workflow_id)
        self.begun.append(workflow_id)
        if len(self.at_work) > 1:
            self.together.append(set(self.at_work))
        try:
            if workflow_id == self.begun[0]:
                await asyncio.sleep(SLOW)
            return await super().sync_application(request)
        finally:
            self.at_work.discard(workflow_id)

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        newest = self.live.get(request.tracker.name)
        if newest is not None and newest.attempt > request.tracker.attempt:
            return PublishStatusResult(written=False, reason="OtherAttempt")
        return await super().publish_status(request)

    async def begin(self, number: int, attempt: int) -> None:
        """Start an attempt of a tracker that is known already."""
        name = f"web-{number}"
        tracker = self.live[name] = replace(self.live[name], attempt=attempt)
        self.handles[name] = await self.client.start_workflow(
            PromotionWorkflow.run,
            PromotionStart(
                installation=self.installation,
                tracker=tracker,
                spec=TrackerSpec(repository="web", number=number, environment="dev"),
                timings=TIMINGS,
            ),
            id=promotion_workflow_id(self.installation, "shop", name, tracker.uid, attempt),
            task_queue=Queues(installation=self.installation).promotions,
        )


@pytest.mark.parametrize("how", ["terminated", "deleted"])
async def test_a_restarted_tracker_and_the_one_behind_it_wait_for_the_write_of_the_attempt_before(
    how: str, played: Played
) -> None:
    async with together_in(SlowFirstAttempt, played, dev=MINE) as world:
        await world.track(411, timings=TIMINGS)
        await eventually(lambda: world.at_work)
        first = world.handles["web-411"]
        if how == "terminated":
            await first.terminate("restarted")
        else:
            await first.signal(PromotionWorkflow.deleted)
        await world.begin(411, attempt=2)
        await eventually(lambda: any(member.tracker.attempt == 2 for _, member in world.members))
        world.runs["dev"] = dict.fromkeys(world.runs["dev"], NEWER)
        await world.track(412, timings=TIMINGS)
        await world.ends(412)
        assert world.together == []
        assert set(world.begun) > {world.begun[0]}
