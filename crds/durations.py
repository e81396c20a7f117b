"""Durations as people write them in resources: `45m`, `1h30m`, `90s`; and as Flux's resources have them: `1.5s`."""

import re
from datetime import timedelta

PATTERN = r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$"
FLUX_PATTERN = r"^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$"
"""That of Flux's definitions, with hours, and bounded."""
MAX_LENGTH = 20
EXAMPLES = "`90s`, `45m` or `1h30m`"
FLUX_EXAMPLES = "`15s`, `500ms` or `1m30s`"

_PARTS = re.compile(r"(?:(?P<hours>[0-9]{1,6})h)?(?:(?P<minutes>[0-9]{1,6})m)?(?:(?P<seconds>[0-9]{1,6})s)?")

_FLUX = re.compile(FLUX_PATTERN)
_FLUX_PART = re.compile(r"([0-9.]+)(ms|s|m|h)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}


def parse_duration(text: str) -> timedelta:
    """Read a duration of whole hours, minutes and seconds, each at most once and in this order.

    Raises ValueError for anything else, also for a bare number: its unit would be a guess.
    """
    match = _PARTS.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"`{text[:40]}` is not a duration: write hours, minutes and seconds such as {EXAMPLES}")
    parts = {unit: int(value) for unit, value in match.groupdict().items() if value is not None}
    return timedelta(**parts)


def parse_flux_duration(text: str) -> timedelta:
    """Read a duration of numbers, each with its unit, as Flux's definitions allow them. Raises ValueError."""
    if len(text) > MAX_LENGTH or not _FLUX.fullmatch(text):
        raise ValueError(f"`{text[:40]}` is not a duration: write for example {FLUX_EXAMPLES}")
    return sum((float(number) * _UNITS[unit] for number, unit in _FLUX_PART.findall(text)), timedelta())


def format_flux_duration(duration: timedelta) -> str:
    """Write a duration in seconds, with its fraction."""
    return f"{duration.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"


def format_duration(duration: timedelta) -> str:
    """Write a duration in its shortest form; fractions of a second are dropped.

    Raises ValueError for a negative duration.
    """
    total_seconds = int(duration.total_seconds())
    if duration < timedelta(0):
        raise ValueError(f"a duration cannot be negative: {duration}")
    hours, rest_seconds = divmod(total_seconds, 3600)
    minutes, seconds = divmod(rest_seconds, 60)
    text = "".join(f"{value}{unit}" for value, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if value)
    return text or "0s"
