"""Pauses grow with each failure in a row, up to a bound, and begin small again after a success."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.runtime.backoff import Backoff, pause_after

SECOND = timedelta(seconds=1)


def test_pauses_double_up_to_the_bound() -> None:
    pauses = Backoff(initial=SECOND, maximum=5 * SECOND)
    assert [pauses.next() for _ in range(5)] == [SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND, 5 * SECOND]


def test_a_success_begins_a_new_row() -> None:
    pauses = Backoff(initial=SECOND, maximum=5 * SECOND, factor=1.5)
    pauses.grow()
    assert pauses.pause == 1.5 * SECOND
    pauses.reset()
    assert pauses.pause == SECOND


@pytest.mark.parametrize(("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 5), (10_000, 5)])
def test_a_carried_row_of_failures_gives_the_same_pauses(failures: int, seconds: int) -> None:
    assert pause_after(failures, initial=SECOND, maximum=5 * SECOND) == seconds * SECOND


@given(failures=st.integers(1, 40), initial=st.integers(1, 100), maximum=st.integers(100, 100_000))
def test_both_ways_agree(failures: int, initial: int, maximum: int) -> None:
    pauses = Backoff(initial=initial * SECOND, maximum=maximum * SECOND)
    for _ in range(failures - 1):
        pauses.grow()
    assert pause_after(failures, initial=pauses.initial, maximum=pauses.maximum) == pauses.pause


def test_no_pause_is_wanted_where_the_first_one_is_none() -> None:
    assert pause_after(7, initial=timedelta(0), maximum=SECOND) == timedelta(0)
