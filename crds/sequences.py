"""The order of status writes, and which of them can be no workflow's. Pure.

A workflow takes its sequence from the clock: milliseconds since 1970, and one more than the last where that is higher
(workflows/runtime/publishing.py). Who may write a status can write any number there. One that is ahead of all that will
come would keep the workflow's own statuses out, unseen; so what is far ahead of the clock is replaced, and shown.
"""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import WithJsonSchema

from crds.model import Rule

MAX_SEQUENCE = 4_102_444_800_000
"""Midnight of 2100-01-01 UTC."""
AHEAD = timedelta(minutes=10)
"""How far the clocks of Temporal and of a watcher may be apart, and more."""
REPLACEABLE = timedelta(minutes=5)
"""By how much a sequence must become smaller to be a replacement; a write that came late is not as late as that."""

_MILLISECOND = timedelta(milliseconds=1)

# Not refused when it is read: a status that was stored before the maximum stays readable.
Sequence = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_SEQUENCE})]


def sequence_rule(field: str) -> Rule:
    """Refuse an older status over a newer one; `field` is what the message calls it."""
    decrease = REPLACEABLE // _MILLISECOND
    return Rule(
        rule=(
            "!has(oldSelf.sequence) || (has(self.sequence) && (self.sequence >= oldSelf.sequence"
            f" || oldSelf.sequence - self.sequence > {decrease}))"
        ),
        message=f"{field} must not become smaller: an older status was written after a newer one",
        field_path=".sequence",
    )


def is_forged(published: int, sequence: int, now: datetime) -> bool:
    """Return whether a published sequence stands in the way of `sequence` and can be no workflow's."""
    ahead = published - int(now.timestamp() * 1000)
    return ahead > AHEAD // _MILLISECOND and published - sequence > REPLACEABLE // _MILLISECOND
