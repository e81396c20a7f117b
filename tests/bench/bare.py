"""The baseline: a workflow without any logic that issues the commands of a promotion, in their order.

What a promotion awaits of an environment's workflow, the baseline awaits of a workflow that answers at once.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from tests.bench.script import Do, Step
from worker.temporal.sandbox import RESTRICTIONS
from workflows.identity import SEARCH_ENVIRONMENT, SEARCH_STATE, Queues

BARE_SIGNAL, BARE_UPDATE = "receive", "answer"
NOTHING, SIGNALLING, ASKING = "do_nothing", "do_nothing_and_signal", "do_nothing_and_ask"
TIMEOUT = timedelta(seconds=60)
PLACE_LIFE = timedelta(seconds=120)

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
    async def run(self, name: str, installation: str, places: str) -> None:
        """Take all steps; `places` begins the ids of the places that are asked."""
        for step in scripts[name]:
            match step.do:
                case Do.ACTIVITY:
                    self._tasks[step.id] = asyncio.create_task(_act(step, installation, places))
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


@workflow.defn
class BarePlace:
    """Answer each call; the server ends it."""

    @workflow.run
    async def run(self) -> None:
        """Wait."""
        await workflow.wait_condition(lambda: False)

    @workflow.update(name=BARE_UPDATE)
    def answer(self) -> str:
        """Answer at once."""
        return "here"


async def _act(step: Step, installation: str, places: str) -> None:
    await workflow.execute_activity(
        SIGNALLING if step.signals else ASKING if step.asks else NOTHING,
        args=[f"{places}/{step.asks}", installation] if step.asks else [],
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

    @activity.defn(name=ASKING)
    async def ask(self, place: str, installation: str) -> None:
        """Ask a place, which begins with it where it does not run."""
        start: WithStartWorkflowOperation[BarePlace, None] = WithStartWorkflowOperation(
            BarePlace.run,
            id=place,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_queue=Queues(installation=installation).promotions,
            execution_timeout=PLACE_LIFE,
        )
        await self._client.execute_update_with_start_workflow(BarePlace.answer, start_workflow_operation=start)

    def by_queue(self, queues: Mapping[str, object]) -> dict[str, list[Any]]:
        """Return all on each queue."""
        return {queue: [self.do_nothing, self.signal, self.ask] for queue in queues}
