"""One read of a Secret for all that activities open with it within five seconds.

Activities open the same credential again and again: for each test of a round, for each verb that they ask the rights
of, for each step of a promotion, and for all promotions at once. A read is used again while it is young, and a read
that is on its way by all who ask meanwhile. So a Secret that was rotated, or withdrew its consent, counts within
`SHARED` for whatever a worker does, also within an activity that runs for long. It counts at once

- for an attempt whose refusal ends something, such as a write or a trigger: it reads its own (activities/refusals.py);
- after a refusal: what the refused attempt has used is forgotten, by all of this worker;
- inside `read_through()`, for a caller that knows of a change, such as a check of the credential.

Nothing is kept for long, and outside of activities nothing is shared. A watch of Secrets would need the
right to list them all, and shows a withdrawn consent as late as its connection is found dead.
"""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Generic, TypeVar

from activities.refusals import SecretKey, note_secret
from crds.api.mirror import read_through_since

SHARED = timedelta(seconds=5)
"""How old a read may be that is used again."""

T = TypeVar("T")


@dataclass(frozen=True)
class _OnTheWay(Generic[T]):
    begun: float
    task: "asyncio.Task[T]"


@dataclass(frozen=True)
class _Kept(Generic[T]):
    begun: float
    """When it was asked for: what changed since is not in it."""
    found: T


class SharedReads(Generic[T]):
    """Share reads of one kind of object among the activities of a process."""

    def __init__(self, read: Callable[[str, str], Coroutine[Any, Any, T]]) -> None:
        """Take what reads one object by namespace and name."""
        self._read = read
        self._on_the_way: dict[SecretKey, _OnTheWay[T]] = {}
        self._kept: dict[SecretKey, _Kept[T]] = {}

    async def get(self, namespace: str, name: str) -> T:
        """Return the object. Raises what the read raises; a failed one is not used again."""
        key = (namespace, name)
        now = time.monotonic()
        if (attempt := note_secret(self, key)) is None:
            return await self._read(namespace, name)
        own = attempt.begun if attempt.shares_none else -math.inf
        oldest = max(now - SHARED.total_seconds(), read_through_since() or -math.inf, own)
        kept = self._kept.get(key)
        if kept is not None and kept.begun >= oldest:
            return kept.found
        coming = self._on_the_way.get(key)
        if coming is None or coming.begun < oldest:
            coming = self._on_the_way[key] = _OnTheWay(now, asyncio.create_task(self._read(namespace, name)))
            coming.task.add_done_callback(partial(self._finish, key, coming))
        # Who gives up must not end the read of the others.
        return await asyncio.shield(coming.task)

    def forget(self, key: SecretKey) -> None:
        """Have the next use read; who awaits a read that is on its way gets what it finds."""
        self._kept.pop(key, None)
        self._on_the_way.pop(key, None)

    def _finish(self, key: SecretKey, ended: "_OnTheWay[T]", task: "asyncio.Task[T]") -> None:
        found = None if task.cancelled() or task.exception() is not None else _Kept(ended.begun, task.result())
        if self._on_the_way.get(key) is not ended:
            # It was forgotten, or is older than what a caller demanded.
            return
        # A task knows its activity: kept here, it would keep what the activity has read of Secrets forever.
        del self._on_the_way[key]
        if found is not None:
            self._kept[key] = found
            loop, pause = asyncio.get_running_loop(), SHARED.total_seconds()
            # A timer keeps its context, and that of an activity has what the activity has read.
            loop.call_later(pause, self._expire, key, found, context=Context())

    def _expire(self, key: SecretKey, found: "_Kept[T]") -> None:
        # By now a newer read may be kept.
        if self._kept.get(key) is found:
            del self._kept[key]
