"""What a place carries into its next run, in one frozen model."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from activities.models.configuration import EnvironmentView, TrackersCursor
from activities.models.delivery import Observation
from activities.models.failures import Failure
from activities.models.places import Counter, EnvironmentInput, MemberSignal
from activities.models.reconciliations import Reconciliation
from activities.models.status import ArtifactSet
from activities.models.tracking import TrackerRef
from workflows.runtime.ancestry import KnownRelation


@dataclass(frozen=True, kw_only=True)
class Member:
    """Hold the newest view of one tracker and what is owed to it."""

    signal: MemberSignal
    received_at: datetime
    asked_at: datetime | None = None
    answer_due: bool = True
    doubted: bool = False
    """Whether it may not know that it has the lane, and is to be asked."""


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """Name a live tracker that has not answered since the place started without memory."""

    tracker: TrackerRef
    asked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class OlderAttempt:
    """Name an attempt that a newer one of its tracker replaced, and that may still write."""

    tracker: TrackerRef
    received: Counter = field(default_factory=Counter)
    """Its newest view: an older one that arrives late proves nothing."""
    asked_at: datetime | None = None
    down_to: int = 0
    """The first of the attempts before it that may write as well, and are asked after it; 0 = none is."""


@dataclass(frozen=True, kw_only=True)
class GivenGrant:
    """Hold a grant that its receiver has neither taken nor declined."""

    uid: str
    hop: int
    answers: Counter
    since: Counter
    """The place's counter when it was given: who received this or a later one has seen the grant."""


@dataclass(frozen=True, kw_only=True)
class RosterState:
    """Hold the lane: members, who is gone, the open grant and who is still to answer."""

    epoch: int
    n: int = 0
    members: tuple[Member, ...] = ()
    departed: dict[str, Counter] = field(default_factory=dict)
    grant: GivenGrant | None = None
    vanished: str = ""
    """Name of a holder whose workflow is gone, while its activities may still run."""
    vanished_until: datetime | None = None
    listed: bool = False
    awaited: tuple[Awaited, ...] = ()
    older: tuple[OlderAttempt, ...] = ()
    cursor: TrackersCursor | None = None
    """Where the next page of live trackers begins; None before the first one, and after the last."""
    known_trackers: int = 0


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Remember what a member was last sent, so that it receives only what is new to it."""

    deployments: dict[str, str] = field(default_factory=dict)
    """Of a holder alone: digests of what it was sent of each deployment, the quiet ones left as they were."""
    seen: str = ""
    """Digest of all that concerns any other member: hundreds of members times hundreds of deployments fit in none."""
    text: str = ""
    """Digest of whom it waits for and why nothing can be observed."""
    grant: Counter | None = None
    """The newest grant that it was sent."""
    holds: bool = False
    """Whether it was the holder then."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Hold what the place runs, as last observed."""

    observations: tuple[Observation, ...] = ()
    at: datetime | None = None
    since: dict[str, datetime] = field(default_factory=dict)
    """Deployment -> when a change of what it runs was seen; absent where no run of the place saw it change."""
    moved_by: dict[str, str] = field(default_factory=dict)
    history: tuple[ArtifactSet, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ObserverState:
    """Hold the environment as last read, what it runs, and how eagerly it is looked at."""

    environment: EnvironmentView | None = None
    environment_failure: Failure | None = None
    """Why the environment's declaration cannot be read."""
    environment_due: datetime | None = None
    observed: Observed = Observed()
    failure: Failure | None = None
    """Why the deployments cannot be read at all."""
    failing_since: datetime | None = None
    """Since when something could not be read for a reason that usually passes."""
    pause: timedelta | None = None
    due: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ComparerState:
    """Hold why revisions cannot be compared, and until when the host wants no call."""

    problem: str = ""
    failing_since: datetime | None = None
    again_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class KeptReports:
    """Hold what Flux reported, and when it was last looked whether the Environment names it."""

    known: tuple[Reconciliation, ...] = ()
    checked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class EnvironmentState:
    """Everything that one run hands to the next."""

    roster: RosterState
    observer: ObserverState
    sent: dict[str, Sent] = field(default_factory=dict)
    relations: tuple[KnownRelation, ...] = ()
    comparer: ComparerState = ComparerState()
    reports: KeptReports = KeptReports()
    sequence: int = 0
    lonely_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class EnvironmentStart(EnvironmentInput):
    """Start a run: as others write it, or with what the run before it hands over."""

    carried: EnvironmentState | None = None


@dataclass(frozen=True, kw_only=True)
class PlaceProgress:
    """Answer of the `progress` query."""

    environment: str
    repository: str
    holder: str
    members: int
    details: str
    """Markdown, the same as the Temporal UI's current details."""
    again_at: datetime | None = None
    """When it tries again what it cannot read; None while it tries, and where all of it can be read."""
