"""Have the workflow of an EventSink look at it at once when it changes or goes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from activities.models.event_sinks import SinkRef
from crds.api.reflector import Key, ObjectChange
from crds.resource import Resource
from crds.v1alpha1.event_sink import EventSink
from worker.watcher.owed import taking
from worker.watcher.queue import KeyedQueue


class SinkWorkflows(Protocol):
    """Reach the workflows of sinks. May be repeated; the only error is WorkflowsUnavailable."""

    async def poke(self, sink: SinkRef) -> None:
        """Have a workflow that runs look at its sink at once."""


class EventSinkController:
    """Poke. Workflows are started by the first event; without a poke they notice a change at their next attempt."""

    def __init__(self, *, workflows: SinkWorkflows, has_synced: Callable[[], bool]) -> None:
        self._workflows = workflows
        self._has_synced = has_synced
        self._changed: dict[Key, set[str]] = {}
        """Uids of the objects that had a name."""
        self.queue: KeyedQueue[Key] = KeyedQueue(
            name="event sinks", handle=self.handle, namespace_of=lambda key: key.namespace
        )

    def follow(self, kind: type[Resource], change: ObjectChange[Resource]) -> None:
        """Take note of a sink that changed or went; at the first listing everything is new, and nothing changed."""
        if kind is not EventSink or change.old == change.new or not self._has_synced():
            return
        uids = {one.metadata.uid or "" for one in (change.old, change.new) if one is not None}
        self._changed.setdefault(change.key, set()).update(uids)
        self.queue.add(change.key)

    async def handle(self, key: Key) -> timedelta | None:
        """Poke the workflows of one sink, and of those that had its name before."""
        while uids := self._changed.get(key):
            uid = min(uids)
            with taking(uids, uid):
                await self._workflows.poke(SinkRef(namespace=key.namespace, name=key.name, uid=uid))
        self._changed.pop(key, None)
        return None
