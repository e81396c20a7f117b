"""The sandbox's time, which tests may move forward."""

import time
from datetime import UTC, datetime
from email.utils import formatdate


class Clock:
    """The time of day in seconds since the epoch, which tests may move."""

    def __init__(self) -> None:
        self._offset_seconds = 0.0

    def now(self) -> float:
        return time.time() + self._offset_seconds

    def advance(self, seconds: float) -> None:
        """Let time jump forward, so that queue items are forgotten and tokens expire without waiting."""
        self._offset_seconds += seconds


def timestamp(seconds: float) -> str:
    """Format as RFC 3339 with one-second resolution, the form that every stood-in system uses."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def http_date(seconds: float) -> str:
    """Format as the Date header of an answer."""
    return formatdate(int(seconds), usegmt=True)


def parse_timestamp(text: str) -> float:
    """Read an RFC 3339 time. Raises ValueError for anything else."""
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
