"""A level-triggered queue of keys: what is to be looked at, never what happened.

A caller that notices a change adds its key; a key that waits already is not added twice, and one that changes while
it is handled is handled once more afterwards. So a handler reads what is true when it begins, and no two handlers
have the same key. A failed key waits with back-off, and a handler may ask to look again; a change ends both waits.
While no server answers, all of them wait a little between two keys.

The handlers' tasks belong to `run` and end with it. Keys come from the mirrors
(`crds/api/reflector.py`); what is done with one is decided by the controller that made the queue.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Generic, TypeVar

from crds.api.backoff import STANDARD, Backoff
from crds.api.ports import ApiError, ApiUnavailable

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

AWAY = Backoff(maximum=timedelta(seconds=5))
"""Pauses of one that handles keys, while no server answers: thousands of keys would fail again and again, each with a
call and a line of the log."""


class KeyedQueue(Generic[K]):
    """Handle each key one at a time, repeat failed ones with back-off, and a changed one once more after its handling.

    Namespaces take turns: a key waits for one key of each other namespace at most, however many those have waiting.
    The handler returns when to look again by itself, or None.
    """

    def __init__(
        self,
        *,
        name: str,
        handle: Callable[[K], Awaitable[timedelta | None]],
        namespace_of: Callable[[K], str],
        workers: int | None = 4,
        backoff: Backoff = STANDARD,
        away: Backoff = AWAY,
    ) -> None:
        """Serve so many keys at once; None lets no key wait for another one: the handler bounds what it uses."""
        self._name = name
        self._handle = handle
        self._namespace_of = namespace_of
        self._workers = workers
        self._backoff = backoff
        self._away = away
        self._unanswered = 0
        """Keys in a row that failed because a server did not answer."""
        self._ready: OrderedDict[str, deque[K]] = OrderedDict()
        """What waits, by namespace; the one whose turn is next comes first."""
        self._arrived = asyncio.Semaphore(0)
        self._waiting: set[K] = set()
        """Keys in the queue, each once."""
        self._handling: set[K] = set()
        self._again: set[K] = set()
        """Keys added while they were handled."""
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}

    @property
    def name(self) -> str:
        return self._name

    @property
    def depth(self) -> int:
        """How many keys wait to be handled now; those that wait for a time are not counted."""
        return len(self._waiting) + len(self._again)

    def add(self, key: K) -> None:
        """Have a key handled as soon as possible; a later time planned for it is dropped."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._handling:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.setdefault(self._namespace_of(key), deque()).append(key)
            self._arrived.release()

    def add_after(self, key: K, delay: timedelta) -> None:
        """Have a key handled after a while, unless it is to be handled sooner anyway."""
        if key in self._waiting or key in self._again:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + delay.total_seconds()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= due:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(due, self.add, key)

    async def run(self) -> None:
        """Handle keys until cancelled. No failure of a handler ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._workers is None:
                    await self._spawn(tasks)
                for _ in range(self._workers or 0):
                    tasks.create_task(self._work())
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _spawn(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            tasks.create_task(self._serve(await self._take()))

    async def _work(self) -> None:
        while True:
            await self._serve(await self._take())
            if self._unanswered:
                await asyncio.sleep(self._away.pause(self._unanswered).total_seconds())

    async def _take(self) -> K:
        await self._arrived.acquire()
        namespace, keys = next(iter(self._ready.items()))
        key = keys.popleft()
        if keys:
            self._ready.move_to_end(namespace)
        else:
            del self._ready[namespace]
        # With no await in between: a key that is added meanwhile is handled once more, not twice at once.
        self._waiting.discard(key)
        self._handling.add(key)
        return key

    async def _serve(self, key: K) -> None:
        delay: timedelta | None = None
        try:
            delay = await self._handle(key)
            self._failures.pop(key, None)
            self._unanswered = 0
        except Exception as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = self._backoff.pause(failures)
            self._unanswered += isinstance(error, ApiUnavailable | ConnectionError | TimeoutError)
            # An unexpected error is a defect: its trace is wanted. The others explain themselves.
            expected = isinstance(error, ApiError | ConnectionError | TimeoutError)
            logger.warning("%s: %s is tried again: %s", self._name, key, error, exc_info=not expected)
        finally:
            self._handling.discard(key)
        again = key in self._again
        self._again.discard(key)
        if again and key not in self._failures:
            self.add(key)
        elif delay is not None:
            self.add_after(key, delay)
