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
    """Which command, for which tracker, by whom."""

    rules: ClassVar = (
        Rule(
            rule="has(self.trackerRef) || self.verb == 'hold' || (self.verb == 'release' && has(self.hold))",
            message="trackerRef is required, except to hold an environment, or to release the hold that `hold` names",
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
        # The schema has no bound for keys; Pilotage carries what a person saw along with the promotion.
        Rule(
            rule="!has(self.targetRevisions) || self.targetRevisions.all(name, size(name) <= 320)",
            message="names of deployments must have at most 320 characters",
            field_path=".targetRevisions",
        ),
    )

    tracker_ref: TrackerReference | None = None
    """Tracker that the command is for; none for `hold` and `release` of an environment."""
    verb: CommandVerb
    """The command."""
    environment: Name
    """Environment on which the person needs the verb: the target of the hop. Before the first hop, and for `restart`,
    it is the tracker's own environment."""
    revision: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Revision that the person saw. Pilotage refuses the command if another one is being promoted."""
    target_revisions: (
        Annotated[dict[str, Annotated[str, Field(max_length=256)]], Field(max_length=MAX_APPLICATIONS)] | None
    ) = None
    """For `promote` over a diverged target: the tracker's `status.hop.diverged` as the person saw it.

    Pilotage overrides nothing if the target has anything else by now, or if the field is not given.
    """
    requested_by: Annotated[str, Field(min_length=1, max_length=256)]
    """User name of the person, as the API server authenticated it."""
    duration: PositiveDuration | None = None
    """How long the hold on the environment lasts; 24 hours if not given."""
    hold: ObjectName | None = None
    """Hold on the environment that is to end: the name of the PromotionCommand that started it."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Why the person gives the command. The promotion record keeps it."""


class PromotionCommandStatus(ConditionedStatus):
    """The answer."""

    accepted: bool | None = None
    """Whether Pilotage accepted the command."""
    message: Text | None = None
    """What Pilotage did, or why it refused the command."""
    executed_at: Time | None = None
    """When Pilotage answered the command."""
    claimed_by: ShortText | None = None
    """Watcher that carries out the command, or carried it out."""
    claimed_at: Time | None = None
    """When that watcher last started to. After a minute without an answer another watcher takes the command over."""
    claims: Annotated[int, Field(ge=0)] | None = None
    """How many watchers have claimed the command. More than one: a watcher died, or was late, before it answered."""
    attempt: Annotated[int, Field(ge=1)] | None = None
    """Attempt of the tracker that the command is for. A later attempt does not get it."""


class PromotionCommand(Resource):
    """A command of a person, for one promotion or one environment."""

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
