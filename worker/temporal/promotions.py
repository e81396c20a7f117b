"""The controller's port to workflows, over a Temporal client."""

from datetime import timedelta

from structlog.contextvars import bind_contextvars
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.models.drift import DriftNotice, InstanceRef
from activities.models.promotion import Command, CommandAnswer, PromotionInput
from activities.models.pull_requests_news import PullRequestNews
from activities.models.tracking import Timings, TrackerRef, TrackerSpec
from worker.temporal.calls import CALL_TIMEOUT, found, starting
from worker.temporal.links import workflow_link
from worker.temporal.outcomes import Look, WorkflowState, WorkflowsUnavailable
from worker.temporal.pages import promotion_page
from worker.temporal.stalls import Stalls
from workflows.identity import (
    DELETED_SIGNAL,
    MEMO_CHANGE,
    POKE_SIGNAL,
    PROMOTION_WORKFLOW,
    PULL_REQUEST_POKE_SIGNAL,
    PULL_REQUEST_SIGNAL,
    SEARCH_NAMESPACE,
    SEARCH_PULL_REQUEST,
    SEARCH_REPOSITORY,
    Queues,
    change_line,
    drift_workflow_id,
    environment_workflow_id,
    fairness_key,
    promotion_workflow_id,
)

UPDATE_TIMEOUT = timedelta(seconds=20)
"""How long an answer is awaited; the same update is sent again later, so that none is executed twice."""

_STATES = {
    WorkflowExecutionStatus.RUNNING: WorkflowState.RUNNING,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: WorkflowState.RUNNING,
    WorkflowExecutionStatus.COMPLETED: WorkflowState.COMPLETED,
    WorkflowExecutionStatus.TERMINATED: WorkflowState.TERMINATED,
    WorkflowExecutionStatus.CANCELED: WorkflowState.TERMINATED,
    WorkflowExecutionStatus.FAILED: WorkflowState.FAILED,
    WorkflowExecutionStatus.TIMED_OUT: WorkflowState.FAILED,
}


class TemporalPromotions:
    """Implement worker.watcher.ports.Promotions."""

    def __init__(self, *, client: Client, installation: str, timings: Timings, ui_url: str = "") -> None:
        self._client = client
        self._installation = installation
        self._timings = timings
        self._ui_url = ui_url
        self._queues = Queues(installation=installation)
        self._stalls = Stalls(client)

    def identify(self, attempt: TrackerRef) -> str:
        """Return the id of the attempt's workflow, which need not exist."""
        return promotion_workflow_id(self._installation, attempt.namespace, attempt.name, attempt.uid, attempt.attempt)

    async def start(
        self,
        attempt: TrackerRef,
        spec: TrackerSpec,
        *,
        generation: int,
        repository: str = "",
        drift: DriftNotice | None = None,
    ) -> WorkflowState:
        """Start the workflow unless it exists; a closed one is not started again and its state is returned."""
        workflow_id = self.identify(attempt)
        # Its title is not read yet: the workflow adds it to the memo.
        change = change_line(repository or f"{attempt.namespace}/{spec.repository}", spec.number)
        request = PromotionInput(
            installation=self._installation,
            tracker=attempt,
            spec=spec,
            timings=self._timings,
            ui_url=workflow_link(self._ui_url, self._client.namespace, workflow_id),
            generation=generation,
            drift=drift or DriftNotice(),
        )
        try:
            handle = await starting(
                lambda: self._client.start_workflow(
                    PROMOTION_WORKFLOW,
                    request,
                    id=workflow_id,
                    task_queue=self._queues.promotions,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    static_summary=change,
                    static_details=promotion_page(attempt, spec),
                    memo={MEMO_CHANGE: change},
                    priority=Priority(fairness_key=fairness_key(attempt.namespace)),
                    search_attributes=_attributes(attempt, spec),
                    rpc_timeout=CALL_TIMEOUT,
                )
            )
        except WorkflowAlreadyStartedError:
            return await self.read_state(attempt)
        # No status names the run yet.
        bind_contextvars(workflow_id=workflow_id, run_id=handle.first_execution_run_id or "")
        return WorkflowState.RUNNING

    async def read_state(self, attempt: TrackerRef) -> WorkflowState:
        """Return the state of the attempt's workflow."""
        return _state(await self._describe(attempt))

    async def look(self, attempt: TrackerRef) -> Look:
        """Return the state of the attempt's workflow, and why it does not go on where it runs."""
        description = await self._describe(attempt)
        state = _state(description)
        if description is None or state is not WorkflowState.RUNNING:
            return Look(state=state)
        return Look(state=state, stall=await found(lambda: self._stalls.find(description)) or "")

    async def signal_deleted(self, attempt: TrackerRef) -> bool:
        """Signal that the tracker is deleted; False where the workflow does not run."""
        return await self._signal(self.identify(attempt), DELETED_SIGNAL)

    async def poke(self, attempt: TrackerRef) -> bool:
        """Have the workflow look again at once; False where it does not run."""
        return await self._signal(self.identify(attempt), POKE_SIGNAL)

    async def send_news(self, attempt: TrackerRef, news: PullRequestNews) -> bool:
        """Signal news of its pull request to the workflow; False where it does not run."""
        return await self._signal(self.identify(attempt), PULL_REQUEST_SIGNAL, news)

    async def poke_about_instructions(self, attempt: TrackerRef, *, by: str) -> bool:
        """Have the workflow look at what people asked for on the pull request; False where it does not run."""
        return await self._signal(self.identify(attempt), PULL_REQUEST_POKE_SIGNAL, by)

    async def poke_place(self, *, namespace: str, environment: str, repository: str) -> bool:
        """Have a place look again at once; False where it does not run."""
        workflow_id = environment_workflow_id(self._installation, namespace, environment, repository)
        return await self._signal(workflow_id, POKE_SIGNAL)

    async def execute(self, attempt: TrackerRef, verb: str, command: Command) -> CommandAnswer | None:
        """Send a command as an update and return the answer; None where the workflow does not run."""
        try:
            return await found(
                lambda: self._handle(attempt).execute_update(
                    verb,
                    command,
                    id=command.request_id,
                    result_type=CommandAnswer,
                    rpc_timeout=UPDATE_TIMEOUT,
                )
            )
        except WorkflowUpdateFailedError as error:
            return CommandAnswer(accepted=False, message=str(error.cause))
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            raise WorkflowsUnavailable("no workflow worker took the command in time") from None

    async def _describe(self, attempt: TrackerRef) -> WorkflowExecutionDescription | None:
        description = await found(lambda: self._handle(attempt).describe(rpc_timeout=CALL_TIMEOUT))
        if description is not None:
            bind_contextvars(workflow_id=description.id, run_id=description.run_id)
        return description

    def _handle(self, attempt: TrackerRef) -> WorkflowHandle[object, object]:
        return self._client.get_workflow_handle(self.identify(attempt))

    async def poke_drift(self, instance: InstanceRef) -> bool:
        """Have what was promoted through an instance looked at soon; False where nothing of it is watched."""
        workflow_id = drift_workflow_id(self._installation, instance.namespace, instance.name, instance.uid)
        return await self._signal(workflow_id, POKE_SIGNAL)

    async def _signal(self, workflow_id: str, signal: str, *arguments: object) -> bool:
        async def send() -> bool:
            handle = self._client.get_workflow_handle(workflow_id)
            await handle.signal(signal, args=arguments, rpc_timeout=CALL_TIMEOUT)
            return True

        return await found(send) or False


def _state(description: WorkflowExecutionDescription | None) -> WorkflowState:
    if description is None:
        return WorkflowState.ABSENT
    # A status that this version does not know is not the end of anything.
    return _STATES.get(description.status or WorkflowExecutionStatus.RUNNING, WorkflowState.RUNNING)


def _attributes(attempt: TrackerRef, spec: TrackerSpec) -> TypedSearchAttributes:
    """Name what never changes; state and environment are the workflow's own to publish."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(SearchAttributeKey.for_keyword(SEARCH_NAMESPACE), attempt.namespace),
            SearchAttributePair(SearchAttributeKey.for_keyword(SEARCH_REPOSITORY), spec.repository),
            SearchAttributePair(SearchAttributeKey.for_int(SEARCH_PULL_REQUEST), spec.number),
        ]
    )
