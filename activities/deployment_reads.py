"""One read of several deployments, complete: whole hashes, and whether each may be written."""

from dataclasses import replace

from activities.delivery.observers import EachObserver
from activities.delivery.seam import Observer
from activities.full_revisions import FullRevisions
from activities.models.delivery import ReadDeploymentsInput, ReadDeploymentsResult
from activities.ports import ResourceOpener
from activities.reading import READING
from activities.rights import with_rights


class DeploymentReads:
    """Read what deployments run, for every activity that needs it."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener
        self._revisions = FullRevisions(opener)
        self._observer: Observer = EachObserver(opener)

    async def read(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        """Read the deployments, in their order; what one of them misses is its observation's problem."""
        answer = await self._observer.observe(
            request.namespace, request.deployments, refresh=request.refresh, within=READING
        )
        answer = await self._revisions.complete(request.namespace, request.repository, answer)
        return replace(
            answer,
            observations=await with_rights(self._opener, request.namespace, request.deployments, answer.observations),
        )
