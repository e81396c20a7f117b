"""Deliver to a branch of a Git repository: the writer that the Environment names, and then a look at what it wrote."""

from collections.abc import Mapping, Sequence

from activities.delivery.branches import BranchWriter
from activities.delivery.files import FileWriter
from activities.delivery.seam import Order, Writer, Written
from activities.metrics import Count, count
from activities.models.configuration import DeploymentSpec, WriteKind
from activities.models.git_delivery import DeliverFilesInput, DeliverFilesResult, FilesWritten
from activities.ports import ResourceOpener
from activities.spans import describe_delivery
from providers.errors import ProviderMisconfigured


class GitDelivery:
    """Write to branches of named repositories."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._writers: Mapping[WriteKind, Writer] = {
            WriteKind.GIT: FileWriter(opener),
            WriteKind.BRANCH: BranchWriter(opener),
        }

    async def deliver(self, request: DeliverFilesInput) -> DeliverFilesResult:
        """Write all deployments of one branch, and have what deploys from it look at it once that stands."""
        order = Order(
            namespace=request.namespace,
            repository=request.repository,
            deployments=request.deployments,
            artifacts=request.artifacts,
            key=request.key,
            allowed=request.allowed,
            variables=request.variables,
            proposal=request.proposal,
            gates=request.gates,
            retried=request.retried,
            prepares=request.prepares,
        )
        describe_delivery(
            environment=request.variables.get("targetEnvironment", ""),
            deployment=", ".join(one.name for one in request.deployments),
            key=request.key,
        )
        writer = self._writers[_kind_of(request.deployments)]
        written = await writer.write(order)
        if written.stands:
            await writer.start(order)
        return _answer(order, written)


def _kind_of(deployments: Sequence[DeploymentSpec]) -> WriteKind:
    kinds = {one.write.kind for one in deployments if one.write is not None}
    if len(kinds) != 1:
        raise ProviderMisconfigured("the deployments of one branch must be written in one way")
    return kinds.pop()


def _answer(order: Order, written: Written) -> DeliverFilesResult:
    for one in order.deployments:
        outcome = written.results[one.name].outcome.value
        count(Count.DELIVERIES, namespace=order.namespace, instance=one.instance, operation="commit", outcome=outcome)
    results = tuple(FilesWritten(deployment=one.name, result=written.results[one.name]) for one in order.deployments)
    return DeliverFilesResult(written=results, proposal=written.proposal)
