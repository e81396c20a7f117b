"""Reads that are shared by who asks for the same within seconds."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

LIMIT = 10_000
REFRESHED_SECONDS = 1.0
"""How often an answer is read again because it does not fit: anybody can send what does not fit."""


class KeptReads(Generic[K, T]):
    """Keep each answer for a while, a failure too: a burst is one read, and what changed counts soon."""

    def __init__(self, read: Callable[[K], Awaitable[T]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._kept: dict[K, tuple[float, asyncio.Future[T]]] = {}
        self._refreshed: dict[K, float] = {}

    async def get(self, key: K) -> T:
        """Return an answer that is no older than the bound; raises what its read raised."""
        now = time.monotonic()
        found = self._kept.get(key)
        if found is None or now - found[0] > self._seconds:
            self._forget(now)
            found = self._kept[key] = now, asyncio.ensure_future(self._read(key))
        # Who gives up must not end the read of the others.
        return await asyncio.shield(found[1])

    async def refreshed(self, key: K) -> T:
        """Return an answer that was read again just now, or within the last second."""
        now = time.monotonic()
        if now - self._refreshed.get(key, -math.inf) > REFRESHED_SECONDS:
            self._kept.pop(key, None)
            self._refreshed[key] = now
        return await self.get(key)

    def _forget(self, now: float) -> None:
        self._kept = {key: one for key, one in self._kept.items() if now - one[0] <= self._seconds}
        self._refreshed = {key: at for key, at in self._refreshed.items() if now - at <= REFRESHED_SECONDS}
        while len(self._kept) >= LIMIT:
            del self._kept[next(iter(self._kept))]
