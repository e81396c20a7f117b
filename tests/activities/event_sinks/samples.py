"""Events of promotions, and publications that hold them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from activities.models.event_sinks import PromotionEvent
from activities.models.status import (
    EventNote,
    HopStatus,
    PolicyRef,
    PromotionRecord,
    PublishStatusInput,
    TrackerStatus,
)
from activities.models.tracking import Artifact, PullRequest, PullRequestState, TrackerRef
from crds.reasons.vocabulary import State

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TRACKER = TrackerRef(namespace="shop", name="web-412", uid="5f0c-4a63", attempt=1)
ARTIFACT = Artifact(component="web", revision="b" * 40, image="ghcr.io/acme/Web", tag="sha-bbb")


def event(
    reason: str = "Promoted", *, number: int = 1, tracker: TrackerRef = TRACKER, **changes: Any
) -> PromotionEvent:
    """Return an event as a sink's workflow gets it."""
    values: dict[str, Any] = {
        "id": f"{tracker.name}-{tracker.attempt}-{number}",
        "number": number,
        "reason": reason,
        "warning": False,
        "message": f"{reason} it was",
        "at": NOON + timedelta(seconds=number),
        "tracker": tracker,
        "repository": "web",
        "pull_request": 412,
        "title": "Fix rounding",
        "url": "https://github.com/acme/web/pull/412",
        "author": "ann",
        "environment": "prod",
        "source": "staging",
        "policy": "staging-to-prod",
        "round": 2,
        "revision": "b" * 40,
        "artifacts": (ARTIFACT,),
        **changes,
    }
    return PromotionEvent(**values)


def note(reason: str, number: int = 1, **changes: Any) -> EventNote:
    """Return an event as a promotion notes it."""
    values: dict[str, Any] = {
        "id": f"web-412.1.{number}",
        "warning": False,
        "reason": reason,
        "message": f"{reason} it was",
        "at": NOON + timedelta(seconds=number),
        "environment": "staging",
        "source": "dev",
        "round": 1,
        **changes,
    }
    return EventNote(**values)


def record(target: str, at: datetime = NOON, **changes: Any) -> PromotionRecord:
    """Return the record of a hop."""
    values: dict[str, Any] = {
        "promoted": True,
        "result": "Promoted",
        "source": "dev",
        "target": target,
        "policy": PolicyRef(name=f"to-{target}"),
        "at": at,
        "artifacts": (ARTIFACT,),
        "promoted_by": "ann",
        **changes,
    }
    return PromotionRecord(**values)


def publication(
    *notes: EventNote, records: tuple[PromotionRecord, ...] = (), hop: str = "staging"
) -> PublishStatusInput:
    """Return what a promotion publishes with these events."""
    return PublishStatusInput(
        tracker=TRACKER,
        repository="web",
        status=TrackerStatus(
            state=State.TESTING,
            sequence=7,
            attempt=1,
            environment="dev",
            revision="b" * 40,
            hop=HopStatus(index=1, source="dev", target=hop, policy=PolicyRef(name=f"to-{hop}")),
            pull_request=PullRequest(
                number=412,
                title="Fix rounding",
                author="ann",
                url="https://github.com/acme/web/pull/412",
                state=PullRequestState.MERGED,
                head_sha="a" * 40,
                merge_sha="b" * 40,
            ),
            promotions=records,
        ),
        events=notes,
    )
