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
        """Trackers, by instance, whose pull requests show what a monitor reported that is gone."""
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
        if old is not None and old.kind and (new is None or new.uid != old.uid):
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
        """Have what drifted taken from a deleted tracker's pull request, by who looked at an instance for it."""
        found = self._declared(ArgoCDInstance).get(instance)
        if found is not None:
            await self._looks.clear(_reference(instance, found), tracker)

    async def handle(self, key: Key) -> timedelta | None:
        """Have one instance looked at, or publish on its monitors that there is none."""
        if not self._monitors.get(key):
            self._monitors.pop(key, None)
            self._news.discard(key)
        if key not in self._monitors and key not in self._left:
            return None
        if not self._has_synced():
            return SYNCING
        found = self._declared(ArgoCDInstance).get(key)
        if found is None:
            # Without it no one looks for its monitors, nor presents what they reported.
            self._left.pop(key, None)
            await self._statuses.write(_missing(key))
            return None
        instance = _reference(key, found)
        await self._present_left(key, instance)
        if key not in self._monitors:
            return None
        if key not in self._news:
            await self._looks.ensure(instance)
            return None
        with taking(self._news, key):
            await self._looks.poke(instance)
        return None

    async def _present_left(self, key: Key, instance: InstanceRef) -> None:
        while trackers := self._left.get(key):
            tracker = min(trackers)
            with taking(trackers, tracker):
                await self._looks.present(instance, tracker)
        self._left.pop(key, None)


def _reference(key: Key, instance: Resource) -> InstanceRef:
    return InstanceRef(namespace=key.namespace, name=key.name, uid=instance.metadata.uid or "")


def _missing(key: Key) -> PublishDriftInput:
    """State of all monitors of an instance that it does not exist."""
    what = f"ArgoCDInstance/{key.name}"
    message = (
        f"ArgoCDInstance `{key.name}` does not exist in namespace {key.namespace}: create it, or delete the monitor"
    )
    failure = BriefFailure(kind=FailureKind.REFERENCE_MISSING, object=what, message=message)
    return PublishDriftInput(
        instance=InstanceRef(namespace=key.namespace, name=key.name, uid=""),
        at=datetime.now(UTC),
        silent=(Silence(project="", failure=failure, shown=True),),
    )
