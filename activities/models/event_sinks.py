"""What happened to promotions, as it is sent to receivers outside the cluster."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from activities.models import budgets
from activities.models.bounds import Bounded, First, Line, Link, Short, Text
from activities.models.tracking import Artifact, Timings, TrackerRef


@dataclass(frozen=True, kw_only=True)
class SinkRef:
    """Name one EventSink; the uid sets one that was made again apart from the one before it."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, kw_only=True)
class PromotionEvent(Bounded):
    """One event of one tracker. Sent as a signal."""

    id: str
    """The same whenever it is sent again, so that a receiver drops repetitions."""
    number: int = 0
    """Counts the events of an attempt; 0 for one that is not counted."""
    reason: str
    """An EventReason."""
    warning: bool
    message: Text
    at: datetime
    tracker: TrackerRef
    repository: str
    """GitRepository of the tracker."""
    pull_request: int | None = None
    title: Line = ""
    url: Link = ""
    author: Short = ""
    environment: str = ""
    """Where the change is to be promoted, or between two hops where it is."""
    source: str = ""
    """Where it comes from; empty between two hops."""
    policy: str = ""
    round: int | None = None
    """Number of the round of tests."""
    revision: str = ""
    artifacts: Annotated[tuple[Artifact, ...], First(budgets.EVENT_ARTIFACTS)] = ()
    """What was promoted, for an event that ends a hop; what runs again, for RolledBack."""
    by: Line = ""
    """Person or policy that decided."""
    omitted: int = 0
    """Events before this one that are never sent."""


@dataclass(frozen=True, kw_only=True)
class SeenAttempt:
    """The newest event that came of one attempt: what comes again is older."""

    number: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class EventSinkInput:
    """Start (or continue) one EventSinkWorkflow."""

    installation: str
    sink: SinkRef
    timings: Timings = field(default_factory=Timings)
    waiting: tuple[PromotionEvent, ...] = ()
    seen: dict[str, SeenAttempt] = field(default_factory=dict)
    """By `<uid>.<attempt>`, the least recent first."""
    dropped: int = 0
    omitted: int = 0
    """Dropped events that the next one to come names."""
    failures: int = 0
    refused_since: datetime | None = None
    not_before: datetime | None = None
    poked: bool = False
    """Whether the sink changed since the last attempt began, which ends the pause after that."""
    last_success: datetime | None = None
    unpublished: "PublishEventSinkInput | None" = None
    waiting_shown: "PublishEventSinkInput | None" = None
    """What was published last, where that shows that events wait."""
    history_limit: int = 1000
    """Events after which the run continues as new."""


class SinkOutcome(StrEnum):
    """What became of a delivery."""

    DELIVERED = "Delivered"
    SUSPENDED = "Suspended"
    """The sink is suspended: what waits is never sent."""
    GONE = "Gone"
    """The sink does not exist any more, or was made again."""


@dataclass(frozen=True, kw_only=True)
class DeliverEventsInput:
    """Send events in this order; none, to see whether the sink is still there."""

    namespace: str
    installation: str
    sink: SinkRef
    events: tuple[PromotionEvent, ...] = ()
    changed: bool = False
    """Whether the sink may have changed, so that what is kept of it may be old."""


@dataclass(frozen=True, kw_only=True)
class DeliverEventsResult:
    """What became of it; where only the first ones were taken, the next delivery meets the reason."""

    outcome: SinkOutcome
    delivered: int = 0


@dataclass(frozen=True, kw_only=True)
class PublishEventSinkInput(Bounded):
    """Write to the status of a sink what was sent, and why something was not."""

    namespace: str
    sink: SinkRef
    delivered: bool
    reason: str
    message: Text = ""
    at: datetime
    """Of the delivery."""
    last_success: datetime | None = None
    waiting: int = 0
    dropped: int = 0
