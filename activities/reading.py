"""Read several deployments at once: few calls, and no deployment's problem hides the others."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from activities.failures import bounded, describe, failure_from, last_attempt
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation, ReadDeploymentsResult
from activities.models.failures import Failure
from activities.observing import instance_of, needs_refresh, observe, unreadable
from activities.ports import ReferenceMissing, ResourceOpener
from activities.targets import target_of
from crds.reasons.problems import FailureKind
from providers.application_models import ApplicationRef, ApplicationState
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.ports import Deployments

LISTED_FROM = 5
"""From so many deployments of one project on, one list may cost less than single reads."""
REFRESHING = timedelta(seconds=20)
"""How long all refreshes of one answer may last together, of which each takes as long as a reconciliation. What was
not refreshed in time is shown as it is known, and not settled, so that the next read asks for it again."""
READING = timedelta(seconds=50)
"""How long all reads of one answer may last together, refreshes included, where no one beats for longer: an Argo CD
that is slower makes those of its deployments unreadable that were not read by then, and no others."""
NO_ANSWER = (503, 504)
"""How the client names a call without connection, and one without an answer in time."""
SILENT_AFTER = 3
"""So many calls without an answer are an instance that does not answer, not an application."""
_AT_ONCE = 8
"""Reads at one Argo CD at a time: it waits for itself alone."""


@dataclass(kw_only=True)
class _Reading:
    """One deployment while it is read: where, and what was seen or why nothing was."""

    deployment: DeploymentSpec
    port: Deployments | None = None
    seen: Observation | None = None
    stale: bool = False
    """Whether only a refresh can show how the last operation ended."""
    failure: Failure | None = None

    def take(self, port: Deployments, state: ApplicationState) -> None:
        """Keep what is observed alone: an application may have megabytes, and hundreds are read for one answer."""
        self.seen = observe(self.deployment, state, port.locate(target_of(self.deployment), state))
        self.stale = needs_refresh(state)

    def observation(self) -> Observation:
        nothing = Failure(kind=FailureKind.UNEXPECTED, object=instance_of(self.deployment), message="not read")
        return self.seen or unreadable(self.deployment, self.failure or nothing)


class ArgoCDObserver:
    """Show what deployments run by the Applications of named Argo CD instances."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener

    async def observe(
        self,
        namespace: str,
        deployments: Sequence[DeploymentSpec],
        *,
        refresh: bool = False,
        within: timedelta | None = None,
    ) -> ReadDeploymentsResult:
        """Read the deployments, in their order; with `refresh` those whose state is not believable yet are refreshed.

        What was not read `within` that time is unreadable; None = however long it takes.
        """
        opener = self._opener
        readings = [_Reading(deployment=one, failure=one.failure) for one in deployments]
        groups: defaultdict[tuple[str, str], list[_Reading]] = defaultdict(list)
        for reading in readings:
            if reading.failure is None:
                groups[reading.deployment.instance, reading.deployment.project].append(reading)
        gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONCE))
        until = None if within is None else asyncio.get_running_loop().time() + within.total_seconds()
        await asyncio.gather(
            *(_read_group(opener, namespace, group, gates[instance], until) for (instance, _), group in groups.items())
        )
        if refresh:
            await _refresh(readings, gates, until)
        return ReadDeploymentsResult(
            observations=tuple(reading.observation() for reading in readings), read_at=datetime.now(UTC)
        )


async def _read_group(
    opener: ResourceOpener,
    namespace: str,
    group: Sequence[_Reading],
    gate: asyncio.Semaphore,
    until: float | None,
) -> None:
    one = group[0].deployment
    unread = set(range(len(group)))
    unanswered: list[ProviderUnavailable] = []

    async def read(port: Deployments, listed: dict[str, ApplicationState], number: int) -> None:
        reading = group[number]
        reading.port = port
        state = listed.get(reading.deployment.application)
        if state is not None:
            reading.take(port, state)
        else:
            async with gate:
                await _read_one(port, reading, unanswered)
        unread.discard(number)

    try:
        async with asyncio.timeout_at(until):
            port = await opener.deployments(namespace, one.instance)
            listed = await _list(port, one.project, len(group))
            await asyncio.gather(*(read(port, listed, number) for number in range(len(group))))
    except TimeoutError:
        for number in unread:
            late = f"{instance_of(one)} did not answer in time"
            group[number].failure = Failure(kind=FailureKind.UNAVAILABLE, object=instance_of(one), message=late)
    except (ReferenceMissing, ProviderError) as error:
        _leave_to_the_next_attempt(error)
        for reading in group:
            reading.failure = _of(reading.deployment, error, describe(error))


async def _list(port: Deployments, project: str, wanted: int) -> dict[str, ApplicationState]:
    """Return what one list shows; nothing where single reads cost less, or where the list is of no use."""
    if wanted < LISTED_FROM or not await port.favours_list(project, wanted):
        return {}
    try:
        return {state.name: state for state in await port.list(project)}
    except ProviderMalformed:
        # It holds others' applications as well, whose size or shape must not hide ours.
        return {}


async def _read_one(port: Deployments, reading: _Reading, unanswered: list[ProviderUnavailable]) -> None:
    """Read a deployment; of an instance that answered not for several, the others would wait for the same."""
    try:
        if len(unanswered) >= SILENT_AFTER:
            raise unanswered[-1]
        reading.take(port, await port.get(reference(reading.deployment)))
    except ProviderError as error:
        _leave_to_the_next_attempt(error)
        reading.failure = _of(reading.deployment, error, explain(reading.deployment, error))
        if isinstance(error, ProviderUnavailable) and error.status in NO_ANSWER:
            unanswered.append(error)


def _leave_to_the_next_attempt(error: Exception) -> None:
    """Raise our own busyness, which is no evidence of a deployment, as long as another attempt can do without it."""
    if isinstance(error, ProviderBusy) and not last_attempt():
        raise error


async def _refresh(readings: Sequence[_Reading], gates: Mapping[str, asyncio.Semaphore], until: float | None) -> None:
    """Have Argo CD compare again what is not believable yet; without an answer the old state is still worth showing."""

    async def refresh(reading: _Reading, port: Deployments) -> None:
        async with gates[reading.deployment.instance]:
            with suppress(ProviderError):
                reading.take(port, await port.get(reference(reading.deployment), refresh=True))

    due = [(one, one.port) for one in readings if one.port and one.stale]
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until), asyncio.timeout(REFRESHING.total_seconds()):
            # In an order of chance: where some hang, others have their turn at a later read.
            await asyncio.gather(*(refresh(reading, port) for reading, port in random.sample(due, len(due))))


def _of(deployment: DeploymentSpec, error: Exception, message: str) -> Failure:
    failure = failure_from(error)
    return failure if failure.object else replace(failure, object=instance_of(deployment), message=bounded(message))


def reference(deployment: DeploymentSpec) -> ApplicationRef:
    """Name a deployment's application."""
    return ApplicationRef(project=deployment.project, name=deployment.application)


def explain(deployment: DeploymentSpec, error: ProviderError) -> str:
    """Return what a person can do about an application that cannot be read."""
    where = f"application {deployment.application} in project {deployment.project} of {deployment.instance}"
    if isinstance(error, ProviderNotFound):
        return f"Argo CD shows no {where}: create it, or fix the name or project in the Environment ({describe(error)})"
    if isinstance(error, ProviderUnauthorized):
        return f"Argo CD refuses {where}: fix the token, or its rights get, sync and update ({describe(error)})"
    if isinstance(error, ProviderMisconfigured):
        return f"ArgoCDInstance `{deployment.instance}` cannot be called: {describe(error)}"
    return f"{where} cannot be read: {describe(error)}"
