"""Make what a status publishes into events that stand for themselves: each has all that any receiver is sent. Pure."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from activities.models.event_sinks import PromotionEvent
from activities.models.status import EventNote, PromotionRecord, PublishStatusInput
from activities.models.tracking import Artifact
from crds.reasons.events import EventReason

_ENDS_HOP = frozenset({EventReason.PROMOTED, EventReason.ALREADY_CONTAINED, EventReason.FAILED})
_ID_DIGITS = 32


def gather(request: PublishStatusInput, notes: Sequence[EventNote], now: datetime) -> tuple[PromotionEvent, ...]:
    """Return the events of one publication, oldest first; `now` is the time of those that have none of their own."""
    return tuple(_event(request, note, now) for note in notes)


def _event(request: PublishStatusInput, note: EventNote, now: datetime) -> PromotionEvent:
    tracker, status = request.tracker, request.status
    pull_request, record = status.pull_request, _record(request, note)
    hop = status.hop if status.hop is not None and status.hop.target == note.environment else None
    policy = record.policy if record is not None else hop.policy if hop is not None else None
    return PromotionEvent(
        id=_identity(request, note),
        number=_number(request, note),
        reason=note.reason,
        warning=note.warning,
        message=note.message,
        at=note.at or now,
        tracker=tracker,
        repository=request.repository,
        pull_request=pull_request.number if pull_request else None,
        title=pull_request.title if pull_request else "",
        url=pull_request.url if pull_request else "",
        author=pull_request.author if pull_request else "",
        environment=note.environment,
        source=note.source,
        policy=policy.name if policy else "",
        round=note.round,
        revision=(pull_request.merge_sha if pull_request else None) or status.revision,
        artifacts=_artifacts(request, note, record),
        by=note.by or (record.promoted_by if record else ""),
    )


def _record(request: PublishStatusInput, note: EventNote) -> PromotionRecord | None:
    """Return the record of the hop that an event ends; later ones may stand after it by now."""
    if note.reason not in _ENDS_HOP:
        return None
    same = [one for one in request.status.promotions if (one.target, one.result) == (note.environment, note.reason)]
    # A hop that was tried again has several; the time of the event is the record's, or a moment later.
    earlier = [one for one in same if note.at is None or one.at <= note.at]
    return next(reversed(earlier or same), None)


def _artifacts(request: PublishStatusInput, note: EventNote, record: PromotionRecord | None) -> tuple[Artifact, ...]:
    if record is not None:
        return record.artifacts
    pull_request = request.status.pull_request
    if note.reason == EventReason.ARRIVED and pull_request is not None and pull_request.merge_sha:
        return (Artifact(component=request.repository, revision=pull_request.merge_sha),)
    return ()


def _number(request: PublishStatusInput, note: EventNote) -> int:
    """Return which one of its attempt it is; 0 for what the publication itself adds."""
    text = note.id.removeprefix(f"{request.tracker.name}.{request.tracker.attempt}.")
    return int(text) if text.isdecimal() and text != note.id else 0


def _identity(request: PublishStatusInput, note: EventNote) -> str:
    """Return the same id whenever the same event is published again, and another one after a reset of the workflow."""
    at = note.at.isoformat() if note.at is not None else ""
    return hashlib.sha256(f"{request.tracker.uid}/{note.id}/{at}".encode()).hexdigest()[:_ID_DIGITS]
