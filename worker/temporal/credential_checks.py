"""The watcher's port to ConnectionWorkflows, over a Temporal client."""

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

from activities.models.credential_checks import CheckedResource, CredentialCheckInput
from activities.models.tracking import Timings
from worker.temporal.calls import CALL_TIMEOUT, found, starting
from worker.temporal.pages import credential_check_page
from workflows.identity import (
    CREDENTIAL_CHECK_WORKFLOW,
    POKE_SIGNAL,
    SEARCH_NAMESPACE,
    SEEN_SIGNAL,
    Queues,
    credential_check_workflow_id,
    fairness_key,
)

_BEHIND_PROMOTIONS = 4
"""Of five, the first being served first; what moves changes has Temporal's default, three."""


class TemporalCredentialChecks:
    """Implement worker.watcher.credential_checks.CredentialChecks."""

    def __init__(self, *, client: Client, installation: str, timings: Timings) -> None:
        self._client = client
        self._installation = installation
        self._timings = timings
        self._queue = Queues(installation=installation).promotions

    async def request_check(self, connection: CheckedResource, generation: int) -> None:
        """Request a check of a new generation; start the workflow where none runs."""
        await self._start(connection, generation, start_signal=SEEN_SIGNAL, start_signal_args=[generation])

    async def ensure(self, connection: CheckedResource, generation: int) -> None:
        """Start the workflow where none runs; a running one gets no signal."""
        await self._start(connection, generation, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)

    async def poke(self, connection: CheckedResource, generation: int) -> None:
        """Request a check at once, whatever is known."""
        await self._start(connection, generation, start_signal=POKE_SIGNAL)

    async def signal_gone(self, connection: CheckedResource) -> None:
        """Signal the workflow so that it ends when its resource is gone."""
        handle = self._client.get_workflow_handle(self._id(connection))
        await found(lambda: handle.signal(POKE_SIGNAL, rpc_timeout=CALL_TIMEOUT))

    def _id(self, connection: CheckedResource) -> str:
        return credential_check_workflow_id(
            self._installation, connection.kind, connection.namespace, connection.name, connection.uid
        )

    async def _start(self, connection: CheckedResource, generation: int, **options: Any) -> None:
        request = CredentialCheckInput(
            installation=self._installation,
            connection=connection,
            timings=self._timings,
            generation=generation,
        )
        page = credential_check_page(connection)
        await starting(
            lambda: self._client.start_workflow(
                CREDENTIAL_CHECK_WORKFLOW,
                request,
                id=self._id(connection),
                task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=f"{connection.kind} {connection.namespace}/{connection.name}",
                static_details=page,
                search_attributes=_attributes(connection),
                priority=Priority(priority_key=_BEHIND_PROMOTIONS, fairness_key=fairness_key(connection.namespace)),
                rpc_timeout=CALL_TIMEOUT,
                **options,
            )
        )


def _attributes(connection: CheckedResource) -> TypedSearchAttributes:
    if not connection.namespace:
        return TypedSearchAttributes.empty
    key = SearchAttributeKey.for_keyword(SEARCH_NAMESPACE)
    return TypedSearchAttributes([SearchAttributePair(key, connection.namespace)])
