"""Argo CD's sync windows: which one is in the way, and when it ends.

The API names schedule and duration only, neither an end nor the window's time zone, which is UTC by default
(https://argo-cd.readthedocs.io/en/stable/user-guide/sync_windows/).
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from providers.application_models import SyncWindow
from providers.documents import Document, documents, flag, text

_LONGEST = timedelta(days=8)
"""How far a schedule is followed: longer windows are named without an end."""
_WINDOWS_LIMIT = 100
"""Of one project: each is followed through its days."""
_SCHEDULE_LIMIT = 200
_DURATION = re.compile(r"(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?")
_NAMES = {
    name: str(number)
    for names, first in (("SUN MON TUE WED THU FRI SAT", 0), ("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC", 1))
    for number, name in enumerate(names.split(), first)
}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def in_the_way(value: Document, now: datetime) -> tuple[SyncWindow, ...]:
    """Return the deny windows that are open, or without one the allow windows that are not; each with its end.

    Our syncs count as manual ones, which a deny window with `manualSync` lets through.
    """
    active, assigned = (documents(value, field, limit=_WINDOWS_LIMIT) for field in ("activeWindows", "assignedWindows"))
    denied = [one for one in active if text(one, "kind") == "deny" and not flag(one, "manualSync")]
    if denied:
        return tuple(_window(one, _end_of_deny(one, now)) for one in denied)
    allowed = [one for one in assigned if text(one, "kind") == "allow"]
    return tuple(_window(one, _next_start(one, now)) for one in allowed)


def _window(value: Document, until: datetime | None) -> SyncWindow:
    return SyncWindow(
        kind=text(value, "kind"), schedule=text(value, "schedule"), duration=text(value, "duration"), until=until
    )


def _end_of_deny(value: Document, now: datetime) -> datetime | None:
    lasts = _duration(text(value, "duration"))
    if lasts is None or lasts > _LONGEST:
        return None
    # Looked for from now on: a window that begins each minute has thousands of starts in a week.
    start = next(_starts(text(value, "schedule"), now - lasts, now, newest_first=True), None)
    return None if start is None else start + lasts


def _next_start(value: Document, now: datetime) -> datetime | None:
    return next(_starts(text(value, "schedule"), now, now + _LONGEST), None)


def _duration(given: str) -> timedelta | None:
    match = _DURATION.fullmatch(given)
    if match is None or not any(match.groups()):
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _starts(schedule: str, after: datetime, until: datetime, *, newest_first: bool = False) -> Iterator[datetime]:
    """Yield each minute within (after, until] at which a cron schedule begins."""
    fields = _fields(schedule)
    if fields is None:
        return
    minutes, hours, days, months, weekdays = fields
    any_day, any_weekday = len(days) == 31, len(weekdays & set(range(7))) == 7
    first, last = after.astimezone(UTC), until.astimezone(UTC)
    offsets = range((last.date() - first.date()).days + 1)
    for offset in reversed(offsets) if newest_first else offsets:
        date = first.date() + timedelta(days=offset)
        by_day, by_weekday = date.day in days, date.isoweekday() % 7 in weekdays
        # Where both are given, either is enough.
        fits = (by_day or by_weekday) if not any_day and not any_weekday else (by_day and by_weekday)
        if date.month not in months or not fits:
            continue
        for hour in sorted(hours, reverse=newest_first):
            begin = datetime(date.year, date.month, date.day, hour, tzinfo=UTC)
            if begin > last or begin + timedelta(hours=1) <= first:
                continue
            for minute in sorted(minutes, reverse=newest_first):
                if first < (moment := begin.replace(minute=minute)) <= last:
                    yield moment


def _fields(schedule: str) -> tuple[set[int], set[int], set[int], set[int], set[int]] | None:
    if len(schedule) > _SCHEDULE_LIMIT:
        return None
    parts = _SHORTHANDS.get(schedule.strip(), schedule).upper().split()
    if len(parts) != len(_RANGES):
        return None
    found = [_field(part, low, high) for part, (low, high) in zip(parts, _RANGES, strict=True)]
    minutes, hours, days, months, weekdays = found
    if minutes is None or hours is None or days is None or months is None or weekdays is None:
        return None
    return minutes, hours, days, months, {0 if one == 7 else one for one in weekdays}


def _field(part: str, low: int, high: int) -> set[int] | None:
    """Read `*`, `a`, `a-b` and lists of them, each with a step."""
    found: set[int] = set()
    for piece in part.split(","):
        body, _, step = piece.partition("/")
        first, dash, last = (_NAMES.get(one, one) for one in body.partition("-"))
        if body in ("*", "?"):
            first, last = str(low), str(high)
        elif not dash:
            last = str(high) if step else first
        if not (first.isdecimal() and last.isdecimal() and (not step or step.isdecimal())):
            return None
        every = int(step) if step else 1
        if every < 1 or not low <= int(first) <= int(last) <= high:
            return None
        found.update(range(int(first), int(last) + 1, every))
    return found
