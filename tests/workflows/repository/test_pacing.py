"""A list that changes is looked at soon again, a quiet one less often, one that fails least often."""

from datetime import timedelta

import pytest

from activities.models.tracking import Timings
from workflows.repository.pacing import pause_after

EVEN = 0.5
"""The chance that neither lengthens nor shortens."""


@pytest.mark.parametrize(
    ("quiet", "failures", "seconds"),
    [(0, 0, 30), (1, 0, 60), (2, 0, 120), (99, 0, 120), (0, 1, 30), (5, 3, 120), (0, 6, 600), (0, 99, 600)],
)
def test_pauses_grow_with_quiet_and_with_failures_up_to_a_bound(quiet: int, failures: int, seconds: int) -> None:
    pause = pause_after(quiet=quiet, failures=failures, retry_after=None, timings=Timings(), chance=EVEN)
    assert pause == timedelta(seconds=seconds)


def test_what_the_host_asks_for_is_kept_and_pauses_differ() -> None:
    asked = timedelta(minutes=20)
    assert pause_after(quiet=0, failures=1, retry_after=asked, timings=Timings(), chance=EVEN) == asked
    least, most = (
        pause_after(quiet=0, failures=0, retry_after=None, timings=Timings(), chance=chance) for chance in (0.0, 1.0)
    )
    assert (least, most) == (timedelta(seconds=24), timedelta(seconds=36))
