"""The story of a connection on a real Temporal server, through the watcher's port to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from activities.contracts import ConditionActivities, ConnectionActivities
from activities.models.credential_checks import (
    CheckConnectionInput,
    CheckConnectionResult,
    CheckedResource,
    CredentialCheckInput,
    CredentialCheckOutcome,
    PublishConnectionInput,
)
from activities.models.status import PublishStatusResult
from activities.models.tracking import Timings
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.credential_checks import TemporalCredentialChecks
from worker.temporal.sandbox import workflow_runner
from workflows.credential_check.presentation import CredentialCheckProgress
from workflows.credential_check.workflow import CredentialCheckWorkflow
from workflows.identity import CREDENTIAL_CHECK_WORKFLOW, Queues, credential_check_workflow_id

GOOD = CredentialCheckOutcome(accepted=True, reason="CredentialAccepted", message="fine", version="v3")
BAD = CredentialCheckOutcome(accepted=False, reason="Unauthorized", message="put a valid one into Secret `token`")
REF = CheckedResource(kind="TestRunner", namespace="shop", name="jenkins", uid="uid-1")
CALM = Timings(poll_gap=timedelta(milliseconds=10), check_initial=timedelta(minutes=1))
QUICK = replace(
    CALM,
    check_interval=timedelta(milliseconds=50),
    check_initial=timedelta(milliseconds=50),
    check_maximum=timedelta(milliseconds=50),
)


class Checks(ConnectionActivities):
    """Answer with what the world declares."""

    def __init__(self, world: "World") -> None:
        self._world = world

    @activity.defn
    async def check_connection(self, request: CheckConnectionInput) -> CheckConnectionResult:
        self._world.checks += 1
        if self._world.broken:
            raise ApplicationError("a defect", non_retryable=True)
        return CheckConnectionResult(
            gone=self._world.gone, generation=self._world.generation, outcome=self._world.outcome
        )


class Conditions(ConditionActivities):
    """Keep what is published."""

    def __init__(self, world: "World") -> None:
        self._world = world

    @activity.defn
    async def publish_connection(self, request: PublishConnectionInput) -> PublishStatusResult:
        self._world.published.append(request)
        return PublishStatusResult(written=True)


@dataclass
class World:
    """One resource, its server, and the workers of one installation."""

    client: Client
    installation: str = field(default_factory=lambda: f"connection-{uuid4().hex[:8]}")
    outcome: CredentialCheckOutcome = GOOD
    generation: int = 1
    gone: bool = False
    broken: bool = False
    checks: int = 0
    published: list[PublishConnectionInput] = field(default_factory=list)

    @property
    def workflow_id(self) -> str:
        return credential_check_workflow_id(self.installation, REF.kind, REF.namespace, REF.name, REF.uid)

    @property
    def handle(self) -> WorkflowHandle[object, object]:
        return self.client.get_workflow_handle(self.workflow_id)

    def port(self, timings: Timings = CALM) -> TemporalCredentialChecks:
        return TemporalCredentialChecks(client=self.client, installation=self.installation, timings=timings)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not done():  # noqa: ASYNC110 activities of a worker bring it about
                await asyncio.sleep(0.02)

    async def settled(self, checks: int) -> None:
        """Wait for so many checks of this run, and until the workflow waits again."""
        async with asyncio.timeout(60):
            while not await self._waits(checks):  # noqa: ASYNC110 a server is asked
                await asyncio.sleep(0.05)

    async def _waits(self, checks: int) -> bool:
        if self.checks < checks or (await self.handle.describe()).raw_description.HasField("pending_workflow_task"):
            return False
        events = (await self.handle.fetch_history()).events
        return sum(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in events) >= checks

    async def replay(self) -> None:
        """Every history must replay."""
        replayer = Replayer(
            workflows=[CredentialCheckWorkflow],
            workflow_runner=workflow_runner(),
            data_converter=DATA_CONVERTER,
        )
        await replayer.replay_workflow(await self.handle.fetch_history())


@asynccontextmanager
async def served(address: str) -> AsyncIterator[World]:
    """Serve a resource of its own; what it left behind has to replay."""
    world = World(client=await Client.connect(address, data_converter=DATA_CONVERTER))
    queues = Queues(installation=world.installation)
    async with (
        Worker(
            world.client,
            task_queue=queues.promotions,
            workflows=[CredentialCheckWorkflow],
            workflow_runner=workflow_runner(),
        ),
        Worker(world.client, task_queue=queues.checks, activities=[Checks(world).check_connection]),
        Worker(world.client, task_queue=queues.kubernetes, activities=[Conditions(world).publish_connection]),
    ):
        yield world
        await world.replay()
        if await running(world):
            await world.handle.terminate()


async def running(world: World) -> bool:
    return (await world.handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_a_resource_that_is_seen_is_checked_at_once_and_its_condition_written(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        await world.port().request_check(REF, 1)
        await world.settled(1)
        assert world.published == [PublishConnectionInput(connection=REF, generation=1, outcome=GOOD)]
        assert world.checks == 1


async def test_however_often_it_is_seen_or_looked_after_one_generation_is_checked_once(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        port = world.port()
        await asyncio.gather(*(port.request_check(REF, 1) for _ in range(5)), *(port.ensure(REF, 1) for _ in range(5)))
        await world.settled(1)
        await port.request_check(REF, 1)
        await world.settled(1)
        await asyncio.sleep(0.2)
        assert (world.checks, len(world.published)) == (1, 1)


async def test_looking_after_a_running_workflow_leaves_no_trace_in_its_history(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        await world.port().ensure(REF, 1)
        await world.settled(1)
        before = (await world.handle.describe()).history_length
        await world.port().ensure(REF, 1)
        assert (await world.handle.describe()).history_length == before


async def test_a_new_generation_is_checked_at_once(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        await world.port().request_check(REF, 1)
        await world.settled(1)
        world.generation, world.outcome = 2, BAD
        await world.port().request_check(REF, 2)
        await world.until(lambda: len(world.published) == 2)
        assert (world.published[-1].generation, world.published[-1].outcome) == (2, BAD)


async def test_a_poke_has_a_fixed_secret_seen_at_once(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.outcome = BAD
        await world.port().request_check(REF, 1)
        await world.settled(1)
        world.outcome = GOOD
        await world.port().poke(REF, 1)
        await world.until(lambda: len(world.published) == 2)
        assert world.published[-1].outcome.accepted


async def test_what_fails_is_checked_again_by_itself_and_written_when_it_changes(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.outcome = BAD
        await world.port(QUICK).request_check(REF, 1)
        await world.until(lambda: world.checks >= 4)
        assert len(world.published) == 1
        world.outcome = GOOD
        await world.until(lambda: len(world.published) == 2)
        seen = world.checks
        world.outcome = replace(GOOD, message="fine, 42 runs by now")
        await world.until(lambda: world.checks >= seen + 3)
        assert len(world.published) == 2


async def test_it_ends_when_the_resource_is_gone(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        await world.port().request_check(REF, 1)
        await world.settled(1)
        world.gone = True
        await world.port().signal_gone(REF)
        await world.handle.result()
        assert (await world.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        assert len(world.published) == 1
        # A second end meets no workflow.
        await world.port().signal_gone(REF)


async def test_a_defect_of_ours_is_no_verdict_and_does_not_end_it(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.broken = True
        await world.port(QUICK).request_check(REF, 1)
        await world.until(lambda: world.checks >= 2)
        assert world.published == []
        world.broken = False
        await world.until(lambda: len(world.published) == 1)
        assert world.published[0].outcome == GOOD


async def test_a_long_history_is_cut_and_the_row_of_failures_carried_over(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.outcome = BAD
        request = CredentialCheckInput(
            installation=world.installation, connection=REF, timings=QUICK, generation=1, history_limit=30
        )
        queue = Queues(installation=world.installation).promotions
        first = await world.client.start_workflow(
            CREDENTIAL_CHECK_WORKFLOW, request, id=world.workflow_id, task_queue=queue
        )
        await world.until(lambda: world.checks >= 12)
        assert (await world.handle.describe()).run_id != first.result_run_id
        progress = await world.handle.query("progress", result_type=CredentialCheckProgress)
        assert isinstance(progress, CredentialCheckProgress)
        assert progress.failures >= 8
        assert progress.outcome == BAD


async def test_people_read_the_outcome_in_the_temporal_ui(temporal_server: str) -> None:
    async with served(temporal_server) as world:
        world.outcome = BAD
        await world.port().request_check(REF, 1)
        await world.settled(1)
        details = await world.handle.query("__temporal_workflow_metadata")
        assert "put a valid one into Secret `token`" in str(details)
