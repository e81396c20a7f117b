"""A workflow that runs and does not go on is shown on its tracker, with the reason."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from temporalio import workflow
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.common import PinnedVersioningOverride, VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig

from activities.models.promotion import PromotionInput
from activities.models.tracking import Timings, TrackerRef, TrackerSpec
from crds.api.reflector import Key
from tests.watcher.fakes import become
from worker.temporal import stalls
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.outcomes import WorkflowState
from worker.temporal.promotions import TemporalPromotions
from worker.temporal.stalls import Stalls
from worker.watcher.metrics import WatcherMetrics
from worker.watcher.place_stalls import find_stalled, suspects
from worker.watcher.stalls import reported, watch_stalls
from workflows.identity import ENVIRONMENT_WORKFLOW, PROMOTION_WORKFLOW, Queues, environment_workflow_id

ATTEMPT = TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=1)
SPEC = TrackerSpec(repository="web", number=412, environment="dev")


@workflow.defn(name=PROMOTION_WORKFLOW, sandboxed=False)
class Broken:
    """Fail each task with an error that is no failure of the workflow."""

    @workflow.run
    async def run(self, _request: PromotionInput) -> None:
        raise RuntimeError("a bug of this build")


@workflow.defn(name=PROMOTION_WORKFLOW, sandboxed=False)
class Fixed:
    """Go on."""

    @workflow.run
    async def run(self, _request: PromotionInput) -> None:
        await workflow.wait_condition(lambda: False)


@pytest.fixture
async def client(temporal_server: str) -> Client:
    return await Client.connect(temporal_server, data_converter=DATA_CONVERTER)


@pytest.fixture
def installation() -> str:
    return f"stalls-{uuid4().hex[:8]}"


@asynccontextmanager
async def worker(client: Client, installation: str, kind: type) -> AsyncIterator[None]:
    queue = Queues(installation=installation).promotions
    async with Worker(client, task_queue=queue, workflows=[kind], workflow_runner=UnsandboxedWorkflowRunner()):
        yield


async def test_a_task_that_keeps_failing_is_named_with_its_cause_until_it_is_done(
    client: Client, installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server pauses between attempts, longer each time.
    monkeypatch.setattr(stalls, "FAILURES", 1)
    promotions = TemporalPromotions(client=client, installation=installation, timings=Timings())
    await promotions.start(ATTEMPT, SPEC, generation=1)
    async with worker(client, installation, Broken):

        async def stalled() -> bool:
            return bool((await promotions.look(ATTEMPT)).stall)

        await become(stalled)
        assert "a bug of this build" in (await promotions.look(ATTEMPT)).stall
    async with worker(client, installation, Fixed):

        async def goes_on() -> bool:
            return not (await promotions.look(ATTEMPT)).stall

        await become(goes_on)
    assert await promotions.read_state(ATTEMPT) is WorkflowState.RUNNING


async def test_what_the_server_reports_counts_where_it_counts_the_attempts_from_one_again() -> None:
    answer = DescribeWorkflowExecutionResponse()
    answer.pending_workflow_task.attempt = 1
    described = cast(
        WorkflowExecutionDescription, SimpleNamespace(raw_description=answer, raw_info=answer.workflow_execution_info)
    )
    client = AsyncMock(namespace="default")
    client.workflow_service.get_workflow_execution_history_reverse.return_value.history.events = []
    assert await Stalls(client).find(described) == ""
    answer.workflow_execution_info.search_attributes.indexed_fields["TemporalReportedProblems"].data = b"[]"
    assert "its task fails each time" in await Stalls(client).find(described)


async def test_the_server_is_asked_for_reported_problems_in_terms_that_it_knows(client: Client) -> None:
    # It reports a problem after five failures, which take it more than a minute.
    assert await reported(client, "nowhere") == set()
    assert await find_stalled(client, "nowhere")() == {}


async def test_only_workflows_of_the_installation_fill_the_list_of_those_with_problems() -> None:
    asked: list[str] = []

    class Listing:
        def list_workflows(self, query: str, **_bounds: int) -> AsyncIterator[object]:
            asked.append(query)
            return nothing()

    async def nothing() -> AsyncIterator[object]:
        empty: tuple[object, ...] = ()
        for one in empty:
            yield one

    assert await reported(cast(Client, Listing()), "east") == set()
    assert f"TaskQueue = '{Queues(installation='east').promotions}'" in asked[0]


async def test_a_task_that_no_worker_takes_is_named_with_its_queue_once_it_waits_too_long(
    client: Client, installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    promotions = TemporalPromotions(client=client, installation=installation, timings=Timings())
    await promotions.start(ATTEMPT, SPEC, generation=1)
    assert (await promotions.look(ATTEMPT)).stall == ""
    monkeypatch.setattr(stalls, "WAIT", timedelta(0))
    assert (await promotions.look(ATTEMPT)).stall == f"no worker polls the queue {installation}.promotions"


async def test_a_place_that_no_worker_serves_is_found_by_its_queue(
    client: Client, installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "KEPT_SECONDS", 0.0)
    queue = Queues(installation=installation).promotions
    for repository in ("web", "api"):
        place = environment_workflow_id(installation, "shop", "prod", repository)
        await client.start_workflow(ENVIRONMENT_WORKFLOW, id=place, task_queue=queue)
    find = find_stalled(client, installation)
    # A task that waits for less than a minute may only meet workers that restart.
    assert await find() == {}
    monkeypatch.setattr(stalls, "WAIT", timedelta(0))
    expected = f"those of repositories api, web: no worker polls the queue {queue}"

    async def listed() -> bool:
        return dict(await find()) == {Key("shop", "prod"): expected}

    await become(listed)


class NewBuild:
    """Know workers of the build `new` in each queue."""

    async def pollers(self, queue: str, kind: TaskQueueType.ValueType) -> Sequence[PollerInfo]:
        options = WorkerDeploymentOptions(deployment_name=queue.partition(".")[0], build_id="new")
        return (PollerInfo(deployment_options=options),)


@workflow.defn(name=ENVIRONMENT_WORKFLOW, sandboxed=False, versioning_behavior=VersioningBehavior.PINNED)
class Place:
    """Wait."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


async def test_a_place_that_is_pinned_to_a_build_without_workers_is_looked_at_while_others_poll(
    client: Client, installation: str
) -> None:
    queue = Queues(installation=installation).promotions
    place = environment_workflow_id(installation, "shop", "prod", "web")
    old = WorkerDeploymentVersion(deployment_name=installation, build_id="old")
    deployment = WorkerDeploymentConfig(version=old, use_worker_versioning=True)
    suspected = await suspects(NewBuild(), installation)

    async def looked_at() -> bool:
        return [one.id async for one in client.list_workflows(suspected)] == [place]

    runner = UnsandboxedWorkflowRunner()
    async with Worker(
        client, task_queue=queue, workflows=[Place], workflow_runner=runner, deployment_config=deployment
    ):

        async def started() -> bool:
            try:
                await client.start_workflow(
                    ENVIRONMENT_WORKFLOW, id=place, task_queue=queue, versioning_override=PinnedVersioningOverride(old)
                )
            except RPCError:
                return False
            return True

        # The server knows a version once it was polled.
        await become(started)
        await become(looked_at)
        assert await looked_at()


@asynccontextmanager
async def watching(
    client: Client,
    installation: str,
    show_pollers: Callable[[Mapping[str, int]], None],
    *,
    look: timedelta = timedelta(milliseconds=20),
    look_at_all: Callable[[], None] = lambda: None,
) -> AsyncIterator[None]:
    """Watch for stalls in the background."""
    looks = asyncio.create_task(
        watch_stalls(
            client,
            installation,
            look_at=lambda _key: None,
            look_at_all=look_at_all,
            look_at_places=AsyncMock(),
            show_pollers=show_pollers,
            look=look,
        )
    )
    try:
        yield
    finally:
        looks.cancel()


async def test_workers_that_come_have_every_tracker_looked_at_once(
    client: Client, installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "KEPT_SECONDS", 0.0)
    times: list[datetime] = []
    shown: list[Mapping[str, int]] = []

    def looked_at_all() -> None:
        times.append(datetime.now(UTC))

    async def looked() -> bool:
        return bool(times)

    look = timedelta(milliseconds=50)
    async with (
        watching(client, installation, shown.append, look=look, look_at_all=looked_at_all),
        worker(client, installation, Fixed),
    ):
        await become(looked)
    assert len(times) == 1
    queues = Queues(installation=installation)
    assert (shown[0][queues.promotions], shown[-1][queues.promotions] > 0) == (0, True)
    # One of activities that no worker serves is shown as well.
    assert (shown[-1][queues.scm], shown[-1][queues.kubernetes]) == (0, 0)


async def test_pollers_are_shown_while_the_store_of_lists_is_away(
    client: Client, installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> set[Key]:
        raise RPCError("the visibility store is away", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr("worker.watcher.stalls.reported", away)
    shown: list[Mapping[str, int]] = []

    async def looked_twice() -> bool:
        return len(shown) >= 2

    async with watching(client, installation, shown.append):
        await become(looked_twice)
    # Nothing shown would be taken for a server that does not answer, and hide a queue without a poller.
    assert all(shown)


async def test_of_a_server_that_does_not_answer_no_poller_is_shown(
    client: Client, installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()
    metrics = WatcherMetrics(registry)
    metrics.show_pollers({"east.scm": 5})
    assert registry.get_sample_value("pilotage_task_queue_pollers", {"task_queue": "east.scm"}) == 5

    async def away(*_: object) -> None:
        raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr(stalls.Stalls, "pollers", away)

    async def cleared() -> bool:
        return registry.get_sample_value("pilotage_task_queue_pollers", {"task_queue": "east.scm"}) is None

    async with watching(client, installation, metrics.show_pollers):
        await become(cleared)
