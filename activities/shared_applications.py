"""Which Environment has an application, among all of the cluster: from what is declared, never from a status."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

from pydantic import ValidationError

from activities.models.configuration import DeploymentSpec
from crds.api.pauses import giving_way
from crds.api.ports import ApiForbidden, ApiGone, Kubernetes, resource_of
from crds.resource import Resource
from crds.rules.shared_applications import Claimant, Named, claimant, named, owners_of, server_of, split_name
from crds.rules.shared_branches import Repositories, Writers, values_of, writers_of, writes_branches
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from providers.reading import in_thread

Kind = TypeVar("Kind", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What is declared in the cluster, or in one namespace."""

    at: float
    owners: Mapping[Named, Claimant]
    servers: Mapping[tuple[str, str], str]
    """By namespace and ArgoCDInstance."""
    alike: Mapping[Named, Mapping[str, Claimant]] = field(default_factory=dict)
    """By server and name alone: who has it, by the namespace that is named with it, or empty."""
    writers: Writers = field(default_factory=Writers)
    repositories: Repositories = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of Environments, by namespace."""


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
        """Return the deployments; those that an older Environment has name it in `taken_by`.

        That is one of whose application, or of a value in a file that is written, it is the first.
        """
        one = claimant(environment)
        look = await self._look(one.namespace)
        taken = await in_thread(partial(_branches_taken, environment, look)) if writes_branches(environment) else {}
        marked: list[DeploymentSpec] = []
        for deployment in deployments:
            server = look.servers.get((one.namespace, deployment.instance))
            owner = look.owners.get(named(server, deployment.application)) if server is not None else None
            if owner is None or not owner < one:
                # One that a selector stands for is named `deployment/application`.
                owner = taken.get(deployment.name.partition("/")[0])
            marked.append(deployment if owner is None else replace(deployment, taken_by=str(owner)))
        return marked

    async def alike(self, environment: Environment, deployment: DeploymentSpec) -> Mapping[str, Claimant]:
        """Return who else may have a deployment's application, by the namespace that they name with it, or empty.

        `web` and `team/web` are one where `team` is the namespace that the server takes where none is named.
        """
        one = claimant(environment)
        look = await self._look(one.namespace)
        server = look.servers.get((one.namespace, deployment.instance))
        if server is None:
            return {}
        named_in, bare = split_name(named(server, deployment.application)[1])
        found = look.alike.get((server, bare), {})
        # Of two that both name a namespace the names decide.
        others = {namespace: who for namespace, who in found.items() if namespace != named_in and who < one}
        return others if not named_in else {name: who for name, who in others.items() if not name}

    async def _look(self, namespace: str) -> _Look:
        async with self._looking:
            scope = "" if self._everywhere else namespace
            known = self._known.get(scope)
            if known is None or self._clock() - known.at >= FRESH.total_seconds():
                try:
                    known = await self._list(scope or None)
                except ApiForbidden as error:
                    # Pilotage may be granted some namespaces only; then it knows no others' Environments.
                    self._everywhere, scope = False, namespace
                    known = await self._list_here(namespace, error)
                self._known[scope] = known
            return known

    async def _list(self, namespace: str | None) -> _Look:
        at = self._clock()
        instances = await self._all(ArgoCDInstance, namespace)
        servers = {(one.metadata.namespace or "", one.metadata.name): server_of(one) for one in instances}
        environments = await self._all(Environment, namespace)
        owners = await owners_of(environments, servers)
        look = _Look(at=at, owners=owners, servers=servers, alike=await _alike(owners))
        if not any([writes_branches(one) async for one in giving_way(environments)]):
            return look
        found = await self._all(GitRepository, namespace)
        repositories = {(one.metadata.namespace or "", one.metadata.name): one for one in found}
        names = _by_namespace(environments)
        writers = await in_thread(partial(writers_of, environments, repositories, names))
        return replace(look, writers=writers, repositories=repositories, names=names)

    async def _list_here(self, namespace: str, refused: ApiForbidden) -> _Look:
        """List one namespace; where that is refused as well, nothing is known of others, as before there was a look."""
        logger.info("applications are compared within the namespace %s only: %s", namespace, refused)
        try:
            return await self._list(namespace)
        except ApiForbidden as error:
            logger.warning("applications of %s are not compared: %s", namespace, error)
            return _Look(at=self._clock(), owners={}, servers={})

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


async def _alike(owners: Mapping[Named, Claimant]) -> dict[Named, dict[str, Claimant]]:
    found: dict[Named, dict[str, Claimant]] = {}
    async for (server, application), owner in giving_way(owners.items()):
        namespace, bare = split_name(application)
        found.setdefault((server, bare), {})[namespace] = owner
    return found


def _by_namespace(environments: Iterable[Environment]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for one in environments:
        found.setdefault(one.metadata.namespace or "", []).append(one.metadata.name)
    return {namespace: tuple(names) for namespace, names in found.items()}


def _branches_taken(environment: Environment, look: _Look) -> dict[str, Claimant]:
    """Return the deployments of which an older Environment writes a value, with that one."""
    one = claimant(environment)
    written = values_of(environment, look.repositories, look.names.get(one.namespace, ()))
    return {
        deployment: owner
        for deployment, values in written.items()
        if (owner := next(filter(None, (look.writers.older(one, value) for value in values)), None)) is not None
    }
