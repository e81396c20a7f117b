"""One context of one commit, its host, and the workers of one installation on a real Temporal server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from activities.commit_statuses import judge
from activities.contracts import CommitStatusActivities, PostRecordActivities, SupersessionActivities
from activities.failures import reported
from activities.models.commit_statuses import (
    CloseSupersededInput,
    CommitVerdict,
    PostCommitStatusInput,
    PostCommitStatusResult,
    PostOutcome,
    PublishPostInput,
    StatusSlot,
)
from activities.models.status import PublishStatusResult
from activities.models.tracking import Timings
from providers import models
from worker.temporal.commit_statuses import TemporalCommitStatuses
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.sandbox import workflow_runner
from workflows.commit_status.presentation import CommitStatusProgress
from workflows.commit_status.workflow import CommitStatusWorkflow
from workflows.identity import PROGRESS_QUERY, Queues, commit_status_prefix
from workflows.subscription_fault.workflow import SubscriptionFaultWorkflow

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SLOT = StatusSlot(
    namespace="flux-system",
    provider="github",
    provider_uid="0c9c2e41",
    repository="github.com/acme/web",
    commit="a" * 40,
    context="dev/kustomization/flux-system/webapp",
)


def verdict(state: str, *, at: int = 0, description: str = "", closes: bool = False) -> CommitVerdict:
    """Return what an event reports that happened `at` seconds after noon."""
    return CommitVerdict(
        at=NOON + timedelta(seconds=at),
        state=state,
        description=description or f"{state} at {at}",
        subscription="CommitStatus/flux-system/webapp",
        commit_status="webapp",
        object="Kustomization/flux-system/webapp",
        closes_superseded=closes,
    )


@dataclass
class SentVerdicts:
    """Note what workflows of commit statuses are signalled."""

    sent: list[tuple[StatusSlot, CommitVerdict]] = field(default_factory=list)

    async def others(self, slot: StatusSlot, *, limit: int) -> tuple[str, ...]:
        return ()

    async def signal(self, slot: StatusSlot, verdict: CommitVerdict) -> None:
        self.sent.append((slot, verdict))


@dataclass
class World(CommitStatusActivities, PostRecordActivities, SupersessionActivities):
    """The host and the API server as activities see them."""

    client: Client
    installation: str = field(default_factory=lambda: f"flux-{uuid4().hex[:8]}")
    shown: dict[str, models.CommitStatus] = field(default_factory=dict)
    """What the host shows, by commit."""
    writes: list[tuple[str, str]] = field(default_factory=list)
    """Descriptions that were written, each with its commit."""
    asked: int = 0
    """Posts that were asked for."""
    reads: int = 0
    refusals: list[Exception] = field(default_factory=list)
    """What the next calls raise, before anything is written."""
    lost_answers: int = 0
    """How many of the next writes arrive although their answer does not."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Posts wait for it."""
    handed_on: bool = False
    outcome: PostOutcome | None = None
    """What is answered instead of posting, where set."""
    published: list[PublishPostInput] = field(default_factory=list)
    closed: list[CloseSupersededInput] = field(default_factory=list)
    """Asked for where no activity of a test does it."""

    def __post_init__(self) -> None:
        self.gate.set()
        self.port = TemporalCommitStatuses(client=self.client, installation=self.installation, timings=Timings())

    @activity.defn
    @reported
    async def post_commit_status(self, request: PostCommitStatusInput) -> PostCommitStatusResult:
        self.asked += 1
        await self.gate.wait()
        if self.refusals:
            raise self.refusals.pop(0)
        if self.outcome is not None:
            return PostCommitStatusResult(outcome=self.outcome, handed_on=self.handed_on)
        commit, wanted = request.slot.commit, request.verdict
        status = models.CommitStatus(
            context=request.slot.context, state=models.StatusState(wanted.state), description=wanted.description
        )
        if request.look_first:
            self.reads += 1
            if (found := judge(request, status, self.shown.get(commit))) is not None:
                return PostCommitStatusResult(outcome=found)
        self.writes.append((commit, wanted.description))
        self.shown[commit] = replace(status, posted_at=NOON + timedelta(hours=1))
        if self.lost_answers:
            self.lost_answers -= 1
            raise ConnectionError("the answer was lost")
        return PostCommitStatusResult(outcome=PostOutcome.POSTED)

    @activity.defn
    async def close_superseded(self, request: CloseSupersededInput) -> None:
        self.closed.append(request)

    @activity.defn
    async def publish_post(self, request: PublishPostInput) -> PublishStatusResult:
        self.published.append(request)
        return PublishStatusResult(written=True)

    @property
    def handle(self) -> WorkflowHandle[object, object]:
        prefix = commit_status_prefix(
            self.installation, SLOT.namespace, SLOT.provider_uid, SLOT.repository, SLOT.context
        )
        return self.client.get_workflow_handle(prefix + SLOT.commit)

    @property
    def descriptions(self) -> list[str]:
        """What was written to the commit, in order."""
        return [description for commit, description in self.writes if commit == SLOT.commit]

    async def send(self, *verdicts: CommitVerdict, slot: StatusSlot = SLOT) -> None:
        for one in verdicts:
            await self.port.signal(slot, one)

    async def progress(self) -> CommitStatusProgress:
        found: CommitStatusProgress = await self.handle.query(PROGRESS_QUERY, result_type=CommitStatusProgress)
        return found

    async def until(self, wanted: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not wanted():  # noqa: ASYNC110 -- what changes it is an activity of many kinds
                await asyncio.sleep(0.02)

    async def settled(self) -> CommitStatusProgress:
        """Return the progress once nothing is left to be posted."""
        async with asyncio.timeout(20):
            while True:
                found = await self.progress()
                if found.next_attempt is None and not found.pending:
                    return found
                await asyncio.sleep(0.02)


@asynccontextmanager
async def playing(address: str, *, other: Callable[[World], object] | None = None) -> AsyncIterator[World]:
    """Run the workers of a fresh installation."""
    client = await Client.connect(address, data_converter=DATA_CONVERTER)
    world = World(client)
    queues = Queues(installation=world.installation)
    close = other(world) if other is not None else world.close_superseded
    workflows = Worker(
        client,
        task_queue=queues.promotions,
        workflows=[CommitStatusWorkflow, SubscriptionFaultWorkflow],
        workflow_runner=workflow_runner(),
    )
    served = {queues.scm: world.post_commit_status, queues.config: close, queues.kubernetes: world.publish_post}
    activities = [Worker(client, task_queue=name, activities=[one]) for name, one in served.items()]  # type: ignore[list-item]
    async with workflows, activities[0], activities[1], activities[2]:
        yield world
