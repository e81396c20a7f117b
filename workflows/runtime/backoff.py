"""Pauses between attempts: they grow with each failure in a row, up to a bound, and begin small again after a success.

A workflow's own timer is the retry wherever an activity has a bounded number of attempts (`workflows/policies.py`):
between two of them the cause is shown, commands are taken and deadlines are kept. Each question has one `Backoff`
of its own; nothing of it is carried over continue-as-new, so that a new run begins eagerly. Where the row of
failures is carried instead, `pause_after` answers from its length.

What a host asks for is no part of the row: the caller waits for the longer of the two, as
`pause_before_sending_again` does.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

from activities.models.failures import Failure

SENT_AGAIN_INITIAL, SENT_AGAIN_MAXIMUM = timedelta(seconds=5), timedelta(minutes=10)
SENT_AGAIN_WITHIN = timedelta(seconds=2)
"""Within which those come back that a receiver asked to wait for the same time."""
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


def spread(pause: timedelta, share: float, chance: float) -> timedelta:
    """Return a pause that differs by a share of it; `chance` is a random number from 0 to 1."""
    return pause * (1 + share * (2 * chance - 1))


def jittered(pause: timedelta) -> timedelta:
    """Return a pause that differs by 20 %: what many began together must not come back together."""
    return spread(pause, 0.2, workflow.random().random())


def pause_before_sending_again(failure: Failure, failures: int) -> timedelta:
    """Return how long to wait before a receiver is sent again what it did not take, after so many failures in a row.

    It is never less than was asked, and not the same for all that were refused together.
    """
    if failure.asks_to_wait and failure.wait:
        return failure.wait + workflow.random().random() * SENT_AGAIN_WITHIN
    pause = pause_after(failures, initial=SENT_AGAIN_INITIAL, maximum=SENT_AGAIN_MAXIMUM)
    return max(jittered(pause), failure.wait)
