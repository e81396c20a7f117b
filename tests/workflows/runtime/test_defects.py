"""A defect in work that no one awaits fails the workflow task: Temporal shows it, and goes on once it is fixed."""

import ast
import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.models.status import PublishStatusResult
from worker.temporal.sandbox import workflow_runner
from workflows.runtime.background import Background, CarriedTasks
from workflows.runtime.publishing import Publisher

WORKFLOWS = Path(__file__).parents[3] / "workflows"
AWAITED = {"runtime/background.py", "promotion/steps/presenting.py"}
"""Where tasks are made: all that no one awaits in the first, and one that is awaited at once."""


class Broken:
    """What the work raises once: it is fixed by the time it is tried again."""

    defect: Exception | None = None


async def _work() -> None:
    await workflow.sleep(timedelta(milliseconds=10), summary="come to the defect")
    defect, Broken.defect = Broken.defect, None
    if defect is not None:
        raise defect


def _publish() -> None:
    async def send(_payload: int) -> PublishStatusResult:
        await _work()
        return PublishStatusResult(written=True)

    publisher = Publisher(
        send=send,
        stamp=lambda payload, _sequence: payload,
        merge=lambda _older, newer: newer,
        adds=lambda sent, payload: sent != payload,
    )
    publisher.offer(1)


WORK: dict[str, Callable[[], object]] = {
    "carried": lambda: CarriedTasks().start(_work()),
    "loop": lambda: Background().start(_work()),
    "publisher": _publish,
}


@workflow.defn(sandboxed=False)
class Busy:
    """Work in the background, and wait for something else."""

    def __init__(self) -> None:
        self._over = False

    @workflow.run
    async def run(self, work: str) -> None:
        WORK[work]()
        await workflow.wait_condition(lambda: self._over)

    @workflow.signal
    def end(self) -> None:
        self._over = True


async def _failure(handle: WorkflowHandle[Busy, None]) -> str:
    """Return what the server shows of the workflow task that failed."""
    async with asyncio.timeout(20):
        while True:
            for event in (await handle.fetch_history()).events:
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                    failure = event.workflow_task_failed_event_attributes.failure
                    return f"{failure.message}: {failure.cause.message}"
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("defect", [KeyError("unheard of"), ApplicationError("unheard of")], ids=["defect", "failure"])
async def test_a_defect_fails_the_workflow_task_and_ends_nothing(
    temporal_server: str, work: str, defect: Exception
) -> None:
    client = await Client.connect(temporal_server)
    queue = f"defects-{uuid.uuid4().hex[:8]}"
    Broken.defect = defect
    async with Worker(client, task_queue=queue, workflows=[Busy], workflow_runner=workflow_runner()):
        handle = await client.start_workflow(Busy.run, work, id=queue, task_queue=queue)
        assert "unheard of" in await _failure(handle)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await handle.signal(Busy.end)
        await asyncio.wait_for(handle.result(), 60)


def test_no_task_is_made_whose_defects_no_one_would_see() -> None:
    found = {
        str(path.relative_to(WORKFLOWS))
        for path in WORKFLOWS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("create_task", "ensure_future", "TaskGroup")
    }
    assert found == AWAITED
