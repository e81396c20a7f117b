"""What who joins a place reads of it, so that a place that knows nothing yet answers in the call.

A place that has just begun, or was without members, would read by itself, and signal what it finds: an activity, a
signal and two workflow tasks more, which the hop waits for. The place takes what is brought only where that is as new
as its own would be (workflows/environment/observer.py). Nothing waits long for it: a host that is slow, or refuses, is
read by the place, which shows why.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from pydantic_core import to_json

from activities.deployment_reads import DeploymentReads
from activities.failures import refusal_of
from activities.models.budgets import READING_BYTES
from activities.models.configuration import DeploymentSpec, ReadEnvironmentInput, ReadEnvironmentResult
from activities.models.delivery import ReadDeploymentsInput
from activities.models.places import PlaceReading, PlaceSignal, SendViewInput
from activities.ports import Places
from crds.reasons.vocabulary import Phase

WITHIN = timedelta(seconds=1)
"""How long a join waits for what is read: about as long as the place takes to read by itself."""

ReadEnvironment = Callable[[ReadEnvironmentInput], Awaitable[ReadEnvironmentResult]]


class Send(Protocol):
    """Send a place a member's view."""

    async def __call__(
        self, view: SendViewInput, declared: Awaitable[ReadEnvironmentResult | None] | None = None, /
    ) -> PlaceSignal | None:
        """Return what the place answers, if it does; `declared` is its declaration, where that is read anyway."""


class Joining:
    """Send members' views, those that join with what was just read of the place."""

    def __init__(self, places: Places, read: ReadEnvironment, reads: DeploymentReads) -> None:
        self._places = places
        self._read = read
        self._reads = reads

    async def send(
        self, view: SendViewInput, declared: Awaitable[ReadEnvironmentResult | None] | None = None, /
    ) -> PlaceSignal | None:
        """Send one view; return what the place answers, if it does. `declared` spares a second read of the place."""
        signal = view.signal
        if not signal.awaits_answer or signal.phase is not Phase.WORKING or signal.received is not None:
            return await self._places.send(view)
        reading = await self._reading(view, declared or self._read(declared_by(view)))
        return await self._places.send(replace(view, signal=replace(signal, reading=reading)))

    async def _reading(
        self, view: SendViewInput, declared: Awaitable[ReadEnvironmentResult | None]
    ) -> PlaceReading | None:
        """Return what is declared and runs there; None where that fails, takes long or would be too large."""
        try:
            async with asyncio.timeout(WITHIN.total_seconds()):
                found = await declared
                environment = found.environment if found is not None else None
                if environment is None or not all(map(_readable, environment.deployments)):
                    return None
                asked = ReadDeploymentsInput(
                    namespace=view.namespace, repository=view.repository, deployments=environment.deployments
                )
                reading = PlaceReading(environment=environment, deployments=await self._reads.read(asked))
        except TimeoutError:
            return None
        except Exception as error:  # noqa: BLE001 -- logged; the place reads by itself, and shows the cause
            refusal_of(error)
            return None
        return reading if len(to_json(reading)) <= READING_BYTES else None


def _readable(deployment: DeploymentSpec) -> bool:
    """Return whether its application is known; of what Flux deploys only the place itself knows what runs."""
    return not deployment.unresolved and deployment.flux is None


def declared_by(view: SendViewInput, *, fresh: bool = False) -> ReadEnvironmentInput:
    """Return what to ask for the declaration of a view's place."""
    return ReadEnvironmentInput(
        namespace=view.namespace, environment=view.environment, repository=view.repository, fresh=fresh
    )
