"""What each workflow is started with, by any client: how long a task may take, and whether its tasks are marked.

A workflow task is in the hands of one worker for as long as its timeout lasts. The server's default of ten seconds is
what a killed worker costs each workflow that it was working on. A task of ours takes milliseconds, and a replay of the
longest history half a second: what takes longer is repeated elsewhere, which changes nothing.

Tasks of workflows that take updates are marked (worker/temporal/task_marks.py). A run that continues as new keeps both.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateWithStartInput,
    UpdateWithStartStartWorkflowInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

from worker.temporal.task_marks import MARKED_MEMO
from workflows.identity import ENVIRONMENT_WORKFLOW, PROMOTION_WORKFLOW

TASK_TIMEOUT = timedelta(seconds=6)
TAKE_UPDATES = frozenset({ENVIRONMENT_WORKFLOW, PROMOTION_WORKFLOW})


class Starts(Interceptor):
    """Start each workflow with a task timeout of its own, and with marks where it takes updates."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 -- the SDK's name
        """Follow every start of a client."""
        return _Starts(super().intercept_client(next))


class _Starts(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        memo = _memo(input.workflow, input.memo)
        started = replace(input, task_timeout=input.task_timeout or TASK_TIMEOUT, memo=memo)
        return await super().start_workflow(started)

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002
    ) -> WorkflowUpdateHandle[Any]:
        start: UpdateWithStartStartWorkflowInput = input.start_workflow_input
        memo = _memo(start.workflow, start.memo)
        start = replace(start, task_timeout=start.task_timeout or TASK_TIMEOUT, memo=memo)
        return await super().start_update_with_start_workflow(replace(input, start_workflow_input=start))


def _memo(workflow: str, memo: Any) -> Any:
    return {**(memo or {}), MARKED_MEMO: True} if workflow in TAKE_UPDATES else memo
