"""Claim a PromotionCommand before it is sent, so that several watchers give it one answer between them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from crds.api.ports import Document
from crds.api.publishing import status_of
from crds.fields import format_time

CLAIM_LIMIT = timedelta(minutes=1)
"""How long a claim holds: longer than one try takes, the update's timeout and all calls included."""
RENEWED_AFTER = CLAIM_LIMIT / 3
_COUNTED = 1000
"""Claims that are counted: others may write a status too, and a number that the schema does not take would end all
further claims."""


def new_claimer() -> str:
    """Return a name that no other watcher has, nor this one after a restart."""
    return uuid4().hex


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Who executes a command. A watcher that was held up may wake after its claim was taken over."""

    by: str
    at: datetime
    count: int
    attempt: int | None
    """Attempt that the command is for, whatever the tracker asks for by the time of a later try; None = no tracker."""

    @property
    def taken_over(self) -> bool:
        """Whether another watcher may have sent the command, or may send it yet."""
        return self.count > 1

    def status(self) -> Document:
        """Return the claim as fields of the command's status."""
        attempt = {} if self.attempt is None else {"attempt": self.attempt}
        return {"claimedBy": self.by, "claimedAt": format_time(self.at), "claims": self.count, **attempt}


def read_claim(command: Document) -> Claim | None:
    """Read who claimed a command; None where no one has, or what stands there is no claim of a watcher."""
    status = status_of(command)
    if not status.get("claimedBy"):
        return None
    try:
        at = datetime.fromisoformat(str(status.get("claimedAt")))
    except ValueError:
        return None
    return Claim(
        by=status["claimedBy"],
        at=at if at.tzinfo is not None else at.replace(tzinfo=UTC),
        count=int(status.get("claims") or 1),
        attempt=status.get("attempt"),
    )


def next_claim(present: Claim | None, claimer: str, now: datetime, attempt: int | None) -> Claim | timedelta:
    """Return the claim to write or to keep, or how long another watcher's claim still holds.

    Clocks may differ: a claim that is taken over too early costs a kept refusal, no second answer.
    """
    if present is None:
        return Claim(by=claimer, at=now, count=1, attempt=attempt)
    if present.by == claimer:
        return present if now - present.at < RENEWED_AFTER else replace(present, at=now)
    held = now - present.at
    if -CLAIM_LIMIT <= held < CLAIM_LIMIT:
        # A clock that is ahead of ours must not hold the command for longer, and a claim that is far ahead of it is
        # no watcher's.
        return min(CLAIM_LIMIT - held, CLAIM_LIMIT)
    return replace(present, by=claimer, at=now, count=min(present.count, _COUNTED) + 1)
