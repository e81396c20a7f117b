"""Which processes a chaos run kills, and at which moments."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

TEMPORAL = ("temporal-1",)
WORKERS = ("worker-1", "worker-2")
WATCHERS = ("watcher-1", "watcher-2")
# Each process in turn, so that even a short run spreads its kills.
_FIRST_HALF = ("temporal-1", "worker-1", "worker-2", "temporal-1", "watcher-1")
_EVERYONE = (*_FIRST_HALF, "kube-apiserver-1", "worker-2", "temporal-1", "worker-1", "watcher-2")
# Outages seldom come alone, and two at once meet what one leaves whole.
_AT_ONCE = (2, 2, 1)
# Promotions end a little before the kills do: a moment that is named late would never come.
_LATE_SHARE, _MOST_LATE = 0.4, 20
_EARLY = 2


class Point(StrEnum):
    """Where a kill hits."""

    RANDOM = "at random"
    AFTER_POST = "after POST (trigger), before its reply"
    AFTER_PATCH = "after PATCH (write), before its reply"
    BEFORE_PUBLISH = "before a status is published"
    MIDDLE_OF_APPLY = "in the middle of a status apply"
    CONTINUE_AS_NEW = "between a signal and continue-as-new"


NAMED = tuple(point for point in Point if point is not Point.RANDOM)


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One entry of the schedule: what is killed, and when."""

    point: Point
    names: tuple[str, ...]
    tries: int = 0
    """How often its moment was awaited before."""


@dataclass(kw_only=True)
class Toll:
    """The kills so far."""

    by_process: Counter[str] = field(default_factory=Counter)
    by_point: Counter[Point] = field(default_factory=Counter)
    """Kills that hit their moment; those that came too late for it are among the random ones."""
    postponed: Counter[Point] = field(default_factory=Counter)
    """How often a moment did not come in time and was awaited again later."""
    missed: Counter[Point] = field(default_factory=Counter)
    """Moments that were given up."""
    continued: int = 0
    """Workflows that were killed on the edge of continue-as-new and seen in a new run afterwards."""

    @property
    def total(self) -> int:
        return self.by_process.total()


def schedule(kills: int, chance: random.Random, temporal: Sequence[str] = TEMPORAL) -> list[Strike]:
    """Return strikes that add up to `kills` or one more: every named point as often, the rest at random.

    `temporal` names the processes that Temporal consists of: each strike that is meant for it hits the next of them.
    """
    rounds = max(1, kills // 40)
    named = [
        Strike(point=point, names=WATCHERS if point in (Point.BEFORE_PUBLISH, Point.MIDDLE_OF_APPLY) else WORKERS)
        for point in NAMED
        for _ in range(rounds)
    ]
    chance.shuffle(named)
    named = named[: max(1, kills // 3)]
    left = max(0, kills - sum(len(strike.names) for strike in named))
    parts = itertools.cycle(temporal)
    cycle = itertools.islice(itertools.cycle(_EVERYONE), left)
    victims = (next(parts) if victim in TEMPORAL else victim for victim in cycle)
    groups = (tuple(itertools.islice(victims, size)) for size in itertools.cycle(_AT_ONCE))
    strikes = [Strike(point=Point.RANDOM, names=names) for names in itertools.takewhile(bool, groups)]
    chance.shuffle(strikes)
    total = len(strikes) + len(named)
    last = total - min(int(total * _LATE_SHARE), _MOST_LATE)
    places = range(min(_EARLY, last - len(named)), last)
    for place, strike in zip(sorted(chance.sample(places, len(named))), named, strict=True):
        strikes.insert(place, strike)
    return strikes
