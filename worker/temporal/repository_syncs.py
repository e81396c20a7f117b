"""The port to RepositorySyncWorkflows, over a Temporal client."""

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

from activities.models.repository_sync import RepositoryRef, RepositorySyncInput
from activities.models.tracking import Timings
from worker.temporal.calls import CALL_TIMEOUT, found, starting
from worker.temporal.pages import repository_page
from workflows.identity import (
    POKE_SIGNAL,
    REPOSITORY_SYNC_WORKFLOW,
    SEARCH_NAMESPACE,
    SEARCH_REPOSITORY,
    Queues,
    fairness_key,
    repository_sync_workflow_id,
)


class TemporalRepositorySyncs:
    """Implement worker.watcher.repository_syncs.RepositorySyncs."""

    def __init__(self, *, client: Client, installation: str, timings: Timings) -> None:
        self._client = client
        self._installation = installation
        self._timings = timings
        self._queue = Queues(installation=installation).promotions

    async def ensure(self, repository: RepositoryRef) -> None:
        """Start the workflow where none runs; a running one gets no signal.

        Its first look comes a moment later, and so does one that it is poked for until then: a promotion that begins
        reads its pull request itself.
        """
        await self._start(
            repository,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_delay=self._timings.settling,
        )

    async def start_look(self, repository: RepositoryRef) -> None:
        """Have the workflow look at once; start it where none runs."""
        await self._start(repository, start_signal=POKE_SIGNAL)

    async def poke(self, repository: RepositoryRef) -> bool:
        """Have a running workflow look at once; False where none runs."""
        handle = self._client.get_workflow_handle(self._id(repository))

        async def send() -> bool:
            await handle.signal(POKE_SIGNAL, rpc_timeout=CALL_TIMEOUT)
            return True

        return await found(send) or False

    def _id(self, repository: RepositoryRef) -> str:
        return repository_sync_workflow_id(self._installation, repository.namespace, repository.name, repository.uid)

    async def _start(self, repository: RepositoryRef, **options: Any) -> None:
        request = RepositorySyncInput(installation=self._installation, repository=repository, timings=self._timings)
        await starting(
            lambda: self._client.start_workflow(
                REPOSITORY_SYNC_WORKFLOW,
                request,
                id=self._id(repository),
                task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=f"GitRepository {repository.namespace}/{repository.name}",
                static_details=repository_page(repository),
                search_attributes=_attributes(repository),
                priority=Priority(fairness_key=fairness_key(repository.namespace)),
                rpc_timeout=CALL_TIMEOUT,
                **options,
            )
        )


def _attributes(repository: RepositoryRef) -> TypedSearchAttributes:
    values = {SEARCH_NAMESPACE: repository.namespace, SEARCH_REPOSITORY: repository.name}
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in values.items()]
    )
