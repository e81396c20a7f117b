"""What an update does to a workflow whose worker was killed replays: not two tasks in a row leave no event."""

import asyncio
import sys
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from google.protobuf.json_format import ParseDict
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Replayer
from temporalio.workflow import Info

from deploy.local.environment.processes import ROOT
from tests.worker.asking_worker import asking_worker
from tests.worker.asking_workflow import AskingWorkflow
from tests.workflows.environment.puppets import eventually
from worker.temporal.sandbox import workflow_runner
from worker.temporal.task_marks import MARKED_MEMO, TaskMarks

Step = tuple[int, dict[str, Any], list[dict[str, Any]]]
"""Length of the history, what brings the activation, and what it answers."""


async def updated(server: str, **memo: bool) -> WorkflowHandle[AskingWorkflow, None]:
    """Return a workflow whose worker was killed once its activity had answered, and that was updated then."""
    client, name = await Client.connect(server), f"asking-{uuid4()}"
    command = [sys.executable, "-m", "tests.worker.asking_worker", server, name]
    killed = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        handle = await client.start_workflow(AskingWorkflow.run, id=name, task_queue=name, memo=memo)

        async def tasks() -> int:
            types = [event.event_type async for event in handle.fetch_history_events()]
            return types.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)

        async def answered() -> bool:
            return await tasks() == 3

        await eventually(tasks)
        await handle.signal(AskingWorkflow.look)
        await eventually(answered)
    finally:
        killed.kill()
        await killed.wait()
    async with asking_worker(client, name):
        await handle.execute_update(AskingWorkflow.proceed)
        await handle.signal(AskingWorkflow.end)
        await handle.result()
    return handle


async def replayed(handle: WorkflowHandle[AskingWorkflow, None]) -> Exception | None:
    replayer = Replayer(workflows=[AskingWorkflow], workflow_runner=workflow_runner())
    result = await replayer.replay_workflow(await handle.fetch_history(), raise_on_replay_failure=False)
    return result.replay_failure


async def test_an_update_that_came_after_a_workers_death_replays(temporal_server: str) -> None:
    handle = await updated(temporal_server, **{MARKED_MEMO: True})
    assert await replayed(handle) is None


async def test_without_marks_the_sdk_still_runs_two_tasks_together(temporal_server: str) -> None:
    """Once this fails, the SDK is fixed, and the marks can go."""
    handle = await updated(temporal_server)
    assert "Nondeterminism" in str(await replayed(handle))


SIGNALLED: dict[str, Any] = {"signal_workflow": {}}
ANSWERED: dict[str, Any] = {"resolve_activity": {}}
ASKED: dict[str, Any] = {"query_workflow": {}}
UPDATED: dict[str, Any] = {"do_update": {}}
ACTS = {"schedule_activity": {"seq": 1}}
STARTS, CANCELS = {"start_timer": {"seq": 7}}, {"cancel_timer": {"seq": 7}}
ACCEPTED: dict[str, Any] = {"update_response": {"accepted": {}}}
REJECTED: dict[str, Any] = {"update_response": {"rejected": {}}}
REPLIED: dict[str, Any] = {"respond_to_query": {}}
MARK, UNMARK = "start_timer", "cancel_timer"


def marks(*tasks: Step, memo: str = MARKED_MEMO) -> list[str]:
    """Return what is added to the completions of activations."""
    info = cast(Info, SimpleNamespace(raw_memo={memo: Payload()}))
    added: list[str] = []
    marking = TaskMarks(info)
    for length, job, commands in tasks:
        completion = WorkflowActivationCompletion()
        completion.successful.SetInParent()
        for command in commands:
            ParseDict(command, completion.successful.commands.add())
        activation = WorkflowActivation(history_length=length)
        ParseDict(job, activation.jobs.add())
        marking.complete(activation, completion)
        added.extend(str(one.WhichOneof("variant")) for one in completion.successful.commands[len(commands) :])
    return added


@pytest.mark.parametrize(
    ("tasks", "added"),
    [
        ([(3, SIGNALLED, [])], [MARK]),
        ([(3, SIGNALLED, [ACTS]), (9, ANSWERED, [])], []),
        ([(3, SIGNALLED, [ACTS]), (9, ANSWERED, []), (12, ANSWERED, [])], [MARK]),
        ([(3, SIGNALLED, [ACTS]), *((length, ANSWERED, []) for length in range(9, 24, 3))], [MARK, UNMARK]),
        ([(3, SIGNALLED, []), (3, ANSWERED, [])], [MARK]),
        ([(3, SIGNALLED, [STARTS, CANCELS])], [MARK]),
        ([(3, SIGNALLED, [CANCELS])], []),
        ([(3, UPDATED, [ACCEPTED])], []),
        ([(3, UPDATED, [ACCEPTED]), (9, ANSWERED, [])], [MARK]),
        ([(3, UPDATED, [REJECTED])], []),
        ([(3, SIGNALLED, [ACTS]), (9, UPDATED, [REJECTED]), (10, ANSWERED, [])], []),
        ([(3, SIGNALLED, [ACTS]), (9, ASKED, [REPLIED]), (10, ANSWERED, [])], []),
    ],
)
def test_the_second_task_that_leaves_nothing_is_marked(tasks: list[Step], added: list[str]) -> None:
    assert marks(*tasks) == added
    assert marks(*tasks, memo="another") == []
