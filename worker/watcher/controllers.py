"""Put the watcher together: a mirror of each kind, and the controllers that follow them.

Each mirror calls its followers after a change was stored, so that a controller that looks into any mirror finds
at least that. Followers only note keys; the work is done by the queues of the controllers, side by side. Nothing is
handed from one controller to another but keys to look at.
"""

import asyncio
import time
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from activities.drift.publishing import DriftStatuses
from crds.api.ports import WATCH_SILENCE, ApiResource, Document, Kubernetes, resource_of
from crds.api.reflector import Key, ObjectChange, Reflector
from crds.api.verification import FRESH, CommandVerification
from crds.model import Scope
from crds.resource import Resource
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.kinds import CONNECTED
from worker.watcher.commands import COMMANDS, CommandExecutor
from worker.watcher.credential_checks import CredentialCheckController, CredentialChecks
from worker.watcher.declarations import DeclarationController, read_declaration
from worker.watcher.drift import MONITORS, DriftController, DriftLooks
from worker.watcher.entries import (
    CommandEntry,
    MonitorEntry,
    TrackerEntry,
    read_command,
    read_monitor,
    read_tracker,
)
from worker.watcher.event_sinks import EventSinkController, SinkWorkflows
from worker.watcher.ports import Promotions
from worker.watcher.queue import KeyedQueue
from worker.watcher.repository_syncs import RepositorySyncController, RepositorySyncs
from worker.watcher.trackers import TRACKERS, TrackerController
from worker.watcher.waking import WAITS

T = TypeVar("T")

RESYNC = timedelta(minutes=10)
"""How often every tracker, command and connection is looked at although no change of it came."""
RESCAN_MIN_INTERVAL = timedelta(minutes=1)
"""How often at most a workflow that is found lost has all the others looked for."""


class Watcher:
    """Mirror all kinds and reconcile, until cancelled. Any number of watchers may share a cluster.

    With namespaces it lists and watches those only, which needs no more than Roles; cluster-scoped kinds are left out.
    """

    def __init__(
        self,
        *,
        kubernetes: Kubernetes,
        promotions: Promotions,
        connections: CredentialChecks,
        repositories: RepositorySyncs,
        drift: DriftLooks,
        drift_statuses: DriftStatuses,
        sinks: SinkWorkflows,
        namespaces: Sequence[str] = (),
        on_watch_restart: Callable[[str, str], None] = lambda resource, reason: None,
        on_environment: Callable[[str, str], None] = lambda namespace, name: None,
        commands_unverified: bool = False,
    ) -> None:
        self._kubernetes = kubernetes
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._on_watch_restart = on_watch_restart
        self._on_environment = on_environment
        self._looked_for_all: float | None = None
        self._trackers: list[Reflector[TrackerEntry]] = []
        self._commands: list[Reflector[CommandEntry]] = []
        self._monitors: list[Reflector[MonitorEntry]] = []
        self._declared: dict[type[Resource], list[Reflector[Resource]]] = {}
        self.drift = DriftController(
            looks=drift, statuses=drift_statuses, declared=self.declared, has_synced=lambda: self.has_synced
        )
        self.trackers = TrackerController(
            kubernetes=kubernetes,
            promotions=promotions,
            find=self.find_tracker,
            on_lost=self._lost,
            clear_drift=self.drift.clear,
            repository_of=self._repository_of,
        )
        self.verification = CommandVerification(kubernetes, unverified=commands_unverified)
        self.commands = CommandExecutor(
            kubernetes=kubernetes,
            promotions=promotions,
            find=self.find_command,
            on_absent=self.trackers.look_for,
            verify=self.verification.check,
        )
        self.declarations = DeclarationController(
            kubernetes=kubernetes,
            promotions=promotions,
            trackers=lambda: (entry for mirror in self._trackers for entry in mirror.objects.values()),
            declared=self.declared,
            has_synced=lambda: self.has_synced,
            on_absent=self.trackers.look_for,
            cluster_scoped=not namespaces,
        )
        self.connections = CredentialCheckController(
            checks=connections, declared=self.declared, has_synced=lambda: self.has_synced
        )
        self.sinks = EventSinkController(workflows=sinks, has_synced=lambda: self.has_synced)
        self.repositories = RepositorySyncController(syncs=repositories, declared=self.declared)
        self._build()

    @property
    def queues(self) -> tuple[KeyedQueue[Any], ...]:
        """The queues that work is taken from, for metrics."""
        return (
            self.trackers.queue,
            self.commands.queue,
            self.declarations.queue,
            self.connections.queue,
            self.repositories.queue,
            self.drift.queue,
            self.sinks.queue,
        )

    @property
    def has_synced(self) -> bool:
        """Whether every kind was listed completely at least once."""
        return all(mirror.has_synced for mirror in self._mirrors())

    def look_at_all(self) -> None:
        """Look at every tracker, command and connection now, as at a resync: Temporal may have forgotten some."""
        for mirror in self._mirrors():
            if mirror.resyncs:
                mirror.report_all()

    async def run(self) -> None:
        """Watch and reconcile until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._verify_commands(), name="command verification")
            for mirror in self._mirrors():
                tasks.create_task(mirror.run(), name=f"mirror {mirror.resource.plural}")
            for queue in self.queues:
                tasks.create_task(queue.run(), name=f"queue {queue.name}")

    async def _verify_commands(self) -> None:
        while True:
            await self.verification.look()
            await asyncio.sleep(FRESH.total_seconds())

    def find_tracker(self, key: Key) -> TrackerEntry | None:
        """Return what is kept of a tracker."""
        return next((found for mirror in self._trackers if (found := mirror.objects.get(key)) is not None), None)

    def _repository_of(self, entry: TrackerEntry) -> str:
        """Return the name that the host has for a tracker's repository; empty where it is not declared, or wrongly."""
        key = Key(entry.namespace, entry.repository)
        found = next(
            (one for mirror in self._declared.get(GitRepository, ()) if (one := mirror.objects.get(key))), None
        )
        try:
            return found.spec.hosted.full_name if isinstance(found, GitRepository) else ""
        except ValueError:
            return ""

    def find_command(self, key: Key) -> CommandEntry | None:
        """Return what is kept of a command."""
        return next((found for mirror in self._commands if (found := mirror.objects.get(key)) is not None), None)

    def declared(self, kind: type[Resource]) -> Mapping[Key, Resource]:
        """Return all declarations of one kind."""
        return ChainMap(*(dict(mirror.objects) for mirror in self._declared.get(kind, ())))

    def sinks_of(self, namespace: str) -> tuple[EventSink, ...] | None:
        """Return the EventSinks of a namespace, by name; None where none are kept, or they may be old."""
        mirrors = [one for one in self._declared[EventSink] if one.follows(namespace)]
        if not mirrors or not all(one.is_current(WATCH_SILENCE) for one in mirrors):
            return None
        kept = sorted(
            (key.name, one) for mirror in mirrors for key, one in mirror.objects.items() if key.namespace == namespace
        )
        return tuple(one for _, one in kept if isinstance(one, EventSink))

    def _mirrors(self) -> list[Reflector[Any]]:
        return [
            *self._trackers,
            *self._commands,
            *self._monitors,
            *(mirror for kind in self._declared.values() for mirror in kind),
        ]

    def _lost(self) -> None:
        now = time.monotonic()
        if self._looked_for_all is None or now - self._looked_for_all >= RESCAN_MIN_INTERVAL.total_seconds():
            self._looked_for_all = now
            self.look_at_all()

    def _follow_tracker(self, change: ObjectChange[TrackerEntry]) -> None:
        self.trackers.follow(change)
        self.declarations.follow_tracker(change)
        self.repositories.follow_tracker(change)

    def _build(self) -> None:
        for namespace in self._namespaces:
            self._trackers.append(self._mirror(TRACKERS, namespace, read_tracker, self._follow_tracker))
            self._commands.append(self._mirror(COMMANDS, namespace, read_command, self.commands.follow))
            self._monitors.append(self._mirror(MONITORS, namespace, read_monitor, self.drift.follow))
            for kind in WAITS:
                if namespace is None or kind.definition.scope is Scope.NAMESPACED:
                    self._declared.setdefault(kind, []).append(self._mirror_declarations(kind, namespace))

    def _mirror_declarations(self, kind: type[Resource], namespace: str | None) -> Reflector[Resource]:
        def follow(change: ObjectChange[Resource]) -> None:
            self.declarations.follow(kind, change)
            self.connections.follow(kind, change)
            self.repositories.follow(kind, change)
            self.drift.follow_instance(kind, change)
            self.sinks.follow(kind, change)
            if kind is Environment and change.new is not None:
                self._on_environment(change.key.namespace, change.key.name)

        resync = RESYNC if kind in CONNECTED else None
        return self._mirror(resource_of(kind.definition), namespace, read_declaration(kind), follow, resync=resync)

    def _mirror(
        self,
        resource: ApiResource,
        namespace: str | None,
        project: Callable[[Document], T],
        follow: Callable[[ObjectChange[T]], None],
        *,
        resync: timedelta | None = RESYNC,
    ) -> Reflector[T]:
        return Reflector(
            kubernetes=self._kubernetes,
            resource=resource,
            namespace=namespace,
            project=project,
            on_change=follow,
            on_restart=lambda reason: self._on_watch_restart(resource.plural, reason),
            resync=resync,
        )
