"""Work that would hold up the event loop, in a few threads that namespaces share.

The loop's own threads are few and first come, first served: names that never resolve, each held for ten seconds and
more, would take them all, and with them everybody's look-ups. A thread cannot be stopped, so that its place is taken
until it ends, also where no one waits for it any more.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakKeyDictionary

from providers.call_places import CallPlaces
from providers.callers import caller

T = TypeVar("T")


class Threads:
    """So many threads of this process. One namespace never holds them all (providers/shares.py)."""

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._executor = ThreadPoolExecutor(max_workers=limit, thread_name_prefix=name)
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, CallPlaces] = WeakKeyDictionary()

    async def run(self, work: Callable[[], T]) -> T:
        """Return what the work returns, in the turn of the caller's namespace; raises what it raises."""
        loop, tenant = asyncio.get_running_loop(), caller()
        places = self._places.setdefault(loop, CallPlaces(self._limit))
        await places.take(tenant)
        running = loop.run_in_executor(self._executor, contextvars.copy_context().run, work)

        def end(ended: "asyncio.Future[T]") -> None:
            if not ended.cancelled():
                # Retrieved, so that no error is logged that no one waits for.
                ended.exception()
            places.give_back(tenant)

        running.add_done_callback(end)
        return await asyncio.shield(running)
