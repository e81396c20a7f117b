"""When a connection is checked again. Pure."""

from datetime import timedelta

from activities.models.credential_checks import CheckConnectionResult
from activities.models.tracking import Timings
from workflows.runtime import backoff

SPREAD = 0.1
"""Share by which pauses differ, so that resources applied together are not all checked together forever."""

SPREAD_AFTER_FAILURE = 0.5
"""The same once a check has failed: a host that never answers holds each check for long, so that those of many
resources must not come together."""


def count_failures(failures: int, result: CheckConnectionResult) -> int:
    """Return how many checks in a row have failed now."""
    return 0 if result.outcome.accepted else failures + 1


def pause_after(failures: int, retry_after: timedelta | None, timings: Timings, chance: float) -> timedelta:
    """Return how long to wait after a check; `chance` is a random number from 0 to 1. A host's own wish is kept."""
    if failures == 0:
        wanted, share = timings.check_interval, SPREAD
    else:
        share = SPREAD_AFTER_FAILURE
        wanted = backoff.pause_after(failures, initial=timings.check_initial, maximum=timings.check_maximum)
    return max(backoff.spread(wanted, share, chance), retry_after or timedelta(0))
