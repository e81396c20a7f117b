"""Events of a promotion, as they are noted until the next status takes them along. Pure."""

from datetime import datetime

from activities.models.status import EventNote
from activities.models.tracking import TrackerRef
from crds.reasons.events import EventReason
from workflows.promotion.state import PromotionState


def note_event(
    story: PromotionState,
    tracker: TrackerRef,
    reason: EventReason,
    message: str,
    *,
    now: datetime,
    warning: bool,
    by: str,
) -> None:
    """Note an event with where the change is, and is to be promoted, at this moment."""
    story.events += 1
    hop = story.hop
    story.pending_events.append(
        EventNote(
            id=f"{tracker.name}.{tracker.attempt}.{story.events}",
            warning=warning,
            reason=reason,
            message=message,
            at=now,
            environment=hop.policy.target if hop else story.environment,
            source=hop.policy.source if hop else "",
            round=hop.round.number if hop and hop.round else None,
            by=by,
        )
    )
