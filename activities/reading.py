"""Read several deployments at once: few calls, and no deployment's problem hides the others."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from activities.failures import describe
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation, ReadDeploymentsResult
from activities.observing import needs_refresh, observe, unreadable
from activities.ports import Connections, ReferenceMissing
from providers.errors import ProviderBusy, ProviderError, ProviderMisconfigured, ProviderNotFound, ProviderUnauthorized
from providers.models import ApplicationRef, ApplicationState
from providers.ports import Deployments

LISTED_FROM = 5
"""From so many deployments of one project on, one list costs less than single reads."""
_AT_ONCE = 8


async def read_all(
    connections: Connections, namespace: str, deployments: Sequence[DeploymentSpec], *, refresh: bool
) -> ReadDeploymentsResult:
    """Read the deployments, in their order."""
    groups: defaultdict[tuple[str, str], list[DeploymentSpec]] = defaultdict(list)
    for deployment in deployments:
        groups[deployment.instance, deployment.project].append(deployment)
    gate = asyncio.Semaphore(_AT_ONCE)
    answers = await asyncio.gather(
        *(_read_group(connections, namespace, group, gate, refresh=refresh) for group in groups.values())
    )
    observed = {observation.deployment: observation for answer in answers for observation in answer}
    return ReadDeploymentsResult(
        observations=tuple(observed[deployment.name] for deployment in deployments), read_at=datetime.now(UTC)
    )


async def _read_group(
    connections: Connections,
    namespace: str,
    group: Sequence[DeploymentSpec],
    gate: asyncio.Semaphore,
    *,
    refresh: bool,
) -> list[Observation]:
    try:
        port = await connections.deployments(namespace, group[0].instance)
        listed = await _list(port, group) if len(group) >= LISTED_FROM else {}
    except ProviderBusy:
        raise
    except (ReferenceMissing, ProviderError) as error:
        return [unreadable(deployment, describe(error)) for deployment in group]

    async def read(deployment: DeploymentSpec) -> Observation:
        async with gate:
            return await read_one(port, deployment, listed.get(deployment.application), refresh=refresh)

    return list(await asyncio.gather(*map(read, group)))


async def _list(port: Deployments, group: Sequence[DeploymentSpec]) -> dict[str, ApplicationState]:
    return {state.name: state for state in await port.list(group[0].project)}


async def read_one(
    port: Deployments, deployment: DeploymentSpec, state: ApplicationState | None, *, refresh: bool
) -> Observation:
    """Observe one deployment; a state at hand spares the read, and what is not believable yet is refreshed once."""
    ref = reference(deployment)
    try:
        current = state if state is not None else await port.get(ref)
    except ProviderBusy:
        raise
    except ProviderError as error:
        return unreadable(deployment, explain(deployment, error))
    if refresh and needs_refresh(current):
        # A refresh lasts as long as a reconciliation: without its answer the old state is still worth showing.
        with suppress(ProviderError):
            current = await port.get(ref, refresh=True)
    return observe(deployment, current)


def reference(deployment: DeploymentSpec) -> ApplicationRef:
    """Name a deployment's application."""
    return ApplicationRef(project=deployment.project, name=deployment.application)


def explain(deployment: DeploymentSpec, error: ProviderError) -> str:
    """Say what a person can do about an application that cannot be read."""
    where = f"application {deployment.application} in project {deployment.project} of {deployment.instance}"
    if isinstance(error, ProviderNotFound):
        return (
            f"Argo CD shows no {where}: create it, or mend the name or project in the Environment ({describe(error)})"
        )
    if isinstance(error, ProviderUnauthorized):
        return f"Argo CD refuses {where}: mend the token, or its rights get, sync and update ({describe(error)})"
    if isinstance(error, ProviderMisconfigured):
        return f"ArgoCDInstance `{deployment.instance}` cannot be called: {describe(error)}"
    return f"{where} cannot be read: {describe(error)}"
