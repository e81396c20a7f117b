"""Read declarations from a mirror in memory instead of asking the API server each time.

A promotion reads the same few resources again and again: a repository before each call to its host, an instance before
each call to Argo CD, all policies when a hop begins. `MirroredReads` keeps the declared kinds with one watch per kind,
and answers `get` and `list_all` of them. It asks the API server instead

- until a kind was listed completely, and whenever its watch was silent for longer than its bookmarks allow: a
  connection that is half open shows nothing, so that silence is no proof;
- where the mirror has no such object: one that was just created may not have arrived yet;
- inside `read_through()`, for a caller that knows of a change which the mirror may not know yet.

Secrets are never mirrored: what uses one reads it. Status is not kept either, since nothing that is decided
may come from it. What is kept is shared, so that a reader must not change a document.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

from crds.api.ports import WATCH_SILENCE, ApiNotFound, ApiResource, Document, Kubernetes, Page
from crds.api.reflector import Key, Reflector

_READ_THROUGH: ContextVar[float | None] = ContextVar("read_through", default=None)


@contextmanager
def read_through(*, when: bool = True) -> Iterator[None]:
    """Have reads of this task and its children go to the API server, `when` there is a reason to."""
    token = _READ_THROUGH.set(time.monotonic() if when else _READ_THROUGH.get())
    try:
        yield
    finally:
        _READ_THROUGH.reset(token)


def read_through_since() -> float | None:
    """Return since when, of the monotonic clock, reads count; None where those of memory do."""
    return _READ_THROUGH.get()


async def read_same(
    kubernetes: Kubernetes, resource: ApiResource, namespace: str, name: str, uid: str
) -> Document | None:
    """Return one object as long as it is the one of this uid; None where it is gone, or another one by now.

    Something ends without it, so that the API server states it: what is kept may be older than one that was made again.
    """
    for fresh in (False, True):
        try:
            with read_through(when=fresh):
                found = await kubernetes.get(resource, namespace, name)
        except ApiNotFound:
            return None
        if found["metadata"].get("uid") == uid:
            return found
    return None


class DeclarationMirror:
    """Keep what is declared of some kinds, in all namespaces or in those given."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        resources: Sequence[ApiResource],
        *,
        namespaces: Sequence[str] = (),
        silence: timedelta = WATCH_SILENCE,
    ) -> None:
        self._silence = silence
        self._mirrors = {
            resource: [
                Reflector(
                    kubernetes=kubernetes,
                    resource=resource,
                    namespace=namespace,
                    project=_declared,
                    on_change=lambda change: None,
                )
                for namespace in namespaces or (None,)
            ]
            for resource in resources
            if resource.namespaced or not namespaces
        }

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for mirror in (one for mirrors in self._mirrors.values() for one in mirrors):
                tasks.create_task(mirror.run(), name=f"mirror {mirror.resource.plural}")

    def find(self, resource: ApiResource, namespace: str | None, name: str) -> Document | None:
        """Return one object; None where it is not kept, or where what is kept may be old."""
        key = Key(namespace or "", name)
        for mirror in self._current(resource, namespace):
            if (found := mirror.objects.get(key)) is not None:
                return found
        return None

    def all_in(self, resource: ApiResource, namespace: str | None) -> tuple[Document, ...] | None:
        """Return all objects of a namespace, by name; None where they are not kept, or may be old."""
        mirrors = self._current(resource, namespace) if namespace is not None else []
        if not mirrors:
            return None
        kept = [(key, one) for mirror in mirrors for key, one in mirror.objects.items() if key.namespace == namespace]
        return tuple(one for _, one in sorted(kept, key=lambda pair: pair[0]))

    def _current(self, resource: ApiResource, namespace: str | None) -> list[Reflector[Document]]:
        """Return the mirrors of a kind in a namespace; none where one of them may be old."""
        mirrors = [one for one in self._mirrors.get(resource, ()) if one.follows(namespace)]
        return mirrors if all(mirror.is_current(self._silence) for mirror in mirrors) else []


class MirroredReads:
    """Implement Kubernetes by another one, with the reads of mirrored kinds answered from memory."""

    def __init__(self, kubernetes: Kubernetes, mirror: DeclarationMirror) -> None:
        self._kubernetes = kubernetes
        self._mirror = mirror
        # Everything but these two reads goes straight to the API server.
        self.list_page = kubernetes.list_page
        self.watch = kubernetes.watch
        self.create = kubernetes.create
        self.merge = kubernetes.merge
        self.apply = kubernetes.apply
        self.patch = kubernetes.patch
        self.delete = kubernetes.delete
        self.get_secret = kubernetes.get_secret
        self.post_event = kubernetes.post_event

    @property
    def default_namespace(self) -> str:
        return self._kubernetes.default_namespace

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        """Read one object, from memory where it is kept."""
        if read_through_since() is None and (found := self._mirror.find(resource, namespace, name)) is not None:
            return found
        return await self._kubernetes.get(resource, namespace, name)

    async def list_all(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        """List all objects, from memory where they are kept and nothing selects among them."""
        selective = read_through_since() is not None or label_selector or field_selector
        if not selective and (found := self._mirror.all_in(resource, namespace)) is not None:
            return Page(items=found, resource_version="")
        return await self._kubernetes.list_all(
            resource, namespace, label_selector=label_selector, field_selector=field_selector
        )


def _declared(document: Document) -> Document:
    """Leave out what nothing reads of a declaration: its status, and who owns which field."""
    metadata = {name: value for name, value in document["metadata"].items() if name != "managedFields"}
    return {**{name: value for name, value in document.items() if name != "status"}, "metadata": metadata}
