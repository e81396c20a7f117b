"""Write to Argo CD Applications: the value in the spec by compare-and-set, then one sync that the key marks."""

from activities.delivery.seam import Order, Written
from activities.failures import describe
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.tracking import Artifact
from activities.observing import observe
from activities.ports import ResourceOpener
from activities.reading import explain, reference
from activities.running import operation_under_way
from activities.sync_windows import blocked
from activities.targets import obstacle_of, taken, target_of, wanted_raw
from crds.texts.plain import short_revision
from providers.application_models import ApplicationPlace, ApplicationState
from providers.errors import (
    ProviderBlocked,
    ProviderConflict,
    ProviderError,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)

_REFUSALS = (ProviderUnauthorized, ProviderNotFound, ProviderRejected, ProviderMisconfigured)


class ArgoCDWriter:
    """Write and sync Applications of named Argo CD instances; each is an order by itself."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener

    async def write(self, order: Order) -> Written:
        """Write the artifact if the Application still wants what the caller compared."""
        [deployment] = order.deployments
        [artifact] = order.artifacts
        result = await self._write(order.namespace, deployment, artifact, order.expected.get(deployment.name, ""))
        return Written(results={deployment.name: result})

    async def start(self, order: Order) -> Written:
        """Request one sync after a re-read that still shows our write and nothing that the artifact misses."""
        [deployment] = order.deployments
        [artifact] = order.artifacts
        return Written(results={deployment.name: await self._sync(order, deployment, artifact)})

    async def _write(
        self, namespace: str, deployment: DeploymentSpec, artifact: Artifact, expected: str
    ) -> WriteResult:
        wanted = wanted_raw(deployment, artifact)
        if deployment.write is None or not wanted:
            why = "is only observed" if deployment.write is None else "needs an image tag, and the artifact has none"
            return WriteResult(outcome=WriteOutcome.REFUSED, message=f"deployment {deployment.name} {why}")
        port, target = await self._opener.deployments(namespace, deployment.instance), target_of(deployment)
        try:
            state = await port.get(reference(deployment))
            place = port.locate(target, state)
            current = place.written
            if obstacle := obstacle_of(deployment, place):
                return WriteResult(outcome=WriteOutcome.REFUSED, message=obstacle.message, written_raw=current)
            if current == wanted:
                return WriteResult(outcome=WriteOutcome.ALREADY, written_raw=current)
            if current != expected:
                message = f"{deployment.application} holds {current or 'nothing'}, not {expected or 'nothing'}"
                return WriteResult(outcome=WriteOutcome.CONFLICT, message=message, written_raw=current)
            await port.write(reference(deployment), target, state, wanted)
        except ProviderConflict as error:
            return WriteResult(outcome=WriteOutcome.CONFLICT, message=describe(error))
        except _REFUSALS as error:
            return WriteResult(outcome=WriteOutcome.REFUSED, message=_refusal(deployment, error, "write"))
        return WriteResult(outcome=WriteOutcome.DONE, written_raw=wanted)

    async def _sync(self, order: Order, deployment: DeploymentSpec, artifact: Artifact) -> WriteResult:
        if deployment.taken_by:
            return WriteResult(outcome=WriteOutcome.REFUSED, message=taken(deployment))
        port, target = await self._opener.deployments(order.namespace, deployment.instance), target_of(deployment)
        ref = reference(deployment)
        try:
            state = await port.get(ref)
            place = port.locate(target, state)
            if (verdict := before_sync(order, state, place)) is not None:
                return verdict
            try:
                by_revision = place.one_source and deployment.image is None
                # Without a revision it is what the spec holds, which is what was written.
                revisions = (artifact.revision,) if by_revision else ()
                await port.sync(ref, revisions=revisions, key=order.key, prune=prunes(deployment, state))
            except ProviderConflict as error:
                state = await port.get(ref)
                return before_sync(order, state, port.locate(target, state)) or _busy(deployment, describe(error))
            except ProviderBlocked as error:
                return await blocked(port, deployment, error)
        except _REFUSALS as error:
            return WriteResult(outcome=WriteOutcome.REFUSED, message=_refusal(deployment, error, "sync"))
        return WriteResult(outcome=WriteOutcome.DONE, written_raw=place.written)


def before_sync(order: Order, state: ApplicationState, place: ApplicationPlace) -> WriteResult | None:
    """Judge the re-read before a sync; None when the sync may be requested."""
    [deployment] = order.deployments
    [artifact] = order.artifacts
    raw = place.written
    if deployment.write is not None and raw != wanted_raw(deployment, artifact):
        message = f"our write to {deployment.application} is gone: it holds {raw or 'nothing'}"
        return WriteResult(outcome=WriteOutcome.CONFLICT, message=message, written_raw=raw)
    allowed = {artifact.revision, *order.allowed}
    seen = observe(deployment, state, place)
    if seen.problem:
        return WriteResult(outcome=WriteOutcome.CONFLICT, message=seen.problem, written_raw=raw)
    for revision in (seen.runs, seen.operating):
        # A tag may carry an abbreviated hash; that it means one of these was found out when they were compared.
        if revision is not None and not any(full.startswith(revision) for full in allowed):
            message = f"{deployment.application} runs {short_revision(revision)}, which the artifact does not contain"
            return WriteResult(outcome=WriteOutcome.CONFLICT, message=message, written_raw=raw)
    if state.operation_key == order.key:
        return WriteResult(outcome=WriteOutcome.ALREADY, written_raw=raw)
    if not operation_under_way(state):
        if leaves_to_argocd(state) and deployment.write is not None and not order.insist:
            return WriteResult(outcome=WriteOutcome.ALREADY, message="left to Argo CD's auto-sync", written_raw=raw)
        return None
    if state.auto_sync and seen.operating == artifact.revision:
        return WriteResult(outcome=WriteOutcome.ALREADY, message="Argo CD syncs it by itself", written_raw=raw)
    return _busy(deployment, "an operation that is not ours runs")


def prunes(deployment: DeploymentSpec, state: ApplicationState) -> bool:
    """Return whether our sync prunes: as auto-sync would where it is on, else as the Environment declares."""
    return state.auto_prune if state.auto_sync else deployment.write is not None and deployment.write.prune


def leaves_to_argocd(state: ApplicationState) -> bool:
    """Return whether auto-sync does it: it tries each revision and spec once, and ours may only be in its way."""
    return state.auto_sync and not state.operation_of_spec


def _busy(deployment: DeploymentSpec, why: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.BUSY, message=f"{deployment.application}: {why}")


def _refusal(deployment: DeploymentSpec, error: ProviderError, verb: str) -> str:
    """Return what was refused: an application that cannot be written may well be read."""
    if isinstance(error, ProviderNotFound):
        return explain(deployment, error)
    cannot = f"application {deployment.application} in project {deployment.project} of {deployment.instance} cannot be"
    done = "written" if verb == "write" else "synced"
    if isinstance(error, ProviderUnauthorized):
        right = "update" if verb == "write" else "sync"
        return f"{cannot} {done}: fix the token, or its right {right} ({describe(error)})"
    return f"{cannot} {done}: Argo CD refuses it: {describe(error)}"
