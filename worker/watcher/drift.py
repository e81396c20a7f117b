"""Have a DriftWorkflow run for each ArgoCDInstance whose applications are watched, as long as any is."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from activities.drift.publishing import DriftStatuses
from activities.models.drift import GoneTracker, InstanceRef, PublishDriftInput, Silence
from activities.models.failures import BriefFailure
from crds.api.ports import resource_of
from crds.api.reflector import Key, ObjectChange
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Drift
from crds.resource import Resource
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.drift_monitor import DriftMonitor
from worker.watcher.entries import MonitorEntry
from worker.watcher.owed import taking
from worker.watcher.queue import KeyedQueue

MONITORS = resource_of(DriftMonitor.definition)
SYNCING = timedelta(seconds=1)
"""How long until all kinds are looked for once more, while not all of them were listed."""


class DriftLooks(Protocol):
    """Have instances looked at. Every method may be repeated and raises WorkflowsUnavailable, nothing else."""

    async def ensure(self, instance: InstanceRef) -> None:
        """Start the workflow where none runs; a running one gets no signal."""

    async def poke(self, instance: InstanceRef) -> None:
        """Have it look soon; start the workflow where none runs."""

    async def clear(self, instance: InstanceRef, tracker: GoneTracker) -> None:
        """Have what drifted taken from a deleted tracker's pull request."""

    async def present(self, instance: InstanceRef, tracker: str) -> None:
        """Have a pull request show what the monitors of its tracker report now."""


class DriftController:
    """Keep one workflow per instance with monitors. Two controllers may share a cluster: all of it may be repeated."""

    def __init__(
        self,
        *,
        looks: DriftLooks,
        statuses: DriftStatuses,
        declared: Callable[[type[Resource]], Mapping[Key, Resource]],
        has_synced: Callable[[], bool],
    ) -> None:
        self._looks = looks
        self._statuses = statuses
        self._declared = declared
        self._has_synced = has_synced
        self._monitors: dict[Key, set[Key]] = {}
        """Keys of monitors by that of their instance."""
        self._kinds: Counter[str] = Counter()
        self._news: set[Key] = set()
        """Instances with a monitor whose workflow was not signalled."""
        self._left: dict[Key, set[str]] = {}
        """Trackers, by instance, whose pull requests show what a monitor reported that is gone, or unknown by now."""
        self.queue: KeyedQueue[Key] = KeyedQueue(
            name="drift", handle=self.handle, namespace_of=lambda key: key.namespace
        )

    def count(self, kind: str) -> int:
        """Return how many monitors show this kind of drift."""
        return self._kinds[kind]

    def follow(self, change: ObjectChange[MonitorEntry]) -> None:
        """Take note of a changed monitor; at a resync its instance is looked at once more."""
        old, new = change.old, change.new
        if old is not None:
            self._kinds[old.kind] -= 1
        if new is not None:
            self._kinds[new.kind] += 1
        if old is not None and (new is None or new.instance != old.instance):
            self._monitors.get(Key(change.key.namespace, old.instance), set()).discard(change.key)
        if old is not None and _is_outdated(old, new):
            before = Key(change.key.namespace, old.instance)
            self._left.setdefault(before, set()).add(old.tracker)
            self.queue.add(before)
        if new is None:
            return
        instance = Key(change.key.namespace, new.instance)
        self._monitors.setdefault(instance, set()).add(change.key)
        if old is None or old.uid != new.uid or old.instance != new.instance:
            self._news.add(instance)
            self.queue.add(instance)
        elif old is new:
            self.queue.add(instance)

    def follow_instance(self, kind: type[Resource], change: ObjectChange[Resource]) -> None:
        """Take note of an instance that came, went or changed."""
        if kind is ArgoCDInstance and change.old != change.new:
            self._news.add(change.key)
            self.queue.add(change.key)

    async def clear(self, instance: Key, tracker: GoneTracker) -> None:
        """Have what drifted taken from a deleted tracker's pull request, by who looks at an instance, or did."""
        await self._looks.clear(self._reference(instance), tracker)

    async def handle(self, key: Key) -> timedelta | None:
        """Have one instance looked at, or publish on its monitors that there is none."""
        if not self._monitors.get(key):
            self._monitors.pop(key, None)
            self._news.discard(key)
        if key not in self._monitors and key not in self._left:
            return None
        if not self._has_synced():
            return SYNCING
        instance = self._reference(key)
        exists, watched = bool(instance.uid), key in self._monitors
        if watched and not exists:
            await self._statuses.write(_missing(instance))
        await self._present_left(key, instance)
        if not (watched and exists):
            return None
        if key not in self._news:
            await self._looks.ensure(instance)
            return None
        with taking(self._news, key):
            await self._looks.poke(instance)
        return None

    def _reference(self, key: Key) -> InstanceRef:
        """Name an instance; without a uid where there is none: its workflow shows what is owed, and ends."""
        found = self._declared(ArgoCDInstance).get(key)
        uid = found.metadata.uid if found is not None else None
        return InstanceRef(namespace=key.namespace, name=key.name, uid=uid or "")

    async def _present_left(self, key: Key, instance: InstanceRef) -> None:
        while trackers := self._left.get(key):
            tracker = min(trackers)
            with taking(trackers, tracker):
                await self._looks.present(instance, tracker)
        self._left.pop(key, None)


def _is_outdated(old: MonitorEntry, new: MonitorEntry | None) -> bool:
    """Return whether a pull request shows what a monitor reported, and no look will have it show something else."""
    if new is None or new.uid != old.uid:
        return bool(old.kind)
    # Silence is written without a look at the application.
    return old.kind not in ("", Drift.UNKNOWN) and new.kind == Drift.UNKNOWN


def _missing(instance: InstanceRef) -> PublishDriftInput:
    """State of all monitors of an instance that it does not exist."""
    what, namespace = f"ArgoCDInstance/{instance.name}", instance.namespace
    message = (
        f"ArgoCDInstance `{instance.name}` does not exist in namespace {namespace}: create it, or delete the monitor"
    )
    failure = BriefFailure(kind=FailureKind.REFERENCE_MISSING, object=what, message=message)
    return PublishDriftInput(
        instance=instance,
        at=datetime.now(UTC),
        silent=(Silence(project="", failure=failure, shown=True),),
    )
