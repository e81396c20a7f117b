"""Write an object again without reading it before: what the API server answered to the last write is known.

A status is written as a compare-and-set of the version that it was rendered from. Whose write was the last one knows
that version, so that a tracker in its steps, or a place in a lane, costs one request for each status and not two.
`RecentWrites` keeps the last answers, and takes what the watches of its process show of the same objects: so another
writer's change is the basis of our next write too. It keeps an object that a watch shows as added, since its first
status follows.

A kept object serves a write that its version guards, and nothing else. Whatever would end without a write, because the
object is another one, newer or written already, is judged by a fresh read (`read_basis`).
"""

import json
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from crds.api.ports import PAGE_SIZE, WATCH_TIMEOUT, ApiResource, Document, Kubernetes, Page, WatchEvent

KEPT = 500
KEPT_BYTES = 64 * 1024
"""Of one object; a larger one is read before each write, as one is that was not written lately."""
_OWN_VERSIONS = 8

_Key = tuple[str, str, str]


class Basis(NamedTuple):
    """An object to be written, and whether it was read just now."""

    document: Document
    fresh: bool


@dataclass
class _Kept:
    document: Document | None = None
    """None while a write of ours is on its way: until it is answered, what stands there is not known."""
    own: deque[str] = field(default_factory=lambda: deque(maxlen=_OWN_VERSIONS))
    """Versions that our writes made: a watch shows them after the answer, and they are no news."""


class RecentWrites:
    """Implement Kubernetes by another one, and remember what its writes answered."""

    def __init__(self, kubernetes: Kubernetes, *, kept: int = KEPT) -> None:
        self._kubernetes = kubernetes
        self._limit = kept
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self.get = kubernetes.get
        self.list_all = kubernetes.list_all
        self.create = kubernetes.create
        self.delete = kubernetes.delete
        self.get_secret = kubernetes.get_secret
        self.post_event = kubernetes.post_event

    @property
    def default_namespace(self) -> str:
        return self._kubernetes.default_namespace

    def take(self, resource: ApiResource, namespace: str | None, name: str) -> Document | None:
        """Return the object as it was last written or seen, to one writer; None where that is not known."""
        kept = self._kept.get((resource.plural, namespace or "", name))
        if kept is None:
            return None
        found, kept.document = kept.document, None
        return found

    async def apply(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        document: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
    ) -> Document:
        """Apply server-side, and remember the object as it then is."""
        answer = await self._kubernetes.apply(
            resource, namespace, name, document, field_manager=field_manager, force=force, subresource=subresource
        )
        self._keep(resource, answer)
        return answer

    async def merge(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        changes: Mapping[str, Any],
        *,
        subresource: str | None = None,
    ) -> Document:
        """Apply a JSON merge patch, and remember the object as it then is."""
        answer = await self._kubernetes.merge(resource, namespace, name, changes, subresource=subresource)
        self._keep(resource, answer)
        return answer

    async def patch(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        resource_version: str,
        field_manager: str,
        subresource: str | None = None,
    ) -> Document:
        """Apply a JSON patch, and remember the object as it then is."""
        answer = await self._kubernetes.patch(
            resource,
            namespace,
            name,
            operations,
            resource_version=resource_version,
            field_manager=field_manager,
            subresource=subresource,
        )
        self._keep(resource, answer)
        return answer

    async def list_page(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        limit: int = PAGE_SIZE,
        continue_token: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        """List one page, and take from it what is kept."""
        page = await self._kubernetes.list_page(
            resource,
            namespace,
            limit=limit,
            continue_token=continue_token,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        for document in page.items:
            self._see(resource, document)
        return page

    def watch(
        self,
        resource: ApiResource,
        namespace: str | None,
        *,
        resource_version: str,
        timeout: timedelta = WATCH_TIMEOUT,
        field_selector: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Follow a list, and take from it what is kept."""
        watching = self._kubernetes.watch(
            resource, namespace, resource_version=resource_version, timeout=timeout, field_selector=field_selector
        )
        return self._seen(resource, watching)

    @asynccontextmanager
    async def _seen(
        self, resource: ApiResource, watching: AbstractAsyncContextManager[AsyncIterator[WatchEvent]]
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        async def follow(events: AsyncIterator[WatchEvent]) -> AsyncIterator[WatchEvent]:
            async for event in events:
                self._see(resource, event.object, event.type)
                yield event

        async with watching as events:
            yield follow(events)

    def _see(self, resource: ApiResource, document: Document, event: str = "") -> None:
        """Take an object as a list or a watch shows it, unless one of our own writes made it so."""
        key = _key(resource, document)
        kept = self._kept.get(key)
        if kept is None and event == "ADDED":
            self._store(key, document, self._kept.setdefault(key, _Kept()))
        elif kept is not None and event == "DELETED":
            del self._kept[key]
        elif kept is not None and document["metadata"].get("resourceVersion") not in kept.own:
            self._store(key, document, kept)

    def _keep(self, resource: ApiResource, document: Document) -> None:
        key = _key(resource, document)
        kept = self._kept.setdefault(key, _Kept())
        kept.own.append(str(document["metadata"].get("resourceVersion") or ""))
        self._store(key, document, kept)

    def _store(self, key: _Key, document: Document, kept: _Kept) -> None:
        if len(json.dumps(document)) > KEPT_BYTES:
            del self._kept[key]
            return
        kept.document = document
        self._kept.move_to_end(key)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)


async def read_basis(kubernetes: Kubernetes, resource: ApiResource, namespace: str, name: str, *, fresh: bool) -> Basis:
    """Return an object to be written: as it is known, or read where it is not, or where it must be `fresh`.

    Raises ApiNotFound where it is not there.
    """
    if isinstance(kubernetes, RecentWrites) and not fresh:
        known = kubernetes.take(resource, namespace, name)
        if known is not None:
            return Basis(known, fresh=False)
    return Basis(await kubernetes.get(resource, namespace, name), fresh=True)


def _key(resource: ApiResource, document: Document) -> _Key:
    metadata = document["metadata"]
    return resource.plural, str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
