"""The controller's port on a real Temporal server, with a stand-in for the promotion's workflow."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import structlog
from temporalio import workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.models.drift import DriftNotice
from activities.models.promotion import Command, CommandAnswer, PromotionInput
from activities.models.tracking import Timings, TrackerRef, TrackerSpec
from tests.watcher.fakes import become
from worker.temporal import promotions as promotions_module
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.outcomes import WorkflowState, WorkflowsUnavailable
from worker.temporal.promotions import TemporalPromotions
from workflows.identity import PROMOTION_WORKFLOW, Queues, promotion_workflow_id

SPEC = TrackerSpec(repository="web", number=412, environment="dev")


@workflow.defn(name=PROMOTION_WORKFLOW, sandboxed=False)
class StandIn:
    """Wait to be ended; count pokes and promotions."""

    def __init__(self) -> None:
        self.pokes = 0
        self.promoted: list[str] = []
        self.ended = False
        self.request: PromotionInput | None = None

    @workflow.run
    async def run(self, request: PromotionInput) -> None:
        self.request = request
        await workflow.wait_condition(lambda: self.ended)
        if request.spec.number == 500:
            raise ApplicationError("broken", non_retryable=True)

    @workflow.signal
    def poke(self) -> None:
        self.pokes += 1

    @workflow.signal
    def deleted(self) -> None:
        self.ended = True

    @workflow.update
    def promote(self, command: Command) -> CommandAnswer:
        self.promoted.append(command.request_id)
        return CommandAnswer(accepted=True, message=f"{command.actor} promoted to {command.target_environment}")

    @promote.validator
    def check_promote(self, command: Command) -> None:
        if command.revision == "old":
            raise ApplicationError("this hop promotes another revision")

    @workflow.query
    def seen(self) -> list[str]:
        assert self.request is not None
        return [str(self.pokes), str(self.request.generation), self.request.ui_url, *self.promoted]

    @workflow.query
    def drift(self) -> tuple[str, ...]:
        assert self.request is not None
        return self.request.drift.lines


@pytest.fixture
async def client(temporal_server: str) -> Client:
    return await Client.connect(temporal_server, data_converter=DATA_CONVERTER)


@pytest.fixture
def installation() -> str:
    return f"port-{uuid4().hex[:8]}"


@pytest.fixture
async def worker(client: Client, installation: str) -> AsyncIterator[None]:
    queue = Queues(installation=installation).promotions
    async with Worker(client, task_queue=queue, workflows=[StandIn], workflow_runner=UnsandboxedWorkflowRunner()):
        yield


@pytest.fixture
def promotions(client: Client, installation: str) -> TemporalPromotions:
    return TemporalPromotions(client=client, installation=installation, timings=Timings(), ui_url="https://ui")


def attempt(number: int = 1) -> TrackerRef:
    return TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=number)


def command(request_id: str, *, revision: str = "abc") -> Command:
    return Command(
        request_id=request_id,
        actor="alice",
        target_environment="staging",
        revision=revision,
        reason="",
    )


async def seen(client: Client, installation: str) -> list[str]:
    handle = client.get_workflow_handle(promotion_workflow_id(installation, "shop", "web-412", "uid-1", 1))
    answer: list[str] = await handle.query("seen", result_type=list[str])
    return answer


async def close(promotions: TemporalPromotions) -> WorkflowState:
    await promotions.signal_deleted(attempt())

    async def closed() -> bool:
        return await promotions.read_state(attempt()) is not WorkflowState.RUNNING

    await become(closed)
    return await promotions.read_state(attempt())


async def test_lines_that_follow_a_start_or_a_look_name_the_run(
    client: Client, promotions: TemporalPromotions, worker: None
) -> None:
    for ask in (promotions.start(attempt(), SPEC, generation=3), promotions.read_state(attempt())):
        structlog.contextvars.clear_contextvars()
        await ask
        described = await client.get_workflow_handle(promotions.identify(attempt())).describe()
        assert structlog.contextvars.get_contextvars() == {"workflow_id": described.id, "run_id": described.run_id}


async def test_many_starts_make_one_workflow(
    client: Client, installation: str, promotions: TemporalPromotions, worker: None
) -> None:
    states = await asyncio.gather(*(promotions.start(attempt(), SPEC, generation=3) for _ in range(10)))
    assert set(states) == {WorkflowState.RUNNING}
    _, generation, link = await seen(client, installation)
    assert generation == "3"
    workflow_id = promotion_workflow_id(installation, "shop", "web-412", "uid-1", 1).replace("/", "%2F")
    assert link == f"https://ui/namespaces/default/workflows/{workflow_id}"


async def test_a_list_of_workflows_shows_which_change_each_one_promotes(
    client: Client, promotions: TemporalPromotions, worker: None
) -> None:
    await promotions.start(attempt(), SPEC, generation=3, repository="acme/web")
    described = await client.get_workflow_handle(promotions.identify(attempt())).describe()
    assert await described.static_summary() == "acme/web#412"
    assert await described.memo() == {"change": "acme/web#412"}
    assert "pilotage -n shop why web-412" in (await described.static_details() or "")


async def test_an_attempt_is_sent_what_drifted_before_it(
    client: Client, installation: str, promotions: TemporalPromotions, worker: None
) -> None:
    await promotions.start(attempt(), SPEC, generation=3, drift=DriftNotice(order=7, drifted=True, lines=("web",)))
    handle = client.get_workflow_handle(promotions.identify(attempt()))
    assert await handle.query("drift", result_type=tuple[str, ...]) == ("web",)


async def test_a_closed_workflow_is_not_started_again_and_its_end_is_reported(
    promotions: TemporalPromotions, worker: None
) -> None:
    await promotions.start(attempt(), SPEC, generation=3)
    assert await close(promotions) is WorkflowState.COMPLETED
    assert await promotions.start(attempt(), SPEC, generation=3) is WorkflowState.COMPLETED
    assert await promotions.start(attempt(2), SPEC, generation=3) is WorkflowState.RUNNING


async def test_ends_are_distinguished(
    client: Client, installation: str, promotions: TemporalPromotions, worker: None
) -> None:
    assert await promotions.read_state(attempt()) is WorkflowState.ABSENT
    broken = TrackerSpec(repository="web", number=500, environment="dev")
    await promotions.start(attempt(), broken, generation=1)
    assert await close(promotions) is WorkflowState.FAILED
    await promotions.start(attempt(2), SPEC, generation=3)
    handle = client.get_workflow_handle(promotion_workflow_id(installation, "shop", "web-412", "uid-1", 2))
    await handle.terminate()
    assert await promotions.read_state(attempt(2)) is WorkflowState.TERMINATED


async def test_signals_reach_a_running_workflow_and_miss_others_quietly(
    client: Client, installation: str, promotions: TemporalPromotions, worker: None
) -> None:
    assert not await promotions.poke(attempt())
    assert not await promotions.signal_deleted(attempt())
    assert not await promotions.poke_place(namespace="shop", environment="dev", repository="web")
    await promotions.start(attempt(), SPEC, generation=3)
    assert await promotions.poke(attempt())
    assert (await seen(client, installation))[0] == "1"
    await close(promotions)
    assert not await promotions.poke(attempt())


async def test_a_command_is_executed_once_however_often_it_is_sent(
    client: Client, installation: str, promotions: TemporalPromotions, worker: None
) -> None:
    await promotions.start(attempt(), SPEC, generation=3)
    for _ in range(3):
        answer = await promotions.execute(attempt(), "promote", command("cmd-1"))
        assert answer is not None
        assert (answer.accepted, answer.message) == (True, "alice promoted to staging")
    assert (await seen(client, installation))[3:] == ["cmd-1"]


async def test_a_rejected_command_comes_back_with_the_workflow_s_message(
    promotions: TemporalPromotions, worker: None
) -> None:
    await promotions.start(attempt(), SPEC, generation=3)
    answer = await promotions.execute(attempt(), "promote", command("cmd-1", revision="old"))
    assert answer is not None
    assert not answer.accepted
    assert answer.message == "this hop promotes another revision"


async def test_a_command_for_a_workflow_that_does_not_run_finds_no_one(
    promotions: TemporalPromotions, worker: None
) -> None:
    assert await promotions.execute(attempt(), "promote", command("cmd-1")) is None
    await promotions.start(attempt(), SPEC, generation=3)
    await close(promotions)
    assert await promotions.execute(attempt(), "promote", command("cmd-2")) is None


async def test_a_command_without_a_worker_is_to_be_sent_again(
    promotions: TemporalPromotions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotions_module, "UPDATE_TIMEOUT", timedelta(seconds=0.5))
    await promotions.start(attempt(), SPEC, generation=3)
    with pytest.raises(WorkflowsUnavailable):
        await promotions.execute(attempt(), "promote", command("cmd-1"))


async def test_a_missing_temporal_namespace_is_no_lost_workflow(temporal_server: str, installation: str) -> None:
    lost = await Client.connect(temporal_server, namespace="nowhere", data_converter=DATA_CONVERTER)
    promotions = TemporalPromotions(client=lost, installation=installation, timings=Timings())
    with pytest.raises(WorkflowsUnavailable):
        await promotions.read_state(attempt())
    with pytest.raises(WorkflowsUnavailable):
        await promotions.start(attempt(), SPEC, generation=3)
