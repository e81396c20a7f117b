"""The way to CommitStatusWorkflows, over a Temporal client."""

from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError

from activities.models.commit_statuses import (
    CommitStatusInput,
    CommitVerdict,
    StatusSlot,
    SubscriptionFault,
    SubscriptionFaultInput,
)
from activities.models.tracking import Timings
from worker.temporal.calls import CALL_TIMEOUT, reaching, starting
from worker.temporal.links import workflow_link
from workflows.identity import (
    COMMIT_STATUS_WORKFLOW,
    FAULT_SIGNAL,
    SEARCH_NAMESPACE,
    SUBSCRIPTION_FAULT_WORKFLOW,
    VERDICT_SIGNAL,
    Queues,
    commit_status_prefix,
    fairness_key,
    subscription_fault_workflow_id,
)

_BEHIND_PROMOTIONS = 4
"""Of five, the first being served first: what moves changes has three."""

RUNS_KNOWN = 10_000
"""Of workflows that were signalled last; each takes some 300 bytes."""


class TemporalCommitStatuses:
    """Implement activities.ports.CommitStatusWorkflows, and what a receiver needs. Raises WorkflowsUnavailable."""

    def __init__(
        self,
        *,
        client: Client,
        installation: str,
        timings: Timings,
        timeout: timedelta = CALL_TIMEOUT,
        ui_url: str = "",
    ) -> None:
        """Take where Temporal's web UI is, which statuses without an address of their own link to; empty for none."""
        self._client = client
        self._installation = installation
        self._timings = timings
        self._timeout = timeout
        self._ui_url = ui_url
        self._queue = Queues(installation=installation).promotions
        self._runs: OrderedDict[str, str] = OrderedDict()
        """The run of each workflow that was signalled last, by its id."""

    async def signal(self, slot: StatusSlot, verdict: CommitVerdict) -> None:
        """Signal a verdict, starting the workflow if it does not run; once this returns, it is durable."""
        workflow_id = self._prefix(slot) + slot.commit
        if not verdict.target_url:
            link = workflow_link(self._ui_url, self._client.namespace, workflow_id)
            verdict = replace(verdict, target_url=link)
        if not await self._signalled(workflow_id, verdict):
            self._runs[workflow_id] = await self._signal_with_start(workflow_id, slot, verdict)
            while len(self._runs) > RUNS_KNOWN:
                self._runs.popitem(last=False)

    async def _signalled(self, workflow_id: str, verdict: CommitVerdict) -> bool:
        """Signal the run that had the event before: half of the server's work for a start that begins nothing."""
        if (run_id := self._runs.pop(workflow_id, None)) is None:
            return False
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        try:
            await reaching(lambda: handle.signal(VERDICT_SIGNAL, verdict, rpc_timeout=self._timeout))
        except RPCError:
            # It has ended, or continues as another run.
            return False
        self._runs[workflow_id] = run_id
        return True

    async def _signal_with_start(self, workflow_id: str, slot: StatusSlot, verdict: CommitVerdict) -> str:
        handle = await starting(
            lambda: self._client.start_workflow(
                COMMIT_STATUS_WORKFLOW,
                CommitStatusInput(installation=self._installation, slot=slot, timings=self._timings),
                id=workflow_id,
                task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                start_signal=VERDICT_SIGNAL,
                start_signal_args=[verdict],
                static_summary=slot.title,
                search_attributes=_attributes(slot.namespace),
                priority=Priority(priority_key=_BEHIND_PROMOTIONS, fairness_key=fairness_key(slot.namespace)),
                rpc_timeout=self._timeout,
            )
        )
        return handle.result_run_id or ""

    async def fault(self, *, namespace: str, name: str, fault: SubscriptionFault) -> None:
        """Signal why an event gives no status, to be shown on a CommitStatus."""
        request = SubscriptionFaultInput(
            installation=self._installation, namespace=namespace, name=name, timings=self._timings
        )
        await starting(
            lambda: self._client.start_workflow(
                SUBSCRIPTION_FAULT_WORKFLOW,
                request,
                id=subscription_fault_workflow_id(self._installation, namespace, name),
                task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                start_signal=FAULT_SIGNAL,
                start_signal_args=[fault],
                static_summary=f"CommitStatus {namespace}/{name}",
                search_attributes=_attributes(namespace),
                priority=Priority(priority_key=_BEHIND_PROMOTIONS, fairness_key=fairness_key(namespace)),
                rpc_timeout=self._timeout,
            )
        )

    async def others(self, slot: StatusSlot, *, limit: int) -> tuple[str, ...]:
        """Return the other commits of a slot's context that had events lately, newest first."""
        prefix = self._prefix(slot)

        async def listed() -> tuple[str, ...]:
            # What is quoted holds a namespace, a uid and hexadecimal digits alone.
            query = f"WorkflowId STARTS_WITH '{prefix}'"
            found: dict[str, None] = {}
            async for one in self._client.list_workflows(query, page_size=limit * 2, limit=limit * 4):
                found[one.id.removeprefix(prefix)] = None
            return tuple(commit for commit in found if commit != slot.commit)[:limit]

        return await reaching(listed)

    def _prefix(self, slot: StatusSlot) -> str:
        return commit_status_prefix(
            self._installation, slot.namespace, slot.provider_uid, slot.repository, slot.context
        )


def _attributes(namespace: str) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword(SEARCH_NAMESPACE), namespace)])
