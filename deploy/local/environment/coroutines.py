"""Environments used by coroutines: what blocks is waited for, and SIGTERM cancels what runs."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import TypeVar

Result = TypeVar("Result")


async def to_the_end(work: Callable[[], Result]) -> Result:
    """Run blocking work in a thread; a cancellation waits for its end.

    An environment is not thread-safe: what a start has begun must be known before it is stopped.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def ended_by_sigterm(work: Coroutine[object, object, Result]) -> Result:
    """Return what `work` returns; SIGTERM cancels it, so that all that it uses is closed in order."""
    task = asyncio.ensure_future(work)
    # A handler that raises would leave running coroutines to the end of their loop.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task
