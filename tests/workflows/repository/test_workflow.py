"""The story of a repository's list on a real Temporal server, through the watcher's port to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from activities.contracts import DiscoveryActivities, RepositorySyncActivities
from activities.models.repository_sync import (
    Discovered,
    ListCursor,
    PublishDiscoveryInput,
    Remembered,
    RepositoryRef,
    RepositorySyncInput,
    SyncRepositoryInput,
    SyncRepositoryResult,
    TidyRepositoryInput,
    TidyRepositoryResult,
)
from activities.models.status import PublishStatusResult
from activities.models.tracking import Timings
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.repository_syncs import TemporalRepositorySyncs
from worker.temporal.sandbox import workflow_runner
from workflows.identity import REPOSITORY_SYNC_WORKFLOW, Queues, repository_sync_workflow_id
from workflows.repository.presentation import RepositorySyncProgress
from workflows.repository.workflow import RepositorySyncWorkflow

REF = RepositoryRef(namespace="shop", name="web", uid="uid-1")
HOURS = timedelta(hours=4)
MOMENT = timedelta(milliseconds=50)
CALM = Timings(
    poke_gap=timedelta(milliseconds=10),
    list_initial=HOURS,
    list_maximum=HOURS,
    list_failed_maximum=HOURS,
    settling=MOMENT,
)
QUICK = replace(CALM, list_initial=MOMENT, list_maximum=MOMENT, list_failed_maximum=MOMENT)
CAPPED = Discovered(complete=False, reason="TooManyMatches", message="narrow `discovery`")


@dataclass
class World(RepositorySyncActivities, DiscoveryActivities):
    """One repository's list, and what is asked of it."""

    client: Client
    installation: str = field(default_factory=lambda: f"sync-{uuid4().hex[:8]}")
    looks: list[SyncRepositoryInput] = field(default_factory=list)
    tidied: int = 0
    published: list[PublishDiscoveryInput] = field(default_factory=list)
    more: int = 0
    """How many looks show that the reading goes on."""
    discovered: Discovered | None = None
    gone: bool = False
    needed: bool = True
    away: bool = False

    @activity.defn
    async def sync_repository(self, request: SyncRepositoryInput) -> SyncRepositoryResult:
        self.looks.append(request)
        if self.away:
            raise ApplicationError("the host is away", type="ProviderUnavailable", non_retryable=True)
        number = len(self.looks)
        return SyncRepositoryResult(
            gone=self.gone,
            more=number <= self.more,
            cursor=ListCursor(since=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number), etag=f"tag-{number}"),
            remembered=Remembered(made=(number,)),
            discovered=self.discovered,
        )

    @activity.defn
    async def tidy_repository(self, request: TidyRepositoryInput) -> TidyRepositoryResult:
        self.tidied += 1
        return TidyRepositoryResult(needed=self.needed)

    @activity.defn
    async def publish_discovery(self, request: PublishDiscoveryInput) -> PublishStatusResult:
        self.published.append(request)
        return PublishStatusResult(written=True)

    @property
    def handle(self) -> WorkflowHandle[object, object]:
        return self.client.get_workflow_handle(
            repository_sync_workflow_id(self.installation, REF.namespace, REF.name, REF.uid)
        )

    def port(self, timings: Timings = CALM) -> TemporalRepositorySyncs:
        return TemporalRepositorySyncs(client=self.client, installation=self.installation, timings=timings)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not done():  # noqa: ASYNC110 activities of a worker bring it about
                await asyncio.sleep(0.02)


@asynccontextmanager
async def served(address: str) -> AsyncIterator[World]:
    """Serve a repository of its own; what it left behind has to replay."""
    world = World(client=await Client.connect(address, data_converter=DATA_CONVERTER))
    queues = Queues(installation=world.installation)
    async with (
        Worker(
            world.client,
            task_queue=queues.promotions,
            workflows=[RepositorySyncWorkflow],
            workflow_runner=workflow_runner(),
        ),
        Worker(world.client, task_queue=queues.scm, activities=[world.sync_repository, world.tidy_repository]),
        Worker(world.client, task_queue=queues.kubernetes, activities=[world.publish_discovery]),
    ):
        yield world
        replayer = Replayer(
            workflows=[RepositorySyncWorkflow], workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER
        )
        await replayer.replay_workflow(await world.handle.fetch_history())
        if (await world.handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await world.handle.terminate()


async def test_one_that_is_started_looks_in_a_moment_and_again_when_it_is_poked(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        await world.port().ensure(REF)
        await world.until(lambda: world.tidied == 1)
        assert len(world.looks) == 1
        assert await world.port().poke(REF)
        await world.until(lambda: len(world.looks) == 2)
        assert world.looks[1].cursor.etag == "tag-1"
        assert world.looks[1].remembered.made == (1,)


async def test_the_first_look_comes_a_moment_after_the_start(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        await world.port(replace(CALM, settling=timedelta(seconds=1))).ensure(REF)
        described = await world.handle.describe()
        assert described.execution_time is not None
        assert described.execution_time - described.start_time == timedelta(seconds=1)
        assert not world.looks
        await world.until(lambda: world.tidied == 1)


async def test_a_long_list_is_read_on_at_once(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.more = 3
        await world.port().ensure(REF)
        await world.until(lambda: len(world.looks) == 4)
        assert [one.cursor.etag for one in world.looks] == ["", "tag-1", "tag-2", "tag-3"]


async def test_a_condition_is_written_where_it_shows_something_new(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.discovered = CAPPED
        await world.port(QUICK).ensure(REF)
        await world.until(lambda: len(world.looks) >= 4)
        assert world.published == [PublishDiscoveryInput(repository=REF, discovered=CAPPED)]


async def test_it_ends_when_no_one_needs_the_list_and_when_the_resource_is_gone(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.needed = False
        await world.port().ensure(REF)
        await world.handle.result()
        assert len(world.looks) == 1
        world.needed = True
        await world.port().start_look(REF)
        await world.until(lambda: world.tidied == 2)
        world.gone = True
        await world.port().poke(REF)
        await world.handle.result()
        assert not await world.port().poke(REF)


async def test_a_look_that_fails_is_repeated_with_what_was_known_before(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.away = True
        await world.port(QUICK).ensure(REF)
        await world.until(lambda: len(world.looks) >= 2)
        progress = await world.handle.query("progress", result_type=RepositorySyncProgress)
        assert isinstance(progress, RepositorySyncProgress)
        assert progress.failure is not None
        assert progress.failure.message == "the host is away"
        assert world.looks[-1].cursor == ListCursor()


async def test_a_run_that_continues_knows_what_the_one_before_knew(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.discovered = CAPPED
        request = RepositorySyncInput(installation=world.installation, repository=REF, timings=QUICK, history_limit=30)
        first = await world.client.start_workflow(
            REPOSITORY_SYNC_WORKFLOW,
            request,
            id=world.handle.id,
            task_queue=Queues(installation=world.installation).promotions,
        )
        await world.until(lambda: len(world.looks) >= 10)
        assert (await world.handle.describe()).run_id != first.result_run_id
        assert [one.remembered.made for one in world.looks[1:10]] == [(number,) for number in range(1, 10)]
        assert (len(world.published), world.tidied) == (1, 1)
