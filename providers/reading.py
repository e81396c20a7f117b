"""Read large answers outside of the event loop: a list of thousands of entries takes a second, in which all else waits.

What is read of an answer costs up to 0.7 µs a byte. So readers of more than `AT_ONCE_BYTES` run in a few threads, which
give the interpreter back every 5 ms. Namespaces share them: hosts of one that send large answers hold up the reading of
its own.
"""

from collections.abc import Callable
from typing import TypeVar

from providers.messages import Reply
from providers.threads import Threads

T = TypeVar("T")

AT_ONCE_BYTES = 32 * 1024
"""Of an answer that is read in one go in the event loop: more than nearly all have."""
# Each takes its part of the interpreter's time, and one of them is free for others than the first namespace.
_READING = Threads(3, "reading")


async def read(answer: Reply | bytes, reader: Callable[[], T]) -> T:
    """Return what a reader makes of this answer; raises what it raises."""
    if len(answer.body if isinstance(answer, Reply) else answer) <= AT_ONCE_BYTES:
        return reader()
    return await in_thread(reader)


async def in_thread(work: Callable[[], T]) -> T:
    """Return what takes long also for a little input, outside of the event loop; raises what it raises."""
    return await _READING.run(work)
