"""Patterns of subscriptions, compiled: each namespace has a share of what is kept, so that none drives out others'."""

from collections import OrderedDict
from threading import Lock

import re2

from crds.rules.flux import compiled_pattern
from providers.shares import Shares

KEPT = 512
"""Each takes 1 MiB at most, and as a rule some kilobytes."""


class Patterns:
    """Compile patterns once while a namespace has room for them; threads share it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._shares = Shares(kept)
        self._kept: dict[str, OrderedDict[str, re2._Regexp | None]] = {}
        self._lock = Lock()

    def compiled(self, namespace: str, pattern: str) -> "re2._Regexp | None":
        """Return a pattern of a namespace; None for a text that is none, which finds nothing, as at Flux.

        What is none is kept too: to find that out takes longest.
        """
        with self._lock:
            own = self._kept.get(namespace, OrderedDict())
            if pattern in own:
                own.move_to_end(pattern)
                return own[pattern]
        try:
            made = compiled_pattern(pattern)
        except re2.error:
            made = None
        with self._lock:
            self._keep(namespace, pattern, made)
        return made

    def held_by(self, namespace: str) -> int:
        """Return how many patterns of a namespace are kept."""
        return self._shares.held_by(namespace)

    def _keep(self, namespace: str, pattern: str, made: "re2._Regexp | None") -> None:
        own = self._kept.setdefault(namespace, OrderedDict())
        if pattern in own:
            return
        if not self._shares.take(namespace):
            if not own:
                del self._kept[namespace]
                return
            # Its own oldest makes room.
            own.popitem(last=False)
        own[pattern] = made
