"""Pauses between attempts: they grow with each failure in a row, up to a bound, and begin small again after a success.

A workflow's own timer is the retry wherever an activity has a bounded number of attempts (`workflows/policies.py`):
between two of them the cause is shown, commands are taken and deadlines are kept. Each question has one `Backoff`
of its own; nothing of it is carried over continue-as-new, so that a new run begins eagerly. Where the row of
failures is carried instead, `pause_after` answers from its length.

What a host asks for is no part of the row: the caller waits for the longer of the two.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

_EXPONENT_KNOWN = 64
"""Beyond it the pause is at its bound in any case; larger powers would overflow."""


@dataclass
class Backoff:
    """Hold the pause before the next attempt."""

    initial: timedelta
    maximum: timedelta
    factor: float = 2.0
    pause: timedelta = field(init=False)
    """How long to wait now; the first one is `initial`, also where that is above the bound."""

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin again with the first pause: an attempt succeeded."""
        self.pause = self.initial

    def grow(self) -> None:
        """Lengthen the pause: another attempt failed."""
        self.pause = min(self.pause * self.factor, self.maximum)

    def next(self) -> timedelta:
        """Return the pause to wait now, and lengthen the one after it."""
        now = self.pause
        self.grow()
        return now


def pause_after(failures: int, *, initial: timedelta, maximum: timedelta, factor: float = 2.0) -> timedelta:
    """Return the pause after so many failures in a row, at least one."""
    if not initial:
        return initial
    scale = factor ** min(max(failures - 1, 0), _EXPONENT_KNOWN)
    # Compared before it is multiplied: a timedelta ends at 2.7 million years.
    return maximum if scale >= maximum / initial else initial * scale


def jittered(pause: timedelta) -> timedelta:
    """Return a pause that differs by 20 %: what many began together must not come back together."""
    return pause * (0.8 + 0.4 * workflow.random().random())
