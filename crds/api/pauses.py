"""Work on many objects of one tenant gives way to others: the event loop is shared by all of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")

AT_A_TIME = timedelta(milliseconds=10)
"""Work after which others have their turn; what one object costs comes on top, and is bounded by its size."""


async def giving_way(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items; let others run whenever working on them has lasted for long enough."""
    begun = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - begun >= AT_A_TIME.total_seconds():
            await asyncio.sleep(0)
            begun = time.monotonic()
