"""Show what deployments run by what deploys each of them: Argo CD, or Flux."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from activities.delivery.flux import FluxObserver
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import ReadDeploymentsResult
from activities.ports import ResourceOpener
from activities.reading import ArgoCDObserver


class EachObserver:
    """Implement the seam's Observer: each deployment is asked for where it is deployed."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._argocd = ArgoCDObserver(opener)
        self._flux = FluxObserver(opener)

    async def observe(
        self,
        namespace: str,
        deployments: Sequence[DeploymentSpec],
        *,
        refresh: bool = False,
        within: timedelta | None = None,
    ) -> ReadDeploymentsResult:
        """Return what each runs, in their order."""
        applications = [one for one in deployments if one.flux is None]
        kustomizations = [one for one in deployments if one.flux is not None]
        answers = await asyncio.gather(
            self._argocd.observe(namespace, applications, refresh=refresh, within=within),
            self._flux.observe(namespace, kustomizations, within=within),
        )
        found = {one.deployment: one for answer in answers for one in answer.observations}
        return ReadDeploymentsResult(
            observations=tuple(found[one.name] for one in deployments), read_at=min(one.read_at for one in answers)
        )
