"""What people see of an event sink. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from activities.models.event_sinks import SinkRef
from crds.reasons.conditions import ConditionReason
from crds.reasons.problems import FailureKind
from crds.texts.markdown import inline
from crds.texts.plain import counted

REASONS: Mapping[FailureKind, ConditionReason] = {
    FailureKind.RATE_LIMITED: ConditionReason.RATE_LIMITED,
    FailureKind.UNAUTHORIZED: ConditionReason.UNAUTHORIZED,
    FailureKind.NOT_FOUND: ConditionReason.NOT_FOUND,
    FailureKind.MISCONFIGURED: ConditionReason.INVALID,
    FailureKind.REJECTED: ConditionReason.REFUSED,
    FailureKind.CONFLICT: ConditionReason.REFUSED,
    FailureKind.REFERENCE_MISSING: ConditionReason.WAITING_FOR_REFERENCE,
    FailureKind.API_FORBIDDEN: ConditionReason.FORBIDDEN,
}
"""Reason of the condition; of what is not named the receiver gave no usable answer."""


@dataclass(frozen=True, kw_only=True)
class EventSinkProgress:
    """Answer the query: what waits, and why."""

    sink: SinkRef
    waiting: int
    dropped: int
    last_success: datetime | None
    last_error: str
    next_attempt: datetime | None


def reason_of(kind: FailureKind) -> ConditionReason:
    """Return the reason of the condition."""
    return REASONS.get(kind, ConditionReason.UNAVAILABLE)


def details(progress: EventSinkProgress) -> str:
    """Return the current details as Markdown."""
    lines = [
        f"**EventSink/{progress.sink.name} in {progress.sink.namespace}**",
        f"waiting: {counted(progress.waiting, 'event')}",
    ]
    if progress.dropped:
        lines.append(f"dropped: {counted(progress.dropped, 'event')}")
    if progress.last_success is not None:
        lines.append(f"The receiver took one at {progress.last_success:%Y-%m-%d %H:%M:%S} UTC")
    if progress.last_error:
        lines.append(f"Not sent: {inline(progress.last_error)}")
    if progress.next_attempt is not None:
        lines.append(f"Next attempt at {progress.next_attempt:%H:%M:%S} UTC")
    return "\n\n".join(lines)
