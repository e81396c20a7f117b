"""ObservationActivities: follow applications over Argo CD's stream while a lane is held."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import timedelta
from typing import cast

from temporalio import activity

from activities.contracts import ObservationActivities
from activities.delivery.observers import EachObserver
from activities.delivery.seam import Observer
from activities.failures import reported
from activities.full_revisions import FullRevisions
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation, ReadDeploymentsResult, WatchDeploymentsInput
from activities.observing import differs, needs_refresh, observe
from activities.ports import ReferenceMissing, ResourceOpener
from activities.reading import reference
from activities.rights import with_rights
from activities.targets import target_of
from crds.api.ports import ApiError
from providers.application_models import ApplicationState
from providers.errors import ProviderError

HEARTBEAT = timedelta(seconds=5)
READ_EACH = timedelta(seconds=15)
"""Streams may be cut by proxies without notice, and some changes never reach them; a read finds both."""
STREAMS = 20
"""Applications followed by a stream of their own; further ones are seen by the periodic read."""
_RECONNECT = timedelta(seconds=2)
_SETTLING = timedelta(milliseconds=200)
"""How long Argo CD gets to reconcile by itself after an operation before it is asked to: the holder waits for it."""


class StreamActivities(ObservationActivities):
    """Follow applications of named Argo CD instances."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener
        self._revisions = FullRevisions(opener)
        self._observer: Observer = EachObserver(opener)

    @activity.defn
    @reported
    async def watch_deployments(self, request: WatchDeploymentsInput) -> ReadDeploymentsResult:
        """Return at the first change that matters, after the duration or when the worker stops; with a fresh read."""
        heartbeat = asyncio.create_task(_beat())
        watch = _Watch(self._opener, self._observer, self._revisions, request)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(request.duration.total_seconds()):
                    await watch.until_changed()
            answer = await self._observer.observe(request.namespace, request.deployments, refresh=True)
            answer = await self._revisions.complete(request.namespace, request.repository, answer)
            seen = await with_rights(self._opener, request.namespace, request.deployments, answer.observations)
            return replace(answer, observations=seen)
        finally:
            await _stop([heartbeat])


class _Watch:
    def __init__(
        self,
        opener: ResourceOpener,
        observer: Observer,
        revisions: FullRevisions,
        request: WatchDeploymentsInput,
    ) -> None:
        self._opener = opener
        self._observer = observer
        self._revisions = revisions
        self._request = request
        self._known = {observation.deployment: observation for observation in request.known}
        self._changed = asyncio.Event()

    async def until_changed(self) -> None:
        # One whose application is not known would be a stream of everybody's; what events show comes by themselves.
        followed = [one for one in self._request.deployments if not one.unresolved and one.flux is None]
        tasks = [asyncio.create_task(self._follow(deployment)) for deployment in followed[:STREAMS]]
        tasks.append(asyncio.create_task(self._read_periodically()))
        # Else a worker that stops would wait its whole grace for a watch that any other worker can go on with.
        tasks.append(asyncio.create_task(self._return_on_shutdown()))
        try:
            await self._changed.wait()
        finally:
            await _stop(tasks)

    async def _follow(self, deployment: DeploymentSpec) -> None:
        target = target_of(deployment)
        while True:
            with suppress(ProviderError, ReferenceMissing, ApiError):
                port = await self._opener.deployments(self._request.namespace, deployment.instance)
                states = cast(AsyncGenerator[ApplicationState, None], port.stream(reference(deployment)))
                async with aclosing(states):
                    async for state in states:
                        await self._compare(observe(deployment, state, port.locate(target, state)))
                        if needs_refresh(state):
                            await asyncio.sleep(_SETTLING.total_seconds())
                            refreshed = await port.get(reference(deployment), refresh=True)
                            await self._compare(observe(deployment, refreshed, port.locate(target, refreshed)))
            await asyncio.sleep(_RECONNECT.total_seconds())

    async def _read_periodically(self) -> None:
        while True:
            await asyncio.sleep(READ_EACH.total_seconds())
            with suppress(ProviderError, ApiError):
                request = self._request
                answer = await self._observer.observe(request.namespace, request.deployments)
                await self._compare(*answer.observations)

    async def _return_on_shutdown(self) -> None:
        await activity.wait_for_worker_shutdown()
        self._changed.set()

    async def _compare(self, *seen: Observation) -> None:
        request = self._request
        full = await self._revisions.complete_all(request.namespace, request.repository, seen)
        for one in await with_rights(self._opener, request.namespace, request.deployments, full):
            if one.passing:
                continue
            if differs(self._known.get(one.deployment), one, request.artifacts):
                self._changed.set()
            else:
                # An end like the one before the rollout is news after it, such as the same failure.
                self._known[one.deployment] = one


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT.total_seconds())


async def _stop(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
