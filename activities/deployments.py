"""DeliveryActivities: read and move Argo CD applications in short calls, each by compare-and-set."""

from dataclasses import replace

from temporalio import activity

from activities.contracts import DeliveryActivities
from activities.delivery.argocd import ArgoCDWriter
from activities.delivery.seam import Order, Writer, Written, held_by, observed_only
from activities.deployment_reads import DeploymentReads
from activities.failures import carried, last_attempt, refusal_of, reported
from activities.metrics import Count, count
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    WriteOutcome,
    WriteResult,
)
from activities.ports import ResourceOpener
from activities.refusals import share_no_secrets
from activities.spans import describe_delivery

_WRITTEN = "the write is ours"
"""Note of an attempt for the next one."""


class ArgoCDActivities(DeliveryActivities):
    """Move applications of named Argo CD instances."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener
        self._reads = DeploymentReads(opener)
        self._writer: Writer = ArgoCDWriter(opener)

    @activity.defn
    @reported
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        """Read what several deployments run."""
        return await self._reads.read(request)

    @activity.defn
    @reported
    async def deliver_application(self, request: DeliverApplicationInput) -> DeliverApplicationResult:
        """Write the artifact if the application still holds what the caller compared, then start one sync of it.

        Safe to retry: a write that is there already is known by its value, or by the note of the attempt that made it,
        and a sync by its key. What became of the write is returned also where the sync fails for good.
        """
        share_no_secrets()
        if (refused := await self._refused(request.namespace, request.deployment, request.environment)) is not None:
            return DeliverApplicationResult(written=refused)
        order = _described(request.sync, expected=request.expected)
        written = counted("update", order, await self._writer.write(order))
        if not written.stands:
            return DeliverApplicationResult(written=written)
        if written.outcome is WriteOutcome.DONE:
            activity.heartbeat(_WRITTEN)
        elif _WRITTEN in activity.info().heartbeat_details:
            written = replace(written, outcome=WriteOutcome.DONE)
        try:
            started = await self._writer.start(order)
        except Exception as error:  # noqa: BLE001 -- translated, as `reported` would
            refusal = refusal_of(error)
            if refusal.non_retryable or last_attempt():
                return DeliverApplicationResult(written=written, failure=carried(refusal))
            raise refusal from None
        return DeliverApplicationResult(written=written, synced=counted("sync", order, started))

    @activity.defn
    @reported
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        """Start one sync after a re-read that still shows our write and nothing that the artifact misses."""
        share_no_secrets()
        if (refused := await self._refused(request.namespace, request.deployment, request.environment)) is not None:
            return refused
        order = _described(request)
        return counted("sync", order, await self._writer.start(order))

    async def _refused(self, namespace: str, deployment: DeploymentSpec, environment: str) -> WriteResult | None:
        """Return why nothing is written, or synced: somebody holds the environment, or the repository is observed."""
        if environment and (hold := await self._opener.held(namespace, environment)) is not None:
            return held_by(hold, environment)
        named = deployment.repository and await self._opener.observed(namespace, deployment.repository)
        return observed_only(deployment.name, named) if named else None


def _described(request: SyncApplicationInput, *, expected: str = "") -> Order:
    describe_delivery(environment=request.environment, deployment=request.deployment.name, key=request.key)
    return order_of(request, expected=expected)


def order_of(request: SyncApplicationInput, *, expected: str = "") -> Order:
    """Return what is to be written and synced."""
    deployment = request.deployment
    return Order(
        namespace=request.namespace,
        deployments=(deployment,),
        artifacts=(request.artifact,),
        key=request.key,
        expected={deployment.name: expected},
        allowed=request.allowed,
        insist=request.insist,
    )


def counted(operation: str, order: Order, written: Written) -> WriteResult:
    """Return what became of an order for one deployment, and count it."""
    [deployment] = order.deployments
    result = written.results[deployment.name]
    outcome = result.outcome.value
    count(
        Count.DELIVERIES, namespace=order.namespace, instance=deployment.instance, operation=operation, outcome=outcome
    )
    return result
