"""A namespace's share of the slots of one worker: attempts beyond it end at once, before they do anything."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from providers.errors import ProviderBusy
from providers.shares import Horizons, Shares


class Slots:
    """Share out the slots of one queue in one process.

    Who has its share already gets ProviderBusy with a time to come back, as at a host with too many calls: a slot that
    waits for another one serves no one.
    """

    def __init__(self, slots: int, *, refused: Callable[[], None] = lambda: None) -> None:
        """Call `refused` for each attempt that was sent away."""
        self.shares = Shares(slots)
        self._horizons = Horizons(places=slots)
        self._refused = refused

    @contextmanager
    def held(self, namespace: str) -> Iterator[None]:
        """Hold a slot. Raises ProviderBusy."""
        begun = time.monotonic()
        if not self.shares.take(namespace):
            self._refused()
            raise ProviderBusy(
                f"{namespace} has its share of the {self.shares.limit} slots of this queue in this worker already",
                retry_after=self._horizons.next(namespace, begun),
            )
        try:
            yield
        finally:
            self._horizons.note(time.monotonic() - begun)
            self.shares.give_back(namespace)


_SLOTS: ContextVar[Slots | None] = ContextVar("slots", default=None)


@contextmanager
def shared_by(slots: Slots) -> Iterator[None]:
    """Have the attempt of this context hold one of these slots."""
    token = _SLOTS.set(slots)
    try:
        yield
    finally:
        _SLOTS.reset(token)


@contextmanager
def slot_of(namespace: str) -> Iterator[None]:
    """Hold a slot of the worker that runs this; any, outside of one. Raises ProviderBusy."""
    slots = _SLOTS.get()
    if slots is None:
        yield
        return
    with slots.held(namespace):
        yield
