"""Measure steps of the event loop in processor time next to a loop of the same process.

A slow or busy machine slows both.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

_BUDGET_STEPS = 1_500_000
"""Of the loop below, about 50 ms of an idle processor."""
_NOISE = 2.0
_TRIES = 3
Work = Callable[[], object]


def _reference() -> float:
    begun, left = time.thread_time(), _BUDGET_STEPS
    while left:
        left -= 1
    return time.thread_time() - begun


def seconds(work: Work) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def longest_step(work: Callable[[], Awaitable[object]]) -> float:
    """Drive a coroutine by hand, and return the processor time of its longest step."""
    running, longest = work().__await__(), 0.0
    while True:
        begun = time.thread_time()
        try:
            next(running)
        except (StopIteration, ValueError):
            return max(longest, time.thread_time() - begun)
        longest = max(longest, time.thread_time() - begun)


async def longest_turn(work: Callable[[], Awaitable[object]]) -> float:
    """Do the work in the running loop, and return the longest processor time for which others did not come to run."""
    longest = 0.0

    async def come_to_run() -> None:
        nonlocal longest
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begun)

    others = asyncio.create_task(come_to_run())
    await asyncio.sleep(0)
    await work()
    await asyncio.sleep(0)
    others.cancel()
    return longest


def is_short(measured: Callable[[], float]) -> bool:
    """Return whether it ever fits into the budget: what interferes only adds."""
    return any(measured() <= _NOISE * _reference() for _ in range(_TRIES))
