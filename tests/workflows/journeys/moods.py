"""How much of what a story brings: evenly mixed, few of them would get far enough into any one kind of trouble."""

import random
from dataclasses import dataclass, replace
from enum import StrEnum

from activities.models.configuration import SourceMoved


class Kind(StrEnum):
    MIXED = "mixed"
    BUSY = "busy"
    """The source moves all the time."""
    FAILING = "failing"
    """Waves fail, are meddled with and retried."""
    REDECLARED = "redeclared"
    """Deployments come and go, and runs continue as new."""
    HELD = "held"
    """People hold and release, from the beginning on."""
    CROSSING = "crossing"
    """Commands cross each other within moments, whatever the workflow is doing."""
    RESTARTED = "restarted"
    """Trackers are restarted while they write."""


@dataclass(frozen=True, kw_only=True)
class Mood:
    """Chances per step of a story."""

    unrest: float
    """That a person gives a command."""
    holding: float = 0.2
    """That it is hold or release."""
    stopping: float = 0.0
    """That whatever is being promoted is held."""
    held_at_first: float = 0.0
    """Per change, that it is held before it is merged."""
    bustle: float
    """That what is on the main line is deployed to an application of the first environment."""
    commits: float = 0.0
    """That somebody else's change is merged and deployed to all of them."""
    crossing: float = 0.0
    """That another command follows a first one within moments."""
    approving: float = 0.3
    """That a policy waits for `promote`."""
    restarting: float = 0.0
    """That a tracker which promotes is restarted."""
    failing_tests: float
    failing_operations: float
    meddling: float = 0.0
    """That somebody puts an older revision back where a wave has failed."""
    redeclaring: float = 0.006
    uprooting: float = 0.0
    """That a component leaves the source of a change that is tested, whose run continues as new."""
    continuing: float = 0.01
    """Per run, that it continues as new."""
    losses: tuple[float, ...] = (0, 0.05, 0.2)
    waves: tuple[int, ...] = (0, 0, 1, 2)
    on_source_moved: tuple[SourceMoved, ...] = tuple(SourceMoved)
    longest_test: float = 30.0
    slow_triggers: float = 0.05


def mood(kind: Kind, dice: random.Random) -> Mood:
    """Return the mood of a story of this kind."""
    unrest, bustle, failing = dice.choice((0.05, 0.2)), dice.choice((0.05, 0.1, 0.4)), dice.choice((0.05, 0.2))
    mixed = Mood(unrest=unrest, bustle=bustle, failing_tests=failing, failing_operations=failing)
    match kind:
        case Kind.BUSY:
            retest = (SourceMoved.RETEST, SourceMoved.RETEST, SourceMoved.ACCEPT)
            busy = replace(mixed, unrest=0.02, bustle=0.05, failing_tests=0.02, commits=0.2, longest_test=60.0)
            return replace(busy, on_source_moved=retest, slow_triggers=0.4)
        case Kind.FAILING:
            failing_waves = replace(mixed, failing_tests=0.02, failing_operations=0.3, waves=(0, 1, 2))
            return replace(failing_waves, unrest=0.4, meddling=0.2)
        case Kind.REDECLARED:
            return replace(mixed, failing_tests=0.05, redeclaring=0.05, uprooting=0.05, continuing=0.05)
        case Kind.HELD:
            held = replace(mixed, unrest=0.04, holding=0.4, bustle=0.04, stopping=0.08, held_at_first=0.5)
            return replace(held, failing_tests=0.02, losses=(0,), waves=(0, 1, 2))
        case Kind.CROSSING:
            crossing = replace(mixed, unrest=0.5, crossing=0.7, approving=0.7, losses=(0, 0.05))
            return replace(crossing, failing_tests=0.1, failing_operations=0.2, waves=(0, 0, 1))
        case Kind.RESTARTED:
            return replace(mixed, restarting=0.1, failing_tests=0.02, failing_operations=0.05, bustle=0.2)
        case _:
            return mixed
