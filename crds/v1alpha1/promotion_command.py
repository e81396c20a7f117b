"""PromotionCommand: what a person asks for, immutable and kept for audit."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Name, ObjectName, PositiveDuration, ShortText, Text, Time
from crds.model import AGE, Definition, Model, PrinterColumn, Rule, extra
from crds.resource import ConditionedStatus, Resource
from crds.v1alpha1.tracker_status import MAX_APPLICATIONS


class CommandVerb(StrEnum):
    """What a person can ask for; also the RBAC verbs on environments."""

    RETEST = "retest"
    RETRY = "retry"
    PROMOTE = "promote"
    HOLD = "hold"
    RELEASE = "release"
    ABORT = "abort"
    RESTART = "restart"
    SYNC = "sync"
    REFRESH = "refresh"


class TrackerReference(Model):
    """A PullRequestTracker in the same namespace."""

    name: ObjectName
    """Name of the tracker."""


class PromotionCommandSpec(Model):
    """What is to be done to which tracker, and who asks for it."""

    rules: ClassVar = (
        Rule(
            rule="has(self.trackerRef) || self.verb == 'hold' || (self.verb == 'release' && has(self.hold))",
            message="trackerRef is required; without it an environment is held, or the hold that `hold` names released",
        ),
        Rule(
            rule="!has(self.duration) || (self.verb == 'hold' && !has(self.trackerRef))",
            message="duration is for a hold on an environment",
            field_path=".duration",
        ),
        Rule(
            rule="!has(self.hold) || (self.verb == 'release' && !has(self.trackerRef))",
            message="hold is for the release of an environment",
            field_path=".hold",
        ),
    )

    tracker_ref: TrackerReference | None = None
    """Tracker that the command is for; none for `hold` and `release` of an environment."""
    verb: CommandVerb
    """What is to be done."""
    environment: Name
    """Environment whose RBAC is asked: the target of the hop; before any hop, and for restart, the tracker's own."""
    revision: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Revision that the person saw; a command for another one is refused."""
    target_revisions: (
        Annotated[dict[str, Annotated[str, Field(max_length=256)]], Field(max_length=MAX_APPLICATIONS)] | None
    ) = None
    """For `promote` over a diverged target: the tracker's `status.hop.diverged` as the person saw it.

    Where the target holds anything else by now, or nothing is given, nothing is overridden.
    """
    requested_by: Annotated[str, Field(min_length=1, max_length=256)]
    """User name as the API server authenticated it."""
    duration: PositiveDuration | None = None
    """How long the environment is held; 24 hours where it is not given."""
    hold: ObjectName | None = None
    """The hold on the environment that is released: the name of the PromotionCommand that began it."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Why; kept in the promotion record."""


class PromotionCommandStatus(ConditionedStatus):
    """The answer."""

    accepted: bool | None = None
    """Whether the command was taken."""
    message: Text | None = None
    """What was done, or why not."""
    executed_at: Time | None = None
    """When it was answered."""
    claimed_by: ShortText | None = None
    """Watcher that executes it, or did."""
    claimed_at: Time | None = None
    """When that watcher last began to; another one takes the command over some time later."""
    claims: Annotated[int, Field(ge=0)] | None = None
    """How many watchers have claimed it; more than one where one of them died, or was held up, before the answer."""
    attempt: Annotated[int, Field(ge=1)] | None = None
    """Attempt of the tracker that it was claimed for; a later one does not get it."""


class PromotionCommand(Resource):
    """What a person asks of one promotion."""

    definition: ClassVar = Definition(
        kind="PromotionCommand",
        plural="promotioncommands",
        short_name="pcmd",
        name_max_length=128,
        columns=(
            PrinterColumn(name="TRACKER", json_path=".spec.trackerRef.name"),
            PrinterColumn(name="VERB", json_path=".spec.verb"),
            PrinterColumn(name="ENV", json_path=".spec.environment"),
            PrinterColumn(name="BY", json_path=".spec.requestedBy"),
            PrinterColumn(name="ACCEPTED", json_path=".status.accepted", type="boolean"),
            PrinterColumn(name="MESSAGE", json_path=".status.message", priority=1),
            AGE,
        ),
    )

    kind: str = "PromotionCommand"
    spec: Annotated[
        PromotionCommandSpec,
        Field(json_schema_extra=extra(Rule(rule="self == oldSelf", message="the spec of a command is immutable"))),
    ]
    status: PromotionCommandStatus = PromotionCommandStatus()
