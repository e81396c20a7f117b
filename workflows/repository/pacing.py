"""When a repository's list is looked at again. Pure."""

from datetime import timedelta

from activities.models.tracking import Timings
from workflows.runtime import backoff

SPREAD = 0.2
"""Share by which pauses differ, so that repositories applied together are not all looked at together."""


def pause_after(
    *, quiet: int, failures: int, retry_after: timedelta | None, timings: Timings, chance: float
) -> timedelta:
    """Return how long to wait after a look; `chance` is a random number from 0 to 1. A host's own wish is kept.

    `quiet` looks in a row found nothing new, `failures` looks in a row failed.
    """
    rows, maximum = (failures, timings.list_failed_maximum) if failures else (quiet + 1, timings.list_maximum)
    wanted = backoff.pause_after(rows, initial=timings.list_initial, maximum=maximum)
    return max(backoff.spread(wanted, SPREAD, chance), retry_after or timedelta(0))
