"""Pauses between tries: exponential with full jitter, so that many clients do not come back at once."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Draw pauses from zero to a bound that doubles with each failure."""

    initial: timedelta = timedelta(milliseconds=500)
    maximum: timedelta = timedelta(seconds=30)
    draw: Callable[[], float] = random.random
    """Returns a number in [0, 1)."""

    def pause(self, failures: int) -> timedelta:
        """Return the pause after so many failures in a row, the first being 1."""
        # The exponent is bounded before the power: an outage of days counts many failures.
        factor: int = 2 ** min(max(failures - 1, 0), 16)
        return min(self.maximum, self.initial * factor) * self.draw()


STANDARD = Backoff()
