"""Memory for the answers of hosts: so much in one process, of which one namespace has a share.

Each answer is bounded, and so is the number of calls; all of them together would be gigabytes. An answer takes places
as it grows, and gives them back once no one holds it any more.
"""

import time
from collections import deque
from datetime import timedelta

from providers.callers import caller
from providers.shares import Horizons, Shares, namespace_of

PLACE_BYTES = 64 * 1024
"""What is smaller takes no place: the number of calls bounds it."""


class NoRoom(Exception):
    """The caller's namespace has its share already; `retry_after` names a time to come back."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__("the answers that are being read fill the memory that there is for them")
        self.retry_after = retry_after


class AnswerRoom:
    """Count what the answers of one event loop hold."""

    def __init__(self, limit_bytes: int) -> None:
        places = limit_bytes // PLACE_BYTES
        self.shares = Shares(places)
        self._horizons = Horizons(places=places)
        self._returned: deque[tuple[str, int]] = deque()

    def answer(self) -> "HeldAnswer":
        """Return what is to hold the places of one answer to the caller."""
        return HeldAnswer(self, caller())

    def take(self, tenant: str) -> None:
        """Take one place. Raises NoRoom."""
        while self._returned:
            namespace, places = self._returned.popleft()
            for _ in range(places):
                self.shares.give_back(namespace)
        if not self.shares.take(namespace_of(tenant)):
            raise NoRoom(self._horizons.next(tenant, time.monotonic()))

    def give_back(self, tenant: str, places: int) -> None:
        """Take places back, from whatever thread they come."""
        if places:
            self._returned.append((namespace_of(tenant), places))


class HeldAnswer:
    """The places of one answer, given back with it."""

    def __init__(self, room: AnswerRoom, tenant: str) -> None:
        self._room = room
        self._tenant = tenant
        self._places = 0

    def fit(self, size_bytes: int) -> None:
        """Hold as many places as an answer of this size takes. Raises NoRoom."""
        wanted = size_bytes // PLACE_BYTES
        if wanted < self._places:
            self._room.give_back(self._tenant, self._places - wanted)
            self._places = wanted
        while self._places < wanted:
            self._room.take(self._tenant)
            self._places += 1

    def __del__(self) -> None:
        self._room.give_back(self._tenant, self._places)
