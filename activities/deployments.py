"""DeliveryActivities: read and move Argo CD applications in short calls, each by compare-and-set."""

from collections.abc import Mapping

from temporalio import activity

from activities.contracts import DeliveryActivities
from activities.failures import describe, reported
from activities.full_revisions import FullRevisions
from activities.metrics import Count, count
from activities.models.configuration import DeploymentSpec, WriteKind
from activities.models.delivery import (
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    UpdateApplicationInput,
    WriteOutcome,
    WriteResult,
)
from activities.observing import (
    kustomize_entry,
    not_writable,
    observe,
    operation_under_way,
    source_index,
    wanted_raw,
    with_tag,
    written_raw,
)
from activities.ports import Connections
from activities.reading import explain, read_all, reference
from providers.errors import ProviderConflict, ProviderError, ProviderNotFound, ProviderRejected, ProviderUnauthorized
from providers.models import ApplicationState

_REFUSALS = (ProviderUnauthorized, ProviderNotFound, ProviderRejected)


class ArgoCDActivities(DeliveryActivities):
    """Move applications of named Argo CD instances."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._revisions = FullRevisions(connections)

    @activity.defn
    @reported
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        """Read what several deployments run."""
        answer = await read_all(self._connections, request.namespace, request.deployments, refresh=request.refresh)
        return await self._revisions.complete(request.namespace, request.repository, answer)

    @activity.defn
    @reported
    async def update_application(self, request: UpdateApplicationInput) -> WriteResult:
        """Write the artifact if the application still holds what the caller compared."""
        return _counted("update", request.namespace, request.deployment, await self._update(request))

    @activity.defn
    @reported
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        """Start one sync after a re-read that still shows our write and nothing that the artifact lacks."""
        return _counted("sync", request.namespace, request.deployment, await self._sync(request))

    async def _update(self, request: UpdateApplicationInput) -> WriteResult:
        deployment = request.deployment
        wanted = wanted_raw(deployment, request.artifact)
        if deployment.write is None or not wanted:
            why = "is only observed" if deployment.write is None else "needs an image tag, and the artifact has none"
            return WriteResult(outcome=WriteOutcome.REFUSED, message=f"deployment {deployment.name} {why}")
        port = await self._connections.deployments(request.namespace, deployment.instance)
        try:
            state = await port.get(reference(deployment))
            current = written_raw(deployment, state)
            if reason := not_writable(deployment, state):
                return WriteResult(outcome=WriteOutcome.REFUSED, message=reason, written_raw=current)
            if current == wanted:
                return WriteResult(outcome=WriteOutcome.ALREADY, written_raw=current)
            if current != request.expected:
                message = f"{deployment.application} holds {current or 'nothing'}, not {request.expected or 'nothing'}"
                return WriteResult(outcome=WriteOutcome.CONFLICT, message=message, written_raw=current)
            await port.patch(reference(deployment), patch_operations(deployment, state, wanted))
        except ProviderConflict as error:
            return WriteResult(outcome=WriteOutcome.CONFLICT, message=describe(error))
        except _REFUSALS as error:
            return WriteResult(outcome=WriteOutcome.REFUSED, message=explain(deployment, error))
        return WriteResult(outcome=WriteOutcome.DONE, written_raw=wanted)

    async def _sync(self, request: SyncApplicationInput) -> WriteResult:
        deployment = request.deployment
        port = await self._connections.deployments(request.namespace, deployment.instance)
        ref = reference(deployment)
        try:
            state = await port.get(ref)
            if (verdict := before_sync(request, state)) is not None:
                return verdict
            try:
                await port.sync(ref, revisions=sync_revisions(request, state), key=request.key)
            except ProviderConflict as error:
                return before_sync(request, await port.get(ref)) or _busy(request, describe(error))
        except _REFUSALS as error:
            return WriteResult(outcome=WriteOutcome.REFUSED, message=_refusal(deployment, error))
        return WriteResult(outcome=WriteOutcome.DONE, written_raw=written_raw(deployment, state))


def patch_operations(
    deployment: DeploymentSpec, state: ApplicationState, wanted: str
) -> tuple[Mapping[str, object], ...]:
    """Build the JSON patch whose `test` operations make it a compare-and-set."""
    write = deployment.write
    if write is not None and write.kind is WriteKind.KUSTOMIZE_IMAGE:
        entry = kustomize_entry(state, write.image or "") or ""
        path = state.kustomize_paths[state.kustomize_images.index(entry)]
        return _replacement(path, entry, with_tag(entry, wanted))
    if write is not None and write.kind is WriteKind.HELM_PARAMETER:
        name = write.parameter or ""
        path = state.helm_paths[name]
        # The name is tested as well: somebody may have moved the entry meanwhile.
        same_entry = {"op": "test", "path": f"{path}/name", "value": name}
        return (same_entry, *_replacement(f"{path}/value", state.helm_parameters[name], wanted))
    path = f"{state.source_paths[source_index(deployment, state)]}/targetRevision"
    return _replacement(path, written_raw(deployment, state) or None, wanted)


def before_sync(request: SyncApplicationInput, state: ApplicationState) -> WriteResult | None:
    """Judge the re-read before a sync; None when the sync may be requested."""
    deployment = request.deployment
    raw = written_raw(deployment, state)
    if deployment.write is not None and raw != wanted_raw(deployment, request.artifact):
        message = f"our write to {deployment.application} is gone: it holds {raw or 'nothing'}"
        return WriteResult(outcome=WriteOutcome.CONFLICT, message=message, written_raw=raw)
    allowed = {request.artifact.revision, *request.allowed}
    seen = observe(deployment, state)
    if deployment.image is not None and seen.problem:
        return WriteResult(outcome=WriteOutcome.CONFLICT, message=seen.problem, written_raw=raw)
    for revision in (seen.runs, seen.operating):
        # A tag may carry an abbreviated hash; that it means one of these was found out when they were compared.
        if revision is not None and not any(full.startswith(revision) for full in allowed):
            message = f"{deployment.application} runs {revision[:12]}, which the artifact does not contain"
            return WriteResult(outcome=WriteOutcome.CONFLICT, message=message, written_raw=raw)
    if state.operation_key == request.key:
        return WriteResult(outcome=WriteOutcome.ALREADY, written_raw=raw)
    if not operation_under_way(state):
        return None
    if state.auto_sync and seen.operating == request.artifact.revision:
        return WriteResult(outcome=WriteOutcome.ALREADY, message="Argo CD syncs it by itself", written_raw=raw)
    return _busy(request, "an operation that is not ours runs")


def sync_revisions(request: SyncApplicationInput, state: ApplicationState) -> tuple[str, ...]:
    """Return the revisions to sync to; none means what the spec says, which is what was written."""
    by_revision = request.deployment.image is None and state.source_paths == ("/spec/source",)
    return (request.artifact.revision,) if by_revision else ()


def _replacement(path: str, old: str | None, new: str) -> tuple[Mapping[str, object], ...]:
    return (
        {"op": "test", "path": path, "value": old},
        {"op": "add" if old is None else "replace", "path": path, "value": new},
    )


def _busy(request: SyncApplicationInput, why: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.BUSY, message=f"{request.deployment.application}: {why}")


def _refusal(deployment: DeploymentSpec, error: ProviderError) -> str:
    if isinstance(error, ProviderRejected):
        return f"Argo CD refuses to sync {deployment.application}: {describe(error)}"
    return explain(deployment, error)


def _counted(operation: str, namespace: str, deployment: DeploymentSpec, result: WriteResult) -> WriteResult:
    outcome = result.outcome.value
    count(Count.DELIVERIES, namespace=namespace, instance=deployment.instance, operation=operation, outcome=outcome)
    return result
