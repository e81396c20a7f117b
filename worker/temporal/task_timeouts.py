"""How long a workflow task may be in the hands of a worker before another worker gets it.

The server's default of ten seconds is what a killed worker costs each workflow that it was working on. A task of ours
takes milliseconds, and a replay of the longest history half a second: what takes longer is repeated elsewhere, which
changes nothing. A run that continues as new keeps the timeout that it was started with.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

TASK_TIMEOUT = timedelta(seconds=6)


class TaskTimeouts(Interceptor):
    """Start each workflow with a task timeout of its own."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 -- the SDK's name
        """Follow every start of a client."""
        return _Starts(super().intercept_client(next))


class _Starts(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        return await super().start_workflow(replace(input, task_timeout=input.task_timeout or TASK_TIMEOUT))

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002
    ) -> WorkflowUpdateHandle[Any]:
        start = input.start_workflow_input
        start = replace(start, task_timeout=start.task_timeout or TASK_TIMEOUT)
        return await super().start_update_with_start_workflow(replace(input, start_workflow_input=start))
