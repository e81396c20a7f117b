"""Sync windows: which one is in the way, and when it ends."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.sync_windows import ends_at
from providers.argocd.windows import _starts, in_the_way

NOW = datetime(2026, 1, 2, 23, 30, 15, tzinfo=UTC)
"""A Friday."""


def window(kind: str, schedule: str, duration: str) -> dict[str, object]:
    return {"kind": kind, "schedule": schedule, "duration": duration, "manualSync": False}


@pytest.mark.parametrize(
    ("schedule", "duration", "end"),
    [
        ("0 22 * * *", "8h", datetime(2026, 1, 3, 6, tzinfo=UTC)),
        ("0 0 * * *", "24h", datetime(2026, 1, 3, tzinfo=UTC)),
        ("*/15 * * * *", "20m", datetime(2026, 1, 2, 23, 50, tzinfo=UTC)),
        ("30 23 * * 5", "1h30m", datetime(2026, 1, 3, 1, tzinfo=UTC)),
        ("30 23 * * FRI", "1h30m", datetime(2026, 1, 3, 1, tzinfo=UTC)),
        ("0 20-23/1 2 JAN ?", "1h", datetime(2026, 1, 3, tzinfo=UTC)),
        ("0 22 13 * 5", "2h", datetime(2026, 1, 3, tzinfo=UTC)),
        ("@daily", "24h", datetime(2026, 1, 3, tzinfo=UTC)),
        ("0 22 * * *", "1000h", None),
        ("0 22 * *", "8h", None),
        ("0 99 * * *", "8h", None),
        ("a b c d e", "8h", None),
        ("0 22 * * *", "long", None),
        ("0 12 * * *", "1h", None),
    ],
)
def test_an_open_deny_window_ends_by_its_schedule(schedule: str, duration: str, end: datetime | None) -> None:
    (found,) = in_the_way({"activeWindows": [window("deny", schedule, duration)]}, NOW)
    assert (found.kind, found.schedule, found.duration, found.until) == ("deny", schedule, duration, end)


def test_without_a_deny_the_allow_windows_to_come_are_awaited() -> None:
    assigned = [
        window("allow", "0 6 * * *", "1h"),
        window("allow", "0 3 * * 1-5", "1h"),
        window("deny", "0 1 * * *", "1h"),
    ]
    found = in_the_way({"activeWindows": None, "assignedWindows": assigned, "canSync": False}, NOW)
    assert [one.kind for one in found] == ["allow", "allow"]
    assert ends_at(found) == datetime(2026, 1, 3, 6, tzinfo=UTC)


def test_a_deny_window_that_lets_manual_syncs_through_is_not_in_the_way() -> None:
    lenient = {**window("deny", "0 20 * * *", "12h"), "manualSync": True}
    found = in_the_way({"activeWindows": [lenient, window("deny", "0 23 * * *", "1h")]}, NOW)
    assert ends_at(found) == datetime(2026, 1, 3, tzinfo=UTC)


def test_all_open_deny_windows_must_end() -> None:
    open_ = [window("deny", "0 22 * * *", "8h"), window("deny", "0 23 * * *", "1h"), window("allow", "0 * * * *", "1h")]
    found = in_the_way({"activeWindows": open_, "assignedWindows": open_}, NOW)
    assert ends_at(found) == datetime(2026, 1, 3, 6, tzinfo=UTC)
    unknown = in_the_way({"activeWindows": [*open_, window("deny", "?", "1h")]}, NOW)
    assert ends_at(unknown) is None


def test_a_schedule_is_followed_no_further_than_a_week_or_so() -> None:
    (found,) = in_the_way({"assignedWindows": [window("allow", "0 0 29 2 *", "1h")]}, NOW)
    assert found.until is None


@pytest.mark.parametrize("schedule", ["* * * * *", "*/7 3-5,23 * * *", "0 0 2 * 5", "30 23 * * 5", "59 23 31 12 *"])
@pytest.mark.parametrize("days", [0, 1, 8])
def test_the_newest_start_is_the_last_of_all(schedule: str, days: int) -> None:
    after = NOW - timedelta(days=days, minutes=1)
    starts = list(_starts(schedule, after, NOW))
    assert starts == sorted(starts)
    assert all(after < start <= NOW for start in starts)
    assert list(_starts(schedule, after, NOW, newest_first=True)) == starts[::-1]
    if schedule == "* * * * *":
        assert len(starts) == days * 24 * 60 + 1
