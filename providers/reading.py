"""Read large answers beside the event loop: a list of thousands of entries takes a second, in which nothing else runs.

What is read of an answer costs up to 0.7 µs a byte. So readers of more than `AT_ONCE_BYTES` run in a few threads, which
give the interpreter back every 5 ms. Namespaces take turns for them: hosts of one that send large answers hold up the
reading of its own.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakKeyDictionary

from providers.callers import caller
from providers.messages import Reply
from providers.turns import Turns

T = TypeVar("T")

AT_ONCE_BYTES = 32 * 1024
"""Of an answer that is read in one go in the event loop: more than nearly all have."""
_PLACES = 2
_THREADS = ThreadPoolExecutor(max_workers=_PLACES, thread_name_prefix="reading")


class Readers:
    """Run so many readers at once, and let those that wait have turns by tenant."""

    def __init__(self) -> None:
        self._free = _PLACES
        self._waiting: Turns[asyncio.Future[None]] = Turns()

    async def run(self, reader: Callable[[], T]) -> T:
        """Return what the reader makes; raises what it raises."""
        await self._place()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(_THREADS, contextvars.copy_context().run, reader)
        work.add_done_callback(self._ended)
        # A thread cannot be stopped: its place is taken until it ends, also where nobody waits for it any more.
        return await asyncio.shield(work)

    async def _place(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tenant = caller()
        self._waiting.add(tenant, turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.remove(tenant, turn)
            if turn.done() and not turn.cancelled():
                self._release()
            raise

    def _ended(self, work: "asyncio.Future[T]") -> None:
        if not work.cancelled():
            # Retrieved, so that nothing is said of an error that nobody waits for.
            work.exception()
        self._release()

    def _release(self) -> None:
        while (found := self._waiting.next(lambda _: True)) is not None:
            if not found[1].done():
                found[1].set_result(None)
                return
        self._free += 1


_READERS: WeakKeyDictionary[asyncio.AbstractEventLoop, Readers] = WeakKeyDictionary()


async def read(answer: Reply | bytes, reader: Callable[[], T]) -> T:
    """Return what a reader makes of this answer; raises what it raises."""
    if len(answer.body if isinstance(answer, Reply) else answer) <= AT_ONCE_BYTES:
        return reader()
    return await _READERS.setdefault(asyncio.get_running_loop(), Readers()).run(reader)
