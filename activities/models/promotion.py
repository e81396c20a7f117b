"""Inputs, commands and answers of PromotionWorkflow."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from activities.models.bounds import Bounded, Line, Text
from activities.models.drift import DriftNotice
from activities.models.tracking import Timings, TrackerRef, TrackerSpec
from crds.reasons.vocabulary import State


@dataclass(frozen=True, kw_only=True)
class PromotionInput:
    """Start one PromotionWorkflow."""

    installation: str
    tracker: TrackerRef
    spec: TrackerSpec
    timings: Timings
    ui_url: str = ""
    """Link to the workflow in the Temporal UI, for status and comment; empty = none."""
    generation: int = 0
    drift: DriftNotice = field(default_factory=DriftNotice)
    """What the monitors of an attempt before it reported when it was started."""


class Verb(StrEnum):
    RETEST = "retest"
    RETRY = "retry"
    PROMOTE = "promote"
    HOLD = "hold"
    RELEASE = "release"
    ABORT = "abort"
    SYNC = "sync"


@dataclass(frozen=True, kw_only=True)
class Command(Bounded):
    """A person's command for one hop. `request_id` is the PromotionCommand's uid: the same id is executed once."""

    request_id: str
    actor: Line
    target_environment: str
    """The hop's target; before any hop the tracker's environment."""
    revision: str
    """The artifact's revision that the person saw; empty = whichever is at hand."""
    reason: Text = ""
    seen: dict[str, str] = field(default_factory=dict)
    """`status.hop.diverged` as the person saw it: without it, or with another one, `promote` overrides nothing."""
    keep_refusal: bool = False
    """Whether a refusal is kept as an answer: another sender of the same id must get the same one."""


@dataclass(frozen=True, kw_only=True)
class CommandAnswer(Bounded):
    accepted: bool
    message: Text


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Answer of the `progress` query."""

    state: State
    reason: str
    details: str
    """Markdown, the same as the Temporal UI's current details."""
    checks: tuple[str, ...] = ()
    """What `pilotage why` prints: each check with its inputs."""
    again_at: datetime | None = None
    """When the workflow tries again what is in the way; None while it tries, and where it plans nothing."""
    again_by: str = ""
    """Id of the workflow that tries it, where that is another one: its `progress` knows when."""
