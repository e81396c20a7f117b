"""The watcher's port to DriftWorkflows, over a Temporal client."""

from typing import Any

from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from activities.models.drift import DriftWorkflowInput, GoneTracker, InstanceRef
from activities.models.tracking import Timings
from worker.temporal.calls import CALL_TIMEOUT, starting
from worker.temporal.pages import drift_page
from workflows.identity import (
    DRIFT_WORKFLOW,
    POKE_SIGNAL,
    PRESENT_SIGNAL,
    SEARCH_NAMESPACE,
    TRACKER_GONE_SIGNAL,
    Queues,
    drift_workflow_id,
    fairness_key,
)

_BEHIND_PROMOTIONS = 4
"""Of five, the first being served first; what moves changes has Temporal's default, three."""


class TemporalDriftLooks:
    """Implement worker.watcher.drift.DriftLooks."""

    def __init__(self, *, client: Client, installation: str, timings: Timings) -> None:
        self._client = client
        self._installation = installation
        self._timings = timings
        self._queue = Queues(installation=installation).promotions

    async def ensure(self, instance: InstanceRef) -> None:
        """Start the workflow where none runs; a running one gets no signal."""
        await self._start(instance, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)

    async def poke(self, instance: InstanceRef) -> None:
        """Have it look soon; start the workflow where none runs."""
        await self._start(instance, start_signal=POKE_SIGNAL)

    async def clear(self, instance: InstanceRef, tracker: GoneTracker) -> None:
        """Have what drifted taken from a deleted tracker's pull request; start the workflow where none runs."""
        await self._start(instance, start_signal=TRACKER_GONE_SIGNAL, start_signal_args=[tracker])

    async def present(self, instance: InstanceRef, tracker: str) -> None:
        """Have shown what a tracker's monitors report now; start the workflow where none runs."""
        await self._start(instance, start_signal=PRESENT_SIGNAL, start_signal_args=[tracker])

    async def _start(self, instance: InstanceRef, **options: Any) -> None:
        request = DriftWorkflowInput(installation=self._installation, instance=instance, timings=self._timings)
        key = SearchAttributeKey.for_keyword(SEARCH_NAMESPACE)
        await starting(
            lambda: self._client.start_workflow(
                DRIFT_WORKFLOW,
                request,
                id=drift_workflow_id(self._installation, instance.namespace, instance.name, instance.uid),
                task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=f"drift at {instance.namespace}/{instance.name}",
                static_details=drift_page(instance),
                search_attributes=TypedSearchAttributes([SearchAttributePair(key, instance.namespace)]),
                priority=Priority(priority_key=_BEHIND_PROMOTIONS, fairness_key=fairness_key(instance.namespace)),
                rpc_timeout=CALL_TIMEOUT,
                **options,
            )
        )
