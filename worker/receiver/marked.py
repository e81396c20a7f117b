"""Find objects by what they are marked with, such as an address or a name, without looking at all of them.

A delivery is looked up on the event loop that answers all others: its cost must not grow with all that is declared.
"""

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Generic, TypeVar

from crds.api.reflector import Key, ObjectChange

T = TypeVar("T")


class Marked(Generic[T]):
    """Keep the keys of the objects that have a mark."""

    def __init__(self, marks: Callable[[Key, T], Iterable[Hashable]]) -> None:
        self._marks = marks
        self._keys: dict[Hashable, set[Key]] = {}

    def at(self, mark: Hashable) -> Collection[Key]:
        """Return the keys of the objects with this mark."""
        return self._keys.get(mark, ())

    def follow(self, change: ObjectChange[T]) -> None:
        """Take in what became of an object."""
        if change.old is not None:
            for mark in self._marks(change.key, change.old):
                self._drop(mark, change.key)
        if change.new is not None:
            for mark in self._marks(change.key, change.new):
                self._keys.setdefault(mark, set()).add(change.key)

    def _drop(self, mark: Hashable, key: Key) -> None:
        kept = self._keys.get(mark)
        if kept is not None:
            kept.discard(key)
            if not kept:
                del self._keys[mark]
