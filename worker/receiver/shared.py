"""Reads that are shared by who asks for the same within seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

LIMIT = 10_000


class KeptReads(Generic[K, T]):
    """Keep each answer for a while, a failure too: a burst is one read, and what changed counts soon."""

    def __init__(self, read: Callable[[K], Awaitable[T]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._kept: dict[K, tuple[float, asyncio.Future[T]]] = {}

    async def get(self, key: K) -> T:
        """Return an answer that is no older than the bound; raises what its read raised."""
        now = time.monotonic()
        found = self._kept.get(key)
        if found is None or now - found[0] > self._seconds:
            self._forget(now)
            found = self._kept[key] = now, asyncio.ensure_future(self._read(key))
        # Who gives up must not end the read of the others.
        return await asyncio.shield(found[1])

    def _forget(self, now: float) -> None:
        self._kept = {key: one for key, one in self._kept.items() if now - one[0] <= self._seconds}
        while len(self._kept) >= LIMIT:
            del self._kept[next(iter(self._kept))]
