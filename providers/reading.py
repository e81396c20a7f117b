"""Read large answers beside the event loop: a list of thousands of entries takes a second, in which nothing else runs.

What is read of an answer costs up to 0.7 µs a byte. So readers of more than `AT_ONCE_BYTES` run in a few threads, which
give the interpreter back every 5 ms: a host that sends large answers holds up the reading of other large ones at most.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from providers.messages import Reply

T = TypeVar("T")

AT_ONCE_BYTES = 32 * 1024
"""Of an answer that is read in one go in the event loop: more than nearly all have."""
_READERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="reading")


async def read(answer: Reply | bytes, reader: Callable[[], T]) -> T:
    """Return what a reader makes of this answer; raises what it raises."""
    if len(answer.body if isinstance(answer, Reply) else answer) <= AT_ONCE_BYTES:
        return reader()
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_READERS, context.run, reader)
