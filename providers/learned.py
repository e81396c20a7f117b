"""What one process learned about hosts and credentials, such as a minted token: lost, it costs a call."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, cast

from providers.callers import caller
from providers.shares import namespace_of

T = TypeVar("T")
Key = tuple[object, ...]

LIMIT = 10_000
"""Things that are kept."""


class Learned:
    """Keep things by key. Beyond the limit the namespace that brought most of them loses its least recently used."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._owners: dict[Key, str] = {}
        self._kept: dict[str, OrderedDict[Key, object]] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def get(self, make: Callable[[], T], key: Key) -> T:
        """Return what is kept under a key; made at first, for the namespace that asks."""
        owner = self._owners.setdefault(key, namespace_of(caller()))
        kept = self._kept.setdefault(owner, OrderedDict())
        if key not in kept:
            kept[key] = make()
        kept.move_to_end(key)
        found = cast(T, kept[key])
        if len(self._owners) > self._limit:
            self._forget_one()
        return found

    def forget(self, which: Callable[[Key], bool]) -> None:
        """Forget what stands under such keys."""
        for key in [key for key in self._owners if which(key)]:
            self._drop(key)

    def _forget_one(self) -> None:
        most = max(self._kept.values(), key=len)
        self._drop(next(iter(most)))

    def _drop(self, key: Key) -> None:
        owner = self._owners.pop(key)
        del self._kept[owner][key]
        if not self._kept[owner]:
            del self._kept[owner]
