"""Times that a host names are by its own clock, which its answers show: ours may be hours off, and so may its own."""

import time
from collections.abc import Mapping
from datetime import datetime

from providers.documents import http_date

_OLDEST_EPOCH = 1_000_000_000
"""A smaller number is no time since 1970, but a few seconds."""


def clock_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the host's time when it answered (RFC 9110, Date); None where it does not show it."""
    return http_date(headers.get("date", ""))


def seconds_until(moment: float, headers: Mapping[str, str]) -> float:
    """Return how long it is until a moment that the host names, as seconds since the epoch; negative once over."""
    theirs = clock_of(headers)
    return moment - (time.time() if theirs is None else theirs.timestamp())


def seconds_left(reset: float, headers: Mapping[str, str]) -> float:
    """Return how long a budget's window lasts: a reset is a moment, or the seconds that are left.

    https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers has the latter, as proxies do.
    """
    return reset if reset < _OLDEST_EPOCH else seconds_until(reset, headers)


def seconds_ahead(headers: Mapping[str, str]) -> float:
    """Return how far our clock is ahead of the host's, negative where it is behind; 0 where that is unknown."""
    theirs = clock_of(headers)
    return 0.0 if theirs is None else time.time() - theirs.timestamp()
