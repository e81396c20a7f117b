"""DeliveryActivities: read and move Argo CD applications in short calls, each by compare-and-set."""

from dataclasses import replace

from temporalio import activity

from activities.contracts import DeliveryActivities
from activities.deployment_reads import DeploymentReads
from activities.failures import carried, describe, last_attempt, refusal_of, reported
from activities.metrics import Count, count
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    UpdateApplicationInput,
    WriteOutcome,
    WriteResult,
)
from activities.observing import observe
from activities.ports import ResourceOpener
from activities.reading import explain, reference
from activities.running import operation_under_way
from activities.sync_windows import blocked
from activities.targets import not_writable, patch_operations, taken, wanted_raw, written_raw
from providers.errors import (
    ProviderBlocked,
    ProviderConflict,
    ProviderError,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.models import ApplicationState

_WRITTEN = "the write is ours"
"""Word of an attempt to the next one."""
_REFUSALS = (ProviderUnauthorized, ProviderNotFound, ProviderRejected, ProviderMisconfigured)


class ArgoCDActivities(DeliveryActivities):
    """Move applications of named Argo CD instances."""

    def __init__(self, connections: ResourceOpener) -> None:
        self._connections = connections
        self._reads = DeploymentReads(connections)

    @activity.defn
    @reported
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        """Read what several deployments run."""
        return await self._reads.read(request)

    @activity.defn
    @reported
    async def deliver_application(self, request: DeliverApplicationInput) -> DeliverApplicationResult:
        """Write the artifact if the application still holds what the caller compared, then start one sync of it.

        Safe to retry: a write that is there already is known by its value, or by the word of the attempt that made it,
        and a sync by its key. What became of the write is told also where the sync fails for good.
        """
        written = _counted("update", request.namespace, request.deployment, await self._update(request.write))
        if not written.stands:
            return DeliverApplicationResult(written=written)
        if written.outcome is WriteOutcome.DONE:
            activity.heartbeat(_WRITTEN)
        elif _WRITTEN in activity.info().heartbeat_details:
            written = replace(written, outcome=WriteOutcome.DONE)
        try:
            synced = await self._sync(request.sync)
        except Exception as error:  # noqa: BLE001 -- translated, as `reported` would
            refusal = refusal_of(error)
            if refusal.non_retryable or last_attempt():
                return DeliverApplicationResult(written=written, failure=carried(refusal))
            raise refusal from None
        return DeliverApplicationResult(
            written=written, synced=_counted("sync", request.namespace, request.deployment, synced)
        )

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
            return WriteResult(outcome=WriteOutcome.REFUSED, message=_refusal(deployment, error, "write"))
        return WriteResult(outcome=WriteOutcome.DONE, written_raw=wanted)

    async def _sync(self, request: SyncApplicationInput) -> WriteResult:
        deployment = request.deployment
        if deployment.taken_by:
            return WriteResult(outcome=WriteOutcome.REFUSED, message=taken(deployment))
        port = await self._connections.deployments(request.namespace, deployment.instance)
        ref = reference(deployment)
        try:
            state = await port.get(ref)
            if (verdict := before_sync(request, state)) is not None:
                return verdict
            try:
                revisions = sync_revisions(request, state)
                await port.sync(ref, revisions=revisions, key=request.key, prune=prunes(deployment, state))
            except ProviderConflict as error:
                return before_sync(request, await port.get(ref)) or _busy(request, describe(error))
            except ProviderBlocked as error:
                return await blocked(port, deployment, error)
        except _REFUSALS as error:
            return WriteResult(outcome=WriteOutcome.REFUSED, message=_refusal(deployment, error, "sync"))
        return WriteResult(outcome=WriteOutcome.DONE, written_raw=written_raw(deployment, state))


def before_sync(request: SyncApplicationInput, state: ApplicationState) -> WriteResult | None:
    """Judge the re-read before a sync; None when the sync may be requested."""
    deployment = request.deployment
    raw = written_raw(deployment, state)
    if deployment.write is not None and raw != wanted_raw(deployment, request.artifact):
        message = f"our write to {deployment.application} is gone: it holds {raw or 'nothing'}"
        return WriteResult(outcome=WriteOutcome.CONFLICT, message=message, written_raw=raw)
    allowed = {request.artifact.revision, *request.allowed}
    seen = observe(deployment, state)
    if seen.problem:
        return WriteResult(outcome=WriteOutcome.CONFLICT, message=seen.problem, written_raw=raw)
    for revision in (seen.runs, seen.operating):
        # A tag may carry an abbreviated hash; that it means one of these was found out when they were compared.
        if revision is not None and not any(full.startswith(revision) for full in allowed):
            message = f"{deployment.application} runs {revision[:12]}, which the artifact does not contain"
            return WriteResult(outcome=WriteOutcome.CONFLICT, message=message, written_raw=raw)
    if state.operation_key == request.key:
        return WriteResult(outcome=WriteOutcome.ALREADY, written_raw=raw)
    if not operation_under_way(state):
        if leaves_to_argocd(state) and deployment.write is not None and not request.insist:
            return WriteResult(outcome=WriteOutcome.ALREADY, message="left to Argo CD's auto-sync", written_raw=raw)
        return None
    if state.auto_sync and seen.operating == request.artifact.revision:
        return WriteResult(outcome=WriteOutcome.ALREADY, message="Argo CD syncs it by itself", written_raw=raw)
    return _busy(request, "an operation that is not ours runs")


def prunes(deployment: DeploymentSpec, state: ApplicationState) -> bool:
    """Tell whether our sync prunes: as auto-sync would where it is on, else as the Environment says."""
    return state.auto_prune if state.auto_sync else deployment.write is not None and deployment.write.prune


def leaves_to_argocd(state: ApplicationState) -> bool:
    """Tell whether auto-sync does it: it tries each revision and spec once, and ours may only be in its way."""
    return state.auto_sync and not state.operation_of_spec


def sync_revisions(request: SyncApplicationInput, state: ApplicationState) -> tuple[str, ...]:
    """Return the revisions to sync to; none means what the spec says, which is what was written."""
    by_revision = request.deployment.image is None and state.source_paths == ("/spec/source",)
    return (request.artifact.revision,) if by_revision else ()


def _busy(request: SyncApplicationInput, why: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.BUSY, message=f"{request.deployment.application}: {why}")


def _refusal(deployment: DeploymentSpec, error: ProviderError, verb: str) -> str:
    """Say what was refused: an application that cannot be written may well be read."""
    if isinstance(error, ProviderNotFound):
        return explain(deployment, error)
    cannot = f"application {deployment.application} in project {deployment.project} of {deployment.instance} cannot be"
    done = "written" if verb == "write" else "synced"
    if isinstance(error, ProviderUnauthorized):
        right = "update" if verb == "write" else "sync"
        return f"{cannot} {done}: fix the token, or its right {right} ({describe(error)})"
    return f"{cannot} {done}: Argo CD refuses it: {describe(error)}"


def _counted(operation: str, namespace: str, deployment: DeploymentSpec, result: WriteResult) -> WriteResult:
    outcome = result.outcome.value
    count(Count.DELIVERIES, namespace=namespace, instance=deployment.instance, operation=operation, outcome=outcome)
    return result
