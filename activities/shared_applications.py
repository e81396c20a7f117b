"""Which Environment has an application, among all of the cluster: from what is declared, never from a status."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from pydantic import ValidationError

from activities.models.configuration import DeploymentSpec
from crds.api.pauses import giving_way
from crds.api.ports import ApiForbidden, ApiGone, Kubernetes, resource_of
from crds.resource import Resource
from crds.rules.shared_applications import Claimant, Named, claimant, named, owners_of, server_of
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.environment import Environment

Kind = TypeVar("Kind", bound=Resource)
_Look = tuple[float, dict[Named, Claimant], dict[tuple[str, str], str]]
"""When it was, who has each application, and the servers by namespace and ArgoCDInstance."""

logger = logging.getLogger(__name__)

FRESH = timedelta(minutes=1)
"""How long a look holds. Who is older changes seldom: only where an application is named in one place more or less."""
PAGE = 20
"""Environments per page: with its status one has up to a megabyte, and to decode a page stops the event loop."""


class SharedApplications:
    """Know the oldest Environment of each application, of all namespaces where they may be listed."""

    def __init__(self, kubernetes: Kubernetes, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._kubernetes = kubernetes
        self._clock = clock
        self._known: dict[str, _Look] = {}
        self._looking = asyncio.Lock()
        self._everywhere = True

    async def mark(self, environment: Environment, deployments: Iterable[DeploymentSpec]) -> list[DeploymentSpec]:
        """Return the deployments; those of an application that an older Environment has name it in `taken_by`."""
        one = claimant(environment)
        owners, servers = await self._look(one.namespace)
        marked: list[DeploymentSpec] = []
        for deployment in deployments:
            server = servers.get((one.namespace, deployment.instance))
            owner = owners.get(named(server, deployment.application)) if server is not None else None
            taken = owner is not None and owner < one
            marked.append(replace(deployment, taken_by=str(owner)) if taken else deployment)
        return marked

    async def _look(self, namespace: str) -> tuple[dict[Named, Claimant], dict[tuple[str, str], str]]:
        async with self._looking:
            scope = "" if self._everywhere else namespace
            known = self._known.get(scope)
            if known is None or self._clock() - known[0] >= FRESH.total_seconds():
                try:
                    known = await self._list(scope or None)
                except ApiForbidden as error:
                    # Pilotage may be granted some namespaces only; then it knows no others' Environments.
                    self._everywhere, scope = False, namespace
                    known = await self._list_here(namespace, error)
                self._known[scope] = known
            return known[1], known[2]

    async def _list(self, namespace: str | None) -> _Look:
        at = self._clock()
        instances = await self._all(ArgoCDInstance, namespace)
        servers = {(one.metadata.namespace or "", one.metadata.name): server_of(one) for one in instances}
        return at, await owners_of(await self._all(Environment, namespace), servers), servers

    async def _list_here(self, namespace: str, refused: ApiForbidden) -> _Look:
        """List one namespace; where that is refused as well, nothing is known of others, as before there was a look."""
        logger.info("applications are compared within the namespace %s only: %s", namespace, refused)
        try:
            return await self._list(namespace)
        except ApiForbidden as error:
            logger.warning("applications of %s are not compared: %s", namespace, error)
            return self._clock(), {}, {}

    async def _all(self, kind: type[Kind], namespace: str | None) -> list[Kind]:
        try:
            return await self._pages(kind, namespace)
        except ApiGone:
            return await self._pages(kind, namespace)

    async def _pages(self, kind: type[Kind], namespace: str | None) -> list[Kind]:
        found: list[Kind] = []
        token: str | None = None
        while True:
            page = await self._kubernetes.list_page(
                resource_of(kind.definition), namespace, limit=PAGE, continue_token=token
            )
            async for item in giving_way(page.items):
                # What an older schema let in decides over nothing.
                with suppress(ValidationError):
                    found.append(kind.from_wire({name: value for name, value in item.items() if name != "status"}))
            token = page.continue_token
            if token is None:
                return found
