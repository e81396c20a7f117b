"""The baseline: a workflow without any logic that issues the commands of a promotion, in their order."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from tests.bench.script import Do, Step
from worker.temporal.sandbox import RESTRICTIONS
from workflows.identity import SEARCH_ENVIRONMENT, SEARCH_STATE

BARE_SIGNAL = "receive"
NOTHING, SIGNALLING = "do_nothing", "do_nothing_and_signal"
TIMEOUT = timedelta(seconds=60)

scripts: dict[str, tuple[Step, ...]] = {}
"""By name; shared with the workflow, so that reading it costs the baseline nothing."""


def bare_runner() -> SandboxedWorkflowRunner:
    """Build the runner of real workflows, which also lets the baseline see the scripts."""
    return SandboxedWorkflowRunner(restrictions=RESTRICTIONS.with_passthrough_modules("tests"))


@workflow.defn
class BareWorkflow:
    """Take the steps of a script."""

    def __init__(self) -> None:
        self._received = 0
        self._awaited = 0
        self._tasks: dict[int, asyncio.Task[Any]] = {}

    @workflow.run
    async def run(self, name: str, installation: str) -> None:
        """Take all steps."""
        for step in scripts[name]:
            match step.do:
                case Do.ACTIVITY:
                    self._tasks[step.id] = asyncio.create_task(_act(step, installation))
                case Do.TIMER:
                    self._tasks[step.id] = asyncio.create_task(workflow.sleep(step.duration))
                case Do.CANCEL:
                    self._tasks[step.id].cancel()
                case Do.AWAIT:
                    await self._tasks[step.id]
                case Do.SIGNAL:
                    self._awaited += 1
                    await workflow.wait_condition(lambda: self._received >= self._awaited)
                case Do.UPSERT:
                    workflow.upsert_search_attributes(
                        [
                            SearchAttributeKey.for_keyword(SEARCH_STATE).value_set("Bare"),
                            SearchAttributeKey.for_keyword(SEARCH_ENVIRONMENT).value_set("bare"),
                        ]
                    )

    @workflow.signal(name=BARE_SIGNAL)
    def receive(self) -> None:
        """Count it."""
        self._received += 1


async def _act(step: Step, installation: str) -> None:
    await workflow.execute_activity(
        SIGNALLING if step.signals else NOTHING,
        task_queue=f"{installation}.{step.queue}",
        start_to_close_timeout=TIMEOUT,
    )


class BareActivities:
    """Activities that do nothing."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name=NOTHING)
    async def do_nothing(self) -> None:
        """Return at once."""

    @activity.defn(name=SIGNALLING)
    async def signal(self) -> None:
        """Signal the workflow that asks, as a place would."""
        await self._client.get_workflow_handle(activity.info().workflow_id or "").signal(BARE_SIGNAL)

    def by_queue(self, queues: Mapping[str, object]) -> dict[str, list[Any]]:
        """Return both on each queue."""
        return {queue: [self.do_nothing, self.signal] for queue in queues}
