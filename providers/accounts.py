"""Our own account among those that act on a pull request."""

import math
import time
from datetime import timedelta
from typing import Generic, TypeVar

from providers.errors import ProviderMisconfigured

T = TypeVar("T")

BELIEVED = timedelta(minutes=10)
"""How long the account that a host named is taken for the credential's: accounts are renamed."""


class Believed(Generic[T]):
    """Remember for a while what a host answered."""

    def __init__(self) -> None:
        self._found: T | None = None
        self._answered_at = -math.inf

    def get(self) -> T | None:
        """Return what the host answered lately; None where it is to be asked."""
        return self._found if time.monotonic() - self._answered_at < BELIEVED.total_seconds() else None

    def put(self, found: T) -> T:
        """Take what the host answered, and return it."""
        self._found, self._answered_at = found, time.monotonic()
        return found


class OwnName(Believed[str]):
    """Remember under which name a credential writes; empty where the host does not show it."""

    def __init__(self) -> None:
        super().__init__()
        self._author = ""

    def get(self) -> str | None:
        """Return the name, or that of the last author where the host shows none; None where it is to be asked."""
        found = super().get()
        return None if found is None else found or self._author

    def put(self, found: str) -> str:
        """Take what the host answered, and return what `get` does."""
        return super().put(found) or self._author

    def learn(self, author: str) -> None:
        """Take the author of what was just written for the account where the host shows no name."""
        self._author = author


def known(own: str | None) -> str:
    """Return our account's name in lower case, which sets our own labels and comments apart from others'.

    Raises ProviderMisconfigured where the host does not show it: what we wrote ourselves must never be taken for a
    person's instruction.
    """
    if not own:
        raise unknown()
    return own.lower()


def unknown() -> ProviderMisconfigured:
    """Make the error of a host that does not show whose the credential is."""
    return ProviderMisconfigured(
        "the host does not show whose the credential is, so that labels and comments of people look like our own: give"
        " the credential the right to read its account"
    )
