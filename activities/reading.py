"""Read several deployments at once: few calls, and no deployment's problem hides the others."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from activities.failures import describe, kind_of, last_attempt
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation, ReadDeploymentsResult
from activities.observing import needs_refresh, observe, unreadable
from activities.ports import Connections, ReferenceMissing
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderUnauthorized,
)
from providers.models import ApplicationRef, ApplicationState
from providers.ports import Deployments

LISTED_FROM = 5
"""From so many deployments of one project on, one list may cost less than single reads."""
REFRESHING = timedelta(seconds=20)
"""How long all refreshes of one answer may last together, of which each takes as long as a reconciliation. What was
not refreshed in time is shown as it is known, and not settled, so that the next read asks for it again."""
_AT_ONCE = 8


@dataclass(kw_only=True)
class _Reading:
    """One deployment while it is read: where, and its state or why there is none."""

    deployment: DeploymentSpec
    port: Deployments | None = None
    state: ApplicationState | None = None
    problem: str = ""
    passing: bool = False

    def observation(self) -> Observation:
        if self.state is None:
            return unreadable(self.deployment, self.problem, passing=self.passing)
        return observe(self.deployment, self.state)


async def read_all(
    connections: Connections, namespace: str, deployments: Sequence[DeploymentSpec], *, refresh: bool
) -> ReadDeploymentsResult:
    """Read the deployments, in their order; with `refresh` those whose state is not believable yet are refreshed."""
    readings = [_Reading(deployment=one, problem=one.problem, passing=one.passing) for one in deployments]
    groups: defaultdict[tuple[str, str], list[_Reading]] = defaultdict(list)
    for reading in readings:
        if not reading.problem:
            groups[reading.deployment.instance, reading.deployment.project].append(reading)
    gate = asyncio.Semaphore(_AT_ONCE)
    await asyncio.gather(*(_read_group(connections, namespace, group, gate) for group in groups.values()))
    if refresh:
        await _refresh(readings, gate)
    return ReadDeploymentsResult(
        observations=tuple(reading.observation() for reading in readings), read_at=datetime.now(UTC)
    )


async def _read_group(
    connections: Connections, namespace: str, group: Sequence[_Reading], gate: asyncio.Semaphore
) -> None:
    one = group[0].deployment
    try:
        port = await connections.deployments(namespace, one.instance)
        listed = await _list(port, one.project, len(group))
    except (ReferenceMissing, ProviderError) as error:
        _leave_to_the_next_attempt(error)
        for reading in group:
            reading.problem, reading.passing = describe(error), kind_of(error).passing
        return

    async def read(reading: _Reading) -> None:
        reading.port = port
        reading.state = listed.get(reading.deployment.application)
        if reading.state is None:
            async with gate:
                await _read_one(port, reading)

    await asyncio.gather(*map(read, group))


async def _list(port: Deployments, project: str, wanted: int) -> dict[str, ApplicationState]:
    """Return what one list shows; nothing where single reads cost less, or where the list is of no use."""
    if wanted < LISTED_FROM or not await port.favours_list(project, wanted):
        return {}
    try:
        return {state.name: state for state in await port.list(project)}
    except ProviderMalformed:
        # It holds others' applications as well, whose size or shape must not hide ours.
        return {}


async def _read_one(port: Deployments, reading: _Reading) -> None:
    try:
        reading.state = await port.get(reference(reading.deployment))
    except ProviderError as error:
        _leave_to_the_next_attempt(error)
        reading.problem, reading.passing = explain(reading.deployment, error), kind_of(error).passing


def _leave_to_the_next_attempt(error: Exception) -> None:
    """Raise our own busyness, which says nothing of a deployment, as long as another attempt can do without it."""
    if isinstance(error, ProviderBusy) and not last_attempt():
        raise error


async def _refresh(readings: Sequence[_Reading], gate: asyncio.Semaphore) -> None:
    """Have Argo CD compare again what is not believable yet; without an answer the old state is still worth showing."""

    async def refresh(reading: _Reading, port: Deployments) -> None:
        async with gate:
            with suppress(ProviderError):
                reading.state = await port.get(reference(reading.deployment), refresh=True)

    due = [(one, one.port) for one in readings if one.port and one.state and needs_refresh(one.state)]
    with suppress(TimeoutError):
        async with asyncio.timeout(REFRESHING.total_seconds()):
            await asyncio.gather(*(refresh(reading, port) for reading, port in due))


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
        return f"Argo CD refuses {where}: fix the token, or its rights get, sync and update ({describe(error)})"
    if isinstance(error, ProviderMisconfigured):
        return f"ArgoCDInstance `{deployment.instance}` cannot be called: {describe(error)}"
    return f"{where} cannot be read: {describe(error)}"
