"""Have Argo CD look at a branch that was written, rather than at its next poll."""

import asyncio
from contextlib import suppress

from activities.delivery.seam import Order
from activities.models.configuration import DeploymentSpec
from activities.ports import ReferenceMissing, ResourceOpener
from activities.reading import reference
from crds.api.ports import ApiError
from providers.errors import ProviderError

_AT_ONCE = 5
_WITHIN_SECONDS = 15.0
"""What all refreshes may take together; Argo CD finds the commit without them, only later."""


async def refresh(opener: ResourceOpener, order: Order) -> None:
    """Ask for a refresh of each deployment's Application; one that cannot be asked is left to the next poll."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(one: DeploymentSpec) -> None:
        async with gate:
            with suppress(ProviderError, ReferenceMissing, ApiError):
                port = await opener.deployments(order.namespace, one.instance)
                await port.get(reference(one), refresh=True)

    with suppress(TimeoutError):
        async with asyncio.timeout(_WITHIN_SECONDS):
            # Flux looks by itself, as its own sources are set.
            await asyncio.gather(*(ask(one) for one in order.deployments if one.flux is None))
