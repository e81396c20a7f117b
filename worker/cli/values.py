"""Commits, times and spans as every command writes them. Imports no model."""

from datetime import UTC, datetime, timedelta

from crds.texts.plain import short_revision

FULL_HASH_LENGTHS = (40, 64)


def now() -> datetime:
    """Return the time of this moment, UTC."""
    return datetime.now(UTC)


def short(revision: str | None) -> str:
    """Shorten a commit hash; a branch or tag stays as it is."""
    if revision is None:
        return ""
    is_hash = len(revision) in FULL_HASH_LENGTHS and all(letter in "0123456789abcdef" for letter in revision)
    return short_revision(revision) if is_hash else revision


def age(since: datetime | None, until: datetime) -> str:
    """Write a span as kubectl does: its two largest units at most."""
    if since is None:
        return ""
    seconds = max(int((until - since) / timedelta(seconds=1)), 0)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return f"{days}d{hours}h" if days < 10 and hours else f"{days}d"
    if hours:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    return (
        f"{minutes}m{seconds}s" if minutes and minutes < 10 and seconds else f"{minutes}m" if minutes else f"{seconds}s"
    )


def until(at: datetime, now: datetime) -> str:
    """Write how long it is until something happens; what is due happens now."""
    return f"in {age(now, at)}" if at > now else "now"


def due(at: datetime, now: datetime) -> str:
    """Write when something happens next, and how long that is from now."""
    return f"at {at:%H:%M:%S} UTC, {until(at, now)}" if at > now else until(at, now)


def read_time(text: object) -> datetime | None:
    """Read a time of a document; None where it holds none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
