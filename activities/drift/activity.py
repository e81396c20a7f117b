"""DriftActivities: watch that what was promoted stays in place."""

from temporalio import activity

from activities.contracts import DriftActivities
from activities.delivery.argocd import ArgoCDWriter
from activities.delivery.seam import Order, held_by
from activities.deployments import counted
from activities.drift import presenting
from activities.drift.looks import MONITORS, DriftLooks
from activities.drift.monitors import create_monitors
from activities.drift.reading import declared_deployment
from activities.failures import reported
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.drift import (
    CreateDriftMonitorsInput,
    CreateDriftMonitorsResult,
    LookForDriftInput,
    LookForDriftResult,
    PresentDriftInput,
    PresentDriftResult,
    SyncDriftedInput,
)
from activities.models.tracking import Artifact
from activities.ports import ReferenceMissing, ResourceOpener
from activities.reading import reference
from activities.refusals import share_no_secrets
from activities.shared_applications import SharedApplications
from crds.api.mirror import read_through
from crds.api.ports import ApiNotFound, Kubernetes
from crds.v1alpha1.drift_monitor import AutoRemediate, DriftMonitor


class PromotedChanges(DriftActivities):
    """Watch applications of named Argo CD instances."""

    def __init__(self, kubernetes: Kubernetes, opener: ResourceOpener) -> None:
        self._kubernetes = kubernetes
        self._opener = opener
        self._looks = DriftLooks(kubernetes, opener)
        self._shared = SharedApplications(kubernetes)
        self._writer = ArgoCDWriter(opener)

    @activity.defn
    @reported
    async def create_drift_monitors(self, request: CreateDriftMonitorsInput) -> CreateDriftMonitorsResult:
        """Make or take over one DriftMonitor for each deployment that a change arrived in."""
        return CreateDriftMonitorsResult(monitors=await create_monitors(self._kubernetes, request))

    @activity.defn
    @reported
    async def look_for_drift(self, request: LookForDriftInput) -> LookForDriftResult:
        """Return which monitors of an ArgoCDInstance show what is not so any more."""
        return await self._looks.look(request)

    @activity.defn
    @reported
    async def present_drift(self, request: PresentDriftInput) -> PresentDriftResult:
        """Show on a pull request what the monitors of its tracker report."""
        return await presenting.present(self._kubernetes, self._opener, request)

    @activity.defn
    @reported
    async def sync_drifted(self, request: SyncDriftedInput) -> WriteResult:
        """Start one sync of an application that is still out of sync and still holds what was promoted.

        Nothing is written, so that nothing is ever rolled back; holds, windows, owners and prune rules count as for a
        promotion.
        """
        share_no_secrets()
        try:
            monitor = DriftMonitor.from_wire(await self._kubernetes.get(MONITORS, request.namespace, request.monitor))
            # A refusal drops the sync: a worker's memory may be older than a deployment that was declared since.
            with read_through():
                environment, deployment = await declared_deployment(self._kubernetes, monitor)
        except (ApiNotFound, ReferenceMissing) as missing:
            return WriteResult(outcome=WriteOutcome.REFUSED, message=str(missing))
        name, wanted = monitor.metadata.name, monitor.spec.auto_remediate is AutoRemediate.SYNC
        if not wanted or request.uid not in ("", monitor.metadata.uid):
            # It may have waited for a sync window while people changed their minds.
            return WriteResult(outcome=WriteOutcome.REFUSED, message=f"DriftMonitor {name} asks for no sync any more")
        [deployment] = await self._shared.mark(environment, [deployment])
        if deployment.write is None or deployment.write.kind.in_git:
            message = (
                f"deployment {deployment.name} is only observed: no promotion syncs {deployment.application} either"
            )
            return WriteResult(outcome=WriteOutcome.REFUSED, message=message)
        if (hold := await self._opener.held(request.namespace, environment.metadata.name)) is not None:
            return held_by(hold, environment.metadata.name)
        port = await self._opener.deployments(request.namespace, deployment.instance)
        if (await port.get(reference(deployment))).sync_status == "Synced":
            return WriteResult(outcome=WriteOutcome.ALREADY)
        spec = monitor.spec
        artifact = Artifact(component=deployment.component, revision=spec.revision, tag=spec.tag)
        order = Order(namespace=request.namespace, deployments=(deployment,), artifacts=(artifact,), key=request.key)
        return counted("sync", order, await self._writer.start(order))
