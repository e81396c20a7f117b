"""What each workflow is started with, by any client: how long a task may take, and whether its tasks are marked.

A workflow task is in the hands of one worker for as long as its timeout lasts. The server's default of ten seconds is
what a killed worker costs each workflow that it was working on. A task of ours takes milliseconds, and a replay of the
longest history half a second: what takes longer is repeated elsewhere, which changes nothing.

Tasks of workflows that take updates are marked (worker/temporal/task_marks.py). A run that continues as new keeps both.
Summaries are cut to what a server takes, however long the names in them are.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateWithStartInput,
    UpdateWithStartStartWorkflowInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

from activities.models.bounds import cut
from worker.temporal.task_marks import MARKED_MEMO
from workflows.identity import ENVIRONMENT_WORKFLOW, PROMOTION_WORKFLOW
from workflows.policies import SUMMARY_BYTES

TASK_TIMEOUT = timedelta(seconds=6)
Start = TypeVar("Start", StartWorkflowInput, UpdateWithStartStartWorkflowInput)
TAKE_UPDATES = frozenset({ENVIRONMENT_WORKFLOW, PROMOTION_WORKFLOW})


class Starts(Interceptor):
    """Start each workflow with a task timeout of its own, and with marks where it takes updates."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 -- the SDK's name
        """Follow every start of a client."""
        return _Starts(super().intercept_client(next))


class _Starts(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        return await super().start_workflow(_as_ours(input))

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002
    ) -> WorkflowUpdateHandle[Any]:
        started = replace(input, start_workflow_input=_as_ours(input.start_workflow_input))
        return await super().start_update_with_start_workflow(started)


def _as_ours(start: Start) -> Start:
    return replace(
        start,
        task_timeout=start.task_timeout or TASK_TIMEOUT,
        memo=_memo(start.workflow, start.memo),
        static_summary=cut(start.static_summary or "", SUMMARY_BYTES) or None,
    )


def _memo(workflow: str, memo: Any) -> Any:
    return {**(memo or {}), MARKED_MEMO: True} if workflow in TAKE_UPDATES else memo
