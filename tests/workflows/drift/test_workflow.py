"""The story of what was promoted through one Argo CD, on a real Temporal server, begun by the watcher's port."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from activities.contracts import DriftActivities, DriftStatusActivities
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.drift import (
    CreateDriftMonitorsInput,
    CreateDriftMonitorsResult,
    DriftReading,
    GoneTracker,
    InstanceRef,
    LookForDriftInput,
    LookForDriftResult,
    PresentDriftInput,
    PresentDriftResult,
    PublishDriftInput,
    PublishDriftResult,
    Silence,
    SyncDriftedInput,
    Verdict,
)
from activities.models.failures import BriefFailure
from activities.models.revisions import CompareRevisionsInput, CompareRevisionsResult, Relation, RevisionPair
from activities.models.tracking import Timings
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Drift
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.drift import TemporalDriftLooks
from worker.temporal.sandbox import workflow_runner
from workflows.drift.workflow import DriftWorkflow
from workflows.identity import Queues, drift_workflow_id

INSTANCE = InstanceRef(namespace="shop", name="argocd", uid="uid-1")
QUICK = Timings(
    drift_interval=timedelta(milliseconds=200),
    drift_confirm=timedelta(milliseconds=50),
    poll_gap=timedelta(milliseconds=10),
)
CALM = replace(QUICK, drift_interval=timedelta(hours=1))
READING = DriftReading(
    monitor="staging-web",
    uid="u",
    generation=1,
    tracker="web-412",
    repository="web",
    seen="digest",
    verdict=Verdict(),
    shown_tracker="web-412",
    promoted_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@dataclass
class World(DriftActivities, DriftStatusActivities):
    """One instance with a monitor; `verdict` is what its application shows, and what was published stands there."""

    client: Client
    installation: str = field(default_factory=lambda: f"drift-{uuid4().hex[:8]}")
    verdict: Verdict = field(default_factory=Verdict)
    moved: RevisionPair | None = None
    relation: Relation = Relation.DIVERGED
    silent: tuple[Silence, ...] = ()
    syncs: bool = False
    refusals: int = 0
    """How many of the next presentations the host refuses."""
    monitors: int = 1
    looks: list[LookForDriftInput] = field(default_factory=list)
    published: list[PublishDriftInput] = field(default_factory=list)
    presented: list[str] = field(default_factory=list)
    synced: list[str] = field(default_factory=list)
    blocked: int = 0
    """How many of the next syncs meet what is in their way."""
    in_the_way: WriteOutcome = WriteOutcome.BLOCKED

    @property
    def kinds(self) -> list[Drift | None]:
        """Return the kinds that were written, in order."""
        return [change.verdict.kind for request in self.published for change in request.changes]

    @activity.defn
    async def create_drift_monitors(self, request: CreateDriftMonitorsInput) -> CreateDriftMonitorsResult:
        raise AssertionError("promotions make monitors")

    @activity.defn
    async def look_for_drift(self, request: LookForDriftInput) -> LookForDriftResult:
        self.looks.append(request)
        shown = self.kinds[-1] if self.kinds else None
        readings: tuple[DriftReading, ...] = ()
        if self.verdict.kind is not shown or self.moved is not None:
            moved = Verdict(kind=Drift.REVISION_MOVED, observed="bbb") if self.moved else None
            found = replace(READING, verdict=self.verdict, moved=moved, pair=self.moved, shown=shown, syncs=self.syncs)
            readings = (found,)
        return LookForDriftResult(monitors=self.monitors, readings=readings, silent=self.silent)

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        return CompareRevisionsResult(relations=(self.relation,) * len(request.pairs))

    @activity.defn
    async def publish_drift(self, request: PublishDriftInput) -> PublishDriftResult:
        self.published.append(request)
        return PublishDriftResult(written=len(request.changes))

    @activity.defn
    async def present_drift(self, request: PresentDriftInput) -> PresentDriftResult:
        if self.refusals:
            self.refusals -= 1
            raise ApplicationError("the host is away", type=FailureKind.UNAVAILABLE, non_retryable=True)
        self.presented.append(request.tracker)
        return PresentDriftResult()

    @activity.defn
    async def sync_drifted(self, request: SyncDriftedInput) -> WriteResult:
        self.synced.append(request.key)
        if self.blocked:
            self.blocked -= 1
            return WriteResult(outcome=self.in_the_way)
        return WriteResult(outcome=WriteOutcome.DONE)

    @property
    def handle(self) -> WorkflowHandle[DriftWorkflow, None]:
        return self.client.get_workflow_handle_for(
            DriftWorkflow.run,
            drift_workflow_id(self.installation, INSTANCE.namespace, INSTANCE.name, INSTANCE.uid),
        )

    def port(self, timings: Timings = QUICK) -> TemporalDriftLooks:
        return TemporalDriftLooks(client=self.client, installation=self.installation, timings=timings)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not done():  # noqa: ASYNC110 activities of a worker bring it about
                await asyncio.sleep(0.02)

    async def looked(self, times: int = 4) -> None:
        """Wait for so many more looks."""
        seen = len(self.looks)
        await self.until(lambda: len(self.looks) >= seen + times)


@asynccontextmanager
async def served(address: str) -> AsyncIterator[World]:
    """Serve an instance of its own; what it left behind has to replay."""
    world = World(client=await Client.connect(address, data_converter=DATA_CONVERTER))
    queues = Queues(installation=world.installation)
    checks: list[Callable[..., object]] = [world.look_for_drift, world.present_drift, world.sync_drifted]
    async with (
        Worker(
            world.client, task_queue=queues.promotions, workflows=[DriftWorkflow], workflow_runner=workflow_runner()
        ),
        Worker(world.client, task_queue=queues.checks, activities=checks),
        Worker(world.client, task_queue=queues.scm, activities=[world.compare_revisions]),
        Worker(world.client, task_queue=queues.kubernetes, activities=[world.publish_drift]),
    ):
        yield world
        if (await world.handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await world.handle.terminate()
        replayer = Replayer(workflows=[DriftWorkflow], workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER)
        await replayer.replay_workflow(await world.handle.fetch_history())


async def test_drift_is_shown_once_two_looks_found_it_and_goes_once_two_looks_found_it_over(
    temporal_server: str,
) -> None:
    async with served(temporal_server) as world:
        await world.port().poke(INSTANCE)
        await world.looked(2)
        assert world.published == []
        world.verdict = Verdict(kind=Drift.UNHEALTHY, observed="Degraded")
        await world.until(lambda: bool(world.presented))
        asked = [one.first for one in world.looks if one.again]
        assert (world.kinds, asked[-1]) == ([Drift.UNHEALTHY], ("staging-web",))
        world.verdict = Verdict()
        await world.until(lambda: len(world.presented) == 2)
        assert (world.kinds, world.presented) == ([Drift.UNHEALTHY, None], ["web-412", "web-412"])


async def test_a_revision_that_contains_the_promoted_one_is_written_as_in_place_and_any_other_as_moved(
    temporal_server: str,
) -> None:
    async with served(temporal_server) as world:
        world.moved, world.relation = RevisionPair(base="a" * 40, head="b" * 40), Relation.AHEAD
        await world.port().poke(INSTANCE)
        await world.until(lambda: bool(world.kinds))
        assert set(world.kinds) == {None}
        assert world.published[0].changes[0].verdict.observed == "bbb"
        world.moved, world.relation = RevisionPair(base="a" * 40, head="c" * 40), Relation.BEHIND
        await world.until(lambda: Drift.REVISION_MOVED in world.kinds)
        await world.until(lambda: bool(world.presented))
        assert set(world.presented) == {"web-412"}


async def test_what_gives_no_answer_at_two_looks_is_written_once(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        failure = BriefFailure(kind=FailureKind.UNAVAILABLE, message="no answer", object="ArgoCDInstance/argocd")
        world.silent = (Silence(project="shop", failure=failure),)
        await world.port().poke(INSTANCE)
        await world.until(lambda: bool(world.published))
        await world.looked()
        (request,) = world.published
        assert [one.project for one in request.silent] == ["shop"]
        assert [one.projects for one in world.looks if one.again] == [("shop",)]


@pytest.mark.parametrize("in_the_way", [WriteOutcome.BLOCKED, WriteOutcome.HELD])
async def test_one_sync_is_requested_for_one_drift_and_again_only_after_a_sync_window_or_a_hold(
    temporal_server: str, in_the_way: WriteOutcome
) -> None:
    async with served(temporal_server) as world:
        world.syncs, world.blocked, world.in_the_way = True, 1, in_the_way
        world.verdict = Verdict(kind=Drift.OUT_OF_SYNC)
        await world.port().poke(INSTANCE)
        await world.until(lambda: len(world.synced) == 2)
        await world.looked()
        assert len(world.synced) == 2
        assert len(set(world.synced)) == 1


async def test_what_a_host_refused_is_shown_after_a_later_look(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.refusals, world.verdict = 1, Verdict(kind=Drift.UNHEALTHY)
        await world.port().poke(INSTANCE)
        await world.until(lambda: world.presented == ["web-412"])
        assert world.kinds == [Drift.UNHEALTHY]


async def test_it_ends_with_the_last_monitor_and_a_new_one_begins_it_again(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.monitors = 0
        await world.port(CALM).ensure(INSTANCE)
        await world.handle.result()
        seen, world.monitors = len(world.looks), 1
        await world.port(CALM).poke(INSTANCE)
        await world.until(lambda: len(world.looks) > seen)
        assert (await world.handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_a_deleted_tracker_is_cleared_before_the_last_look_however_often_the_host_is_away(
    temporal_server: str,
) -> None:
    async with served(temporal_server) as world:
        world.monitors, world.refusals = 0, 2
        await world.port().clear(INSTANCE, GoneTracker(name="web-412", repository="web", number=412))
        await world.handle.result()
        assert world.presented == ["web-412"]
        assert len(world.looks) == 3


async def test_a_poke_brings_the_next_look_forward(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        await world.port(CALM).ensure(INSTANCE)
        await world.until(lambda: len(world.looks) == 1)
        await world.port(CALM).poke(INSTANCE)
        await world.until(lambda: len(world.looks) == 2)
        assert not world.looks[-1].again
