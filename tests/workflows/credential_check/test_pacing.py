"""Failures are checked again soon, then less often; what is fine is left alone."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.models.credential_checks import CheckConnectionResult, CredentialCheckOutcome
from activities.models.tracking import Timings
from workflows.credential_check.pacing import count_failures, pause_after

TIMINGS = Timings()
EVEN = 0.5
"""The chance that neither lengthens nor shortens."""


@pytest.mark.parametrize(("failures", "seconds"), [(0, 600), (1, 30), (2, 60), (3, 120), (4, 240), (5, 300), (99, 300)])
def test_failures_are_checked_from_half_a_minute_up_to_five_minutes(failures: int, seconds: int) -> None:
    assert pause_after(failures, None, TIMINGS, EVEN) == timedelta(seconds=seconds)


def test_a_hosts_own_wish_is_kept_where_it_is_longer() -> None:
    assert pause_after(1, timedelta(hours=1), TIMINGS, EVEN) == timedelta(hours=1)
    assert pause_after(1, timedelta(seconds=1), TIMINGS, EVEN) == timedelta(seconds=30)


@given(failures=st.integers(0, 10_000), chance=st.floats(0, 1))
def test_no_pause_is_far_from_what_is_wanted(failures: int, chance: float) -> None:
    even, pause = pause_after(failures, None, TIMINGS, EVEN), pause_after(failures, None, TIMINGS, chance)
    assert abs(pause - even) <= even * (0.5 if failures else 0.1) + timedelta(milliseconds=1)


def test_checks_that_fail_together_come_apart_by_as_much_as_their_pause() -> None:
    soonest, latest = (pause_after(5, None, TIMINGS, chance) for chance in (0.0, 1.0))
    assert latest - soonest >= pause_after(5, None, TIMINGS, EVEN)


def test_a_success_ends_a_row_of_failures_and_no_verdict_does_not() -> None:
    for accepted, failures in ((True, 0), (False, 4), (None, 4)):
        assert count_failures(3, CheckConnectionResult(outcome=CredentialCheckOutcome(accepted=accepted))) == failures
