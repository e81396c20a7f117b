"""Work that would hold up the event loop, in a few threads that namespaces share.

The loop's own threads are few and first come, first served: names that never resolve, each held for ten seconds and
more, would take them all, and with them everybody's look-ups. A thread cannot be stopped, so that its place is taken
until it ends, also where nobody waits for it any more.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakKeyDictionary

from providers.callers import caller
from providers.shares import Shares, namespace_of
from providers.turns import Turns

T = TypeVar("T")


class _Places:
    """The places of one event loop; one that becomes free goes to the namespaces in turn."""

    def __init__(self, limit: int) -> None:
        self._shares = Shares(limit)
        self._waiting: Turns[asyncio.Future[None]] = Turns()

    async def take(self, tenant: str) -> None:
        if self._shares.take(namespace_of(tenant)):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(tenant, turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.remove(tenant, turn)
            if turn.done() and not turn.cancelled():
                self.give_back(tenant)
            raise

    def give_back(self, tenant: str) -> None:
        self._shares.give_back(namespace_of(tenant))
        while found := self._waiting.next(self._shares.may):
            next_tenant, turn = found
            if not turn.done():
                self._shares.take(namespace_of(next_tenant))
                turn.set_result(None)


class Threads:
    """So many threads of this process. One namespace never holds them all (providers/shares.py)."""

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._executor = ThreadPoolExecutor(max_workers=limit, thread_name_prefix=name)
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, _Places] = WeakKeyDictionary()

    async def run(self, work: Callable[[], T]) -> T:
        """Return what the work returns, in the turn of the caller's namespace; raises what it raises."""
        loop, tenant = asyncio.get_running_loop(), caller()
        places = self._places.setdefault(loop, _Places(self._limit))
        await places.take(tenant)
        running = loop.run_in_executor(self._executor, contextvars.copy_context().run, work)

        def end(ended: "asyncio.Future[T]") -> None:
            if not ended.cancelled():
                # Retrieved, so that nothing is said of an error that nobody waits for.
                ended.exception()
            places.give_back(tenant)

        running.add_done_callback(end)
        return await asyncio.shield(running)
