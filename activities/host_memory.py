"""What hosts answered of what never changes, remembered by a process.

An answer is believed of the open host that gave it alone: another address, credential or proxy is another open host,
whose answers may be forged by who named it.
"""

import time
import weakref
from collections import OrderedDict
from datetime import timedelta
from typing import Generic, TypeVar

from activities.ports import ResourceOpener
from providers.ports import ScmHost

REMEMBERED = 10_000
OPENED_AGAIN = timedelta(minutes=1)
"""How long answers of the same host count for a repository, whatever is declared meanwhile."""
_OPEN = 1_000

V = TypeVar("V")


class HostMemory(Generic[V]):
    """Remember so many answers, those that came last."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, tuple[object, ...]], tuple[weakref.ref[ScmHost], V]] = OrderedDict()

    def get(self, host: ScmHost, *key: object) -> V | None:
        """Return what a host answered; None where it is not remembered."""
        known = self._known.get((id(host), key))
        # A host that is closed leaves its id to another one.
        return known[1] if known is not None and known[0]() is host else None

    def put(self, value: V, host: ScmHost, *key: object) -> V:
        """Remember what a host answered, and return it."""
        self._known[id(host), key] = weakref.ref(host), value
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return value


class OpenHosts:
    """Know whose answers count for a repository, without a read of its Secret each time."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener
        self._open: OrderedDict[tuple[str, str], tuple[ScmHost, float]] = OrderedDict()

    async def known(self, namespace: str, repository: str) -> ScmHost:
        """Return the host whose answers count, as of a minute ago at most: for what is remembered, not for a call."""
        found = self._open.get((namespace, repository))
        if found is not None and time.monotonic() - found[1] < OPENED_AGAIN.total_seconds():
            return found[0]
        return await self.open(namespace, repository)

    async def open(self, namespace: str, repository: str) -> ScmHost:
        """Open a repository at its host, with its credential as it is now. Raises what opening it raises."""
        key, now = (namespace, repository), time.monotonic()
        host = (await self._opener.repository(namespace, repository)).host
        self._open[key] = host, now
        self._open.move_to_end(key)
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)
        return host
