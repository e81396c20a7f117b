"""When an instance is looked at again. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.models.tracking import Timings
from workflows.runtime.backoff import spread

SPREAD = 0.2
"""Share by which pauses differ, so that instances which were declared together are not all looked at together."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What the last looks left."""

    at: datetime
    """When the last look ended."""
    whole_at: datetime
    """When all monitors were looked at last."""
    next_whole: datetime
    confirms: bool
    """Whether a second look is owed for what the last whole one found."""
    left: bool
    """Whether monitors had no turn."""


@dataclass(frozen=True, kw_only=True)
class NextLook:
    """When to look, and whether at what was found alone."""

    at: datetime
    again: bool


class Patience:
    """Know who is not asked any more before the next look: a host that hangs must not keep an instance from it.

    Once one gave no answer its repository is left alone, and after `until` all others are.
    """

    def __init__(self, *, until: datetime) -> None:
        self._until = until
        self.silent: set[str] = set()
        """Repositories without answer."""

    def is_over(self, repository: str, now: datetime) -> bool:
        """Return whether a repository's host has to wait for its turn."""
        return repository in self.silent or (bool(self.silent) and now >= self._until)


def in_turn(repositories: Iterable[str], unanswered: Sequence[str]) -> list[str]:
    """Put those that gave no answer behind the others, the one that was asked last at the end."""
    return sorted(repositories, key=lambda one: unanswered.index(one) if one in unanswered else -1)


def next_whole(now: datetime, timings: Timings, chance: float) -> datetime:
    """Return when all is looked at next; `chance` is a random number from 0 to 1."""
    return now + spread(timings.drift_interval, SPREAD, chance)


def next_look(looked: Looked, timings: Timings, *, poked: bool) -> NextLook:
    """Return what comes next. A poke makes it sooner, but no two whole looks come closer than a second look would."""
    if looked.confirms:
        return NextLook(at=looked.at + timings.drift_confirm, again=True)
    if looked.left:
        return NextLook(at=looked.at + timings.poll_gap, again=False)
    soonest = looked.whole_at + timings.drift_confirm
    return NextLook(at=min(soonest, looked.next_whole) if poked else looked.next_whole, again=False)


def left_until(at: datetime, now: datetime) -> timedelta:
    """Return how long it is until then; never negative."""
    return max(at - now, timedelta(0))
