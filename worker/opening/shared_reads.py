"""One read of a Secret for all that an activity opens with it at about the same time.

An activity opens the same credential again and again: for each test of a round, for each verb that it asks the rights
of, for each event of a stream. Each activity reads for itself, and reads again what it read a moment ago: so a Secret
that was rotated, or withdrew its consent, counts for whatever begins after it, and soon for what runs. Nothing is
shared between activities, nor kept after one: a watch of Secrets, which could be, needs the right to list them all, and
shows a withdrawn consent as late as its connection is found dead.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from activities.redaction import SecretValues, known

SHARED = timedelta(seconds=5)
"""How old a read may be that an activity uses again; a watch of deployments lasts much longer."""

T = TypeVar("T")
Key = tuple[str, str]


@dataclass
class _Reads(Generic[T]):
    """What one activity reads, and has read: by namespace and name."""

    at_work: "dict[Key, asyncio.Task[T]]" = field(default_factory=dict)
    done: dict[Key, tuple[float, T]] = field(default_factory=dict)
    """With the time at which each was asked for."""

    def finish(self, key: Key, begun: float, task: "asyncio.Task[T]") -> None:
        # A task knows its activity: kept here, it would keep what the activity has read of Secrets forever.
        del self.at_work[key]
        if not task.cancelled() and task.exception() is None:
            self.done[key] = begun, task.result()


class SharedReads(Generic[T]):
    """Share reads within one activity, which is one `reading_secrets`; outside of one nothing is shared."""

    def __init__(self, read: Callable[[str, str], Coroutine[Any, Any, T]]) -> None:
        """Take what reads one object by namespace and name."""
        self._read = read
        self._by_activity: WeakKeyDictionary[SecretValues, _Reads[T]] = WeakKeyDictionary()

    async def get(self, namespace: str, name: str) -> T:
        """Return the object. Raises what the read raises; a failed one is not used again."""
        reads = self._by_activity.setdefault(known(), _Reads())
        key, now = (namespace, name), asyncio.get_running_loop().time()
        if key in reads.done and now - reads.done[key][0] < SHARED.total_seconds():
            return reads.done[key][1]
        if key not in reads.at_work:
            reads.at_work[key] = asyncio.create_task(self._read(namespace, name))
            reads.at_work[key].add_done_callback(partial(reads.finish, key, now))
        # Who gives up must not end the read of the others.
        return await asyncio.shield(reads.at_work[key])
