"""Mirror what events of Flux are matched with: CommitStatus and Provider, and Flux's own Alert and Provider."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import structlog

from activities.flux.matching import Subscription
from activities.flux.planning import ProviderTarget
from activities.flux.subscriptions import (
    ALERT,
    FLUX_VERSIONS,
    flux_alerts,
    flux_providers,
    from_alert,
    from_commit_status,
    from_flux_provider,
    from_provider,
)
from crds.api.ports import ApiError, ApiNotFound, ApiResource, Document, Kubernetes, resource_of
from crds.api.reflector import Key, ObjectChange, Reflector
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.flux_provider import Provider
from worker.receiver.marked import Marked

T = TypeVar("T")
_logger = structlog.get_logger(__name__)

LOOK = timedelta(minutes=1)
"""How long the kinds of Flux may be there unnoticed."""


class Subscriptions(Protocol):
    """What an event is matched with."""

    @property
    def has_synced(self) -> bool: ...

    def of(self, namespace: str) -> Iterator[Subscription]:
        """Yield the subscriptions of a namespace; of all for an empty one."""
        ...

    def target(self, subscription: Subscription) -> ProviderTarget | None:
        """Return the Provider of a subscription; None where it does not exist."""
        ...


class FluxMirrors:
    """Keep each object as it is matched, of all namespaces or of those given."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        *,
        namespaces: Sequence[str] = (),
        flux_alerts: bool = False,
        on_watch_restart: Callable[[str, str], None] = lambda resource, reason: None,
        look: timedelta = LOOK,
    ) -> None:
        self._kubernetes = kubernetes
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._on_watch_restart = on_watch_restart
        self._flux_alerts = flux_alerts
        self._looked_for_flux = not flux_alerts
        self._look_seconds = look.total_seconds()
        self._statuses_in: Marked[Subscription] = Marked(_namespace_of)
        self._alerts_in: Marked[Subscription] = Marked(_namespace_of)
        self._statuses = self._mirror(resource_of(CommitStatus.definition), _commit_status, self._statuses_in.follow)
        self._providers = self._mirror(resource_of(Provider.definition), _provider)
        self._alerts: list[Reflector[Subscription]] = []
        self._flux_providers: list[Reflector[ProviderTarget]] = []

    @property
    def has_synced(self) -> bool:
        """Whether every kind was listed completely at least once, as far as the cluster has it."""
        return self._looked_for_flux and all(mirror.has_synced for mirror in self._all())

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for mirror in self._all():
                tasks.create_task(mirror.run(), name=f"mirror {mirror.resource.plural}")
            if self._flux_alerts:
                version = await self._found_flux()
                self._alerts = self._mirror(flux_alerts(version), from_alert, self._alerts_in.follow)
                self._flux_providers = self._mirror(flux_providers(version), from_flux_provider)
                self._looked_for_flux = True
                for flux in self._of_flux():
                    tasks.create_task(flux.run(), name=f"mirror {flux.resource.plural} of Flux")

    def of(self, namespace: str) -> Iterator[Subscription]:
        """Yield the subscriptions of a namespace; of all for an empty one."""
        for mirrors, known in ((self._statuses, self._statuses_in), (self._alerts, self._alerts_in)):
            for mirror in mirrors:
                if not namespace:
                    yield from mirror.objects.values()
                else:
                    yield from (one for key in known.at(namespace) if (one := mirror.objects.get(key)) is not None)

    def has_any(self, namespace: str) -> bool:
        """Return whether a namespace has any subscription."""
        return bool(self._statuses_in.at(namespace) or self._alerts_in.at(namespace))

    def target(self, subscription: Subscription) -> ProviderTarget | None:
        """Return the Provider of a subscription; None where it does not exist."""
        mirrors = self._flux_providers if subscription.kind == ALERT else self._providers
        key = Key(subscription.namespace, subscription.provider)
        return next((found for mirror in mirrors if (found := mirror.objects.get(key)) is not None), None)

    async def _found_flux(self) -> str:
        """Return the newest version of Flux's Alerts that the cluster has, once it has any."""
        while (version := await self._flux_version()) is None:
            if not self._looked_for_flux:
                _logger.warning("Flux's Alerts are not served until the cluster has such a kind")
            # Flux may be installed later, and nothing else waits for it.
            self._looked_for_flux = True
            await asyncio.sleep(self._look_seconds)
        return version

    async def _flux_version(self) -> str | None:
        for version in FLUX_VERSIONS:
            if await self._serves(version):
                return version
        return None

    async def _serves(self, version: str) -> bool:
        noted = ""
        while True:
            try:
                await self._kubernetes.list_page(flux_alerts(version), self._namespaces[0], limit=1)
            except ApiNotFound:
                return False
            except ApiError as error:
                if str(error) != noted:
                    _logger.warning("Flux's Alerts cannot be listed", error=str(error))
                noted = str(error)
                await asyncio.sleep(1)
            else:
                return True

    def _all(self) -> Iterator[Reflector[Any]]:
        yield from self._statuses
        yield from self._providers
        yield from self._of_flux()

    def _of_flux(self) -> Iterator[Reflector[Any]]:
        yield from self._alerts
        yield from self._flux_providers

    def _mirror(
        self,
        resource: ApiResource,
        project: Callable[[Document], T],
        on_change: Callable[[ObjectChange[T]], None] = lambda change: None,
    ) -> list[Reflector[T]]:
        return [
            Reflector(
                kubernetes=self._kubernetes,
                resource=resource,
                namespace=namespace,
                project=project,
                on_change=on_change,
                on_restart=lambda reason: self._on_watch_restart(resource.plural, reason),
            )
            for namespace in self._namespaces
        ]


def _namespace_of(key: Key, _subscription: Subscription) -> tuple[str, ...]:
    return (key.namespace,)


def _commit_status(document: Mapping[str, Any]) -> Subscription:
    return from_commit_status(CommitStatus.from_wire(document))


def _provider(document: Mapping[str, Any]) -> ProviderTarget:
    return from_provider(Provider.from_wire(document))
