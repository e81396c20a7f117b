"""Mirror one collection of the API server in memory: list, watch, and begin again when anything is odd.

Only a projection of each object is kept. Who follows the mirror gets each change after it was stored, and
once more of every object at each resync, so that nothing depends on an event seen only once.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from crds.api.backoff import STANDARD, Backoff
from crds.api.pauses import giving_way
from crds.api.ports import WATCH_TIMEOUT, ApiError, ApiGone, ApiResource, Document, Kubernetes

logger = logging.getLogger(__name__)

T = TypeVar("T")

HEALTHY_AFTER_SECONDS = 5.0
"""A watch that lived this long ends a row of failures; one that ended sooner may be part of a storm."""


class Key(NamedTuple):
    """Name an object of one kind; the namespace of a cluster-scoped one is empty."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, kw_only=True)
class ObjectChange(Generic[T]):
    """A change of one object: what was kept before, and now. Both are the same at a resync."""

    key: Key
    old: T | None
    new: T | None


class Reflector(Generic[T]):
    """Keep a projection of every object of one kind, in one namespace or in all."""

    def __init__(
        self,
        *,
        kubernetes: Kubernetes,
        resource: ApiResource,
        namespace: str | None,
        project: Callable[[Document], T],
        on_change: Callable[[ObjectChange[T]], None],
        on_restart: Callable[[str], None] = lambda reason: None,
        backoff: Backoff = STANDARD,
        resync: timedelta | None = None,
        watch_timeout: timedelta = WATCH_TIMEOUT,
    ) -> None:
        self._kubernetes = kubernetes
        self._resource = resource
        self._namespace = namespace
        self._project = project
        self._on_change = on_change
        self._on_restart = on_restart
        self._backoff = backoff
        self._resync = resync
        self._watch_timeout = watch_timeout
        self._objects: dict[Key, T] = {}
        self._synced = False
        self._failures = 0
        self._in_touch_at: float | None = None
        """When the server last answered about the collection; None while no watch follows a complete list."""

    @property
    def resource(self) -> ApiResource:
        return self._resource

    def follows(self, namespace: str | None) -> bool:
        """Return whether the objects of a namespace are among those that it keeps; None stands for those of none."""
        return self._namespace in (None, namespace)

    @property
    def resyncs(self) -> bool:
        """Whether its objects are reported again although nothing changed."""
        return self._resync is not None

    @property
    def objects(self) -> Mapping[Key, T]:
        """What is kept now, read-only."""
        return MappingProxyType(self._objects)

    @property
    def has_synced(self) -> bool:
        """Whether the collection was listed completely at least once."""
        return self._synced

    def is_current(self, silence: timedelta) -> bool:
        """Whether the collection is followed, and the server was not silent for longer than this."""
        return self._in_touch_at is not None and time.monotonic() - self._in_touch_at <= silence.total_seconds()

    def report_all(self) -> None:
        """Report every object once more, as at a resync."""
        for key, kept in list(self._objects.items()):
            self._report(ObjectChange(key=key, old=kept, new=kept))

    async def run(self) -> None:
        """Mirror until cancelled. No answer of the server, however odd, ends it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._mirror())
            if self._resync is not None:
                tasks.create_task(self._repeat(self._resync))

    async def _mirror(self) -> None:
        version: str | None = None
        while True:
            started = time.monotonic()
            try:
                if version is None:
                    version = await self._list()
                    started = time.monotonic()
                version = await self._watch(version)
                reason = "" if time.monotonic() - started >= 1.0 else "ended at once"
            except ApiError as error:
                version = self._in_touch_at = None
                reason = type(error).__name__
                # An expired version is the ordinary end of an old watch.
                level = logging.INFO if isinstance(error, ApiGone) else logging.WARNING
                logger.log(level, "watch of %s begins again: %s", self._resource.plural, error)
            if time.monotonic() - started >= HEALTHY_AFTER_SECONDS:
                self._failures = 0
            if reason:
                self._failures += 1
                self._on_restart(reason)
                await asyncio.sleep(self._backoff.pause(self._failures).total_seconds())

    async def _list(self) -> str:
        seen: set[Key] = set()
        token: str | None = None
        while True:
            # Page by page: a whole list of tens of thousands would be many times what is kept of it.
            page = await self._kubernetes.list_page(self._resource, self._namespace, continue_token=token)
            async for document in giving_way(page.items):
                if (key := _key(document)) is not None:
                    seen.add(key)
                    self._store(key, document)
            token = page.continue_token
            if token is None:
                break
        for key in [key for key in self._objects if key not in seen]:
            self._forget(key)
        self._synced = True
        self._in_touch_at = time.monotonic()
        return page.resource_version

    async def _watch(self, version: str) -> str:
        watching = self._kubernetes.watch(
            self._resource, self._namespace, resource_version=version, timeout=self._watch_timeout
        )
        async with watching as events:
            async for event in events:
                self._in_touch_at = time.monotonic()
                version = str(event.object["metadata"].get("resourceVersion") or version)
                if event.type == "BOOKMARK" or (key := _key(event.object)) is None:
                    continue
                if event.type == "DELETED":
                    self._forget(key)
                else:
                    self._store(key, event.object)
        return version

    async def _repeat(self, interval: timedelta) -> None:
        while True:
            await asyncio.sleep(interval.total_seconds())
            self.report_all()

    def _store(self, key: Key, document: Document) -> None:
        try:
            new = self._project(document)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # One object that cannot be read must not hide the others.
            logger.warning("%s %s cannot be read: %s", self._resource.kind, key, type(error).__name__)
            return
        old = self._objects.get(key)
        self._objects[key] = new
        if old != new:
            self._report(ObjectChange(key=key, old=old, new=new))

    def _forget(self, key: Key) -> None:
        old = self._objects.pop(key, None)
        if old is not None:
            self._report(ObjectChange(key=key, old=old, new=None))

    def _report(self, change: ObjectChange[T]) -> None:
        try:
            self._on_change(change)
        except Exception:
            logger.exception("a follower of %s failed at %s", self._resource.plural, change.key)


def _key(document: Document) -> Key | None:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str) or not name:
        return None
    return Key(str(metadata.get("namespace") or ""), name)
