"""What events of Flux report, on its way to the workflows of places, and from there to who reads what runs."""

from datetime import timedelta

from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.common import Priority, WorkflowIDReusePolicy

from activities.models.places import EnvironmentInput
from activities.models.reconciliations import FluxReport, Reconciliation
from activities.models.tracking import Timings
from activities.ports import PlaceSilent
from worker.temporal.calls import CALL_TIMEOUT, found, starting
from worker.temporal.connect import ANSWER_TIMEOUT, place_attributes
from worker.temporal.outcomes import WorkflowsUnavailable
from worker.temporal.pages import place_page
from workflows.identity import (
    ENVIRONMENT_WORKFLOW,
    RECONCILIATIONS_QUERY,
    REPORT_SIGNAL,
    Queues,
    environment_workflow_id,
    fairness_key,
)


class TemporalReports:
    """Signal places with reports, and read from them what they keep."""

    def __init__(
        self, client: Client, installation: str, *, timings: Timings, timeout: timedelta = CALL_TIMEOUT
    ) -> None:
        """Take with which timings a place is started, and how long a signal may take."""
        self._client = client
        self._queues = Queues(installation=installation)
        self._timings = timings
        self._timeout = timeout

    async def report(self, namespace: str, environment: str, repository: str, report: FluxReport) -> None:
        """Signal a place, starting it if it does not run; durable once this returns. Raises WorkflowsUnavailable."""
        start = EnvironmentInput(
            installation=self._queues.installation,
            namespace=namespace,
            environment=environment,
            repository=repository,
            timings=self._timings,
        )
        await starting(
            lambda: self._client.start_workflow(
                ENVIRONMENT_WORKFLOW,
                start,
                id=self._id(namespace, environment, repository),
                task_queue=self._queues.promotions,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                start_signal=REPORT_SIGNAL,
                start_signal_args=[report],
                static_summary=f"{namespace}/{environment}: {repository}",
                static_details=place_page(namespace, environment, repository),
                search_attributes=place_attributes(namespace, environment, repository),
                priority=Priority(fairness_key=fairness_key(namespace)),
                rpc_timeout=self._timeout,
            )
        )

    async def reconciliations(self, namespace: str, environment: str, repository: str) -> tuple[Reconciliation, ...]:
        """Return what a place keeps; nothing where it never ran. Raises PlaceSilent."""

        async def asked() -> tuple[Reconciliation, ...]:
            handle = self._client.get_workflow_handle(self._id(namespace, environment, repository))
            answer: tuple[Reconciliation, ...] = await handle.query(
                RECONCILIATIONS_QUERY,
                result_type=tuple[Reconciliation, ...],
                rpc_timeout=ANSWER_TIMEOUT,
            )
            return answer

        try:
            return await found(asked) or ()
        except (WorkflowsUnavailable, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            text = "the workflow of the place, which keeps what Flux reported, gives no answer"
            raise PlaceSilent(f"{text}: {error}") from None

    def _id(self, namespace: str, environment: str, repository: str) -> str:
        return environment_workflow_id(self._queues.installation, namespace, environment, repository)
