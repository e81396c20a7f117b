"""A CommitStatus whose events give no status for days: its workflow begins new runs, and shows the newest fault."""

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.contracts import PostRecordActivities
from activities.models.commit_statuses import PublishPostInput, SubscriptionFault, SubscriptionFaultInput
from activities.models.status import PublishStatusResult
from activities.models.tracking import Timings
from tests.worlds.played import Played, connected, served
from worker.temporal.commit_statuses import TemporalCommitStatuses
from workflows.subscription_fault.workflow import GAP, SubscriptionFaultWorkflow

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(seconds=10)
HOURS = timedelta(hours=6)


class Statuses(PostRecordActivities):
    """Remember what was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    @activity.defn
    async def publish_post(self, request: PublishPostInput) -> PublishStatusResult:
        self.shown.append(request.record.error)
        return PublishStatusResult(written=True)


async def test_hours_of_faults_make_no_long_history_and_lose_no_newest_one(played: Played) -> None:
    world, client = Statuses(), await connected(played)
    async with served(played, client, "main", [SubscriptionFaultWorkflow], {"kubernetes": [world.publish_post]}):
        port = TemporalCommitStatuses(client=client, installation="main", timings=Timings())
        longest, runs, count = 0, set[str](), HOURS // EVERY
        for number in range(count):
            fault = SubscriptionFault(at=BEGAN + number * EVERY, message=f"fault {number}")
            await port.fault(namespace="shop", name="webapp", fault=fault)
            await asyncio.sleep(EVERY.total_seconds())
            [execution] = played.executions.values()
            longest = max(longest, execution.run.events)
            runs.add(execution.run.info.run_id)
        limit = SubscriptionFaultInput(installation="main", namespace="shop", name="webapp").history_limit
        # What one turn adds comes on top of it.
        assert longest < limit * 1.2
        assert len(runs) > 1
        [execution] = played.executions.values()
        await execution.result
        assert world.shown[-1] == f"fault {count - 1}"
        assert len(world.shown) <= HOURS / GAP + 1
