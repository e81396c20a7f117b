"""What a controller owes somebody, kept until it was delivered."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


@contextmanager
def taking(owed: set[K], one: K) -> Iterator[bool]:
    """Take one of what is owed before anything is awaited for it, and put it back where that fails.

    So what comes while it is being delivered is owed by itself. Yields whether it was owed at all.
    """
    was_owed = one in owed
    owed.discard(one)
    try:
        yield was_owed
    except BaseException:
        if was_owed:
            owed.add(one)
        raise
