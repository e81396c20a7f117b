"""Drift: what was promoted where, what was seen of it, and what is written and shown of that."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from activities.models import budgets
from activities.models.bounds import Bounded, First, Line, Short
from activities.models.failures import BriefFailure
from activities.models.revisions import RevisionPair
from activities.models.tracking import Artifact, Timings, TrackerRef
from crds.reasons.vocabulary import Drift

DRIFT_HEADING = "#### Drift"
"""Begins the last section of a summary comment, which changes also after the promotion ended."""


@dataclass(frozen=True, kw_only=True)
class InstanceRef:
    """Name one ArgoCDInstance; the uid sets a recreated one apart from its predecessor."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, kw_only=True)
class DriftWorkflowInput:
    """Start (or continue) the DriftWorkflow of one ArgoCDInstance."""

    installation: str
    instance: InstanceRef
    timings: Timings = field(default_factory=Timings)
    pending: tuple["Suspicion", ...] = ()
    """What was seen once and is not shown yet."""
    silent: tuple["Silence", ...] = ()
    """What did not answer when it was asked last."""
    owed: tuple[str, ...] = ()
    """Trackers whose pull requests do not show yet what their monitors report."""
    syncs: tuple["OpenSync", ...] = ()
    """Syncs that are still to be requested."""
    cursor: str = ""
    gone: tuple["GoneTracker", ...] = ()
    """Deleted trackers whose pull requests show drift still."""
    history_limit: int = 500


@dataclass(frozen=True, kw_only=True)
class Verdict(Bounded):
    """State whether a promoted change is in place, and how it drifted if not."""

    kind: Drift | None = None
    """None = it is in place."""
    expected: Line = ""
    observed: Line = ""


@dataclass(frozen=True, kw_only=True)
class Suspicion(Bounded):
    """Keep a verdict of one monitor that differs from what is shown, until a second look."""

    monitor: str
    verdict: Verdict
    seen: str = ""
    """Digest of what Argo CD listed when it was first seen."""


@dataclass(frozen=True, kw_only=True)
class Silence(Bounded):
    """State why nothing can be read of a project, or with an empty one of all that an instance knows."""

    project: str
    failure: BriefFailure
    shown: bool = False
    """Whether it stands in the status of the monitors that it concerns."""


@dataclass(frozen=True, kw_only=True)
class DriftReading(Bounded):
    """What a look at one monitor's application found, where that differs from its status."""

    monitor: str
    uid: str
    generation: int
    tracker: str
    repository: str
    seen: str
    """Digest of what Argo CD listed, to be known again; empty at a second look, which lists nothing."""
    verdict: Verdict
    """What is published, unless `moved` is."""
    moved: Verdict | None = None
    """What is published instead, unless `pair` shows that what runs contains what was promoted."""
    pair: RevisionPair | None = None
    runs: Artifact | None = None
    """What runs instead, where that is what `pair` compares."""
    shown: Drift | None = None
    """The kind that the status shows."""
    shown_tracker: str = ""
    """The tracker that the status is about; empty where there is no status yet."""
    current: bool = True
    """Whether the status is about this generation; what is in place from the beginning needs no second look."""
    earlier: bool = False
    """Whether the status is about an earlier promotion, whatever tracker brought it."""
    parameters: dict[str, str] | None = None
    """Baseline to be kept, where none is kept yet for this promotion."""
    promoted_at: datetime
    syncs: bool = False
    """Whether people want a sync requested where it is out of sync."""


@dataclass(frozen=True, kw_only=True)
class LookForDriftInput:
    """Look at all monitors of an instance, or at what was suspicious once more."""

    instance: InstanceRef
    first: tuple[str, ...] = ()
    """Monitors that are read before others, so that a suspicion is followed by a second look."""
    again: bool = False
    """Look at nothing but `first`, and whether `projects` answer by now."""
    projects: tuple[str, ...] = ()
    cursor: str = ""
    """The monitor behind which the look before this one ended."""

    @property
    def namespace(self) -> str:
        """Return the tenant whose share it takes."""
        return self.instance.namespace


@dataclass(frozen=True, kw_only=True)
class LookForDriftResult(Bounded):
    """What differs from what is shown; what is not named is as its status shows."""

    gone: bool = False
    """There is no such instance any more."""
    monitors: int = 0
    readings: Annotated[tuple[DriftReading, ...], First(budgets.DRIFT_READINGS)] = ()
    silent: Annotated[tuple[Silence, ...], First(budgets.DRIFT_SILENCES)] = ()
    left: int = 0
    """Monitors that had no turn in this pass, since each look reads a bounded number of applications."""
    cursor: str = ""
    """The monitor behind which the pass goes on; empty at its end."""


@dataclass(frozen=True, kw_only=True)
class DriftChange(Bounded):
    """What is to be written to one monitor."""

    monitor: str
    uid: str
    generation: int
    tracker: str
    seen: str
    verdict: Verdict
    promoted_at: datetime
    parameters: dict[str, str] | None = None
    rolled_back: Artifact | None = None
    """What runs, where that is older than what was promoted."""


@dataclass(frozen=True, kw_only=True)
class PublishDriftInput:
    """Write what changed to the monitors of an instance."""

    instance: InstanceRef
    at: datetime
    changes: tuple[DriftChange, ...] = ()
    silent: tuple[Silence, ...] = ()

    @property
    def namespace(self) -> str:
        """Return the tenant whose share it takes."""
        return self.instance.namespace


@dataclass(frozen=True, kw_only=True)
class PublishDriftResult:
    written: int = 0


@dataclass(frozen=True, kw_only=True)
class DriftNotice(Bounded):
    """What the monitors of a tracker report, for the presentation of its promotion."""

    order: int = 0
    """Only grows; an older notice changes nothing."""
    drifted: bool | None = None
    """None = unknown, so that the label stays as it is."""
    lines: Annotated[tuple[Line, ...], First(budgets.DRIFT_LINES)] = ()

    @property
    def section(self) -> str:
        """Return the end of a summary comment that names what drifted; empty where nothing did."""
        return "\n".join((DRIFT_HEADING, *self.lines)) if self.lines else ""


@dataclass(frozen=True, kw_only=True)
class GoneTracker(Bounded):
    """A deleted tracker: what its monitors reported goes from its pull request."""

    name: Short
    repository: Short
    number: int
    uid: Short = ""
    """Sets it apart from one that was created again under its name; empty = not known."""


@dataclass(frozen=True, kw_only=True)
class PresentDriftInput:
    """Show on a tracker's pull request what all its monitors report."""

    installation: str
    namespace: str
    tracker: str
    ended: bool = False
    """Whether its promotion was found to have ended, no matter what the status shows by then."""
    gone: GoneTracker | None = None
    """The tracker, where it was deleted."""


@dataclass(frozen=True, kw_only=True)
class PresentDriftResult:
    promotion: TrackerRef | None = None
    """The attempt that is to show it; None where it is shown, or there is no tracker any more."""
    notice: DriftNotice = field(default_factory=DriftNotice)


@dataclass(frozen=True, kw_only=True)
class OpenSync(Bounded):
    """Name a sync that is to be requested for one drift."""

    monitor: str
    key: str
    uid: str = ""
    """Of the monitor; empty = any."""


@dataclass(frozen=True, kw_only=True)
class SyncDriftedInput:
    """Request one sync of a monitor's application, as a promotion would."""

    namespace: str
    monitor: str
    key: str
    uid: str = ""
    """Of the monitor; empty = any."""


@dataclass(frozen=True, kw_only=True)
class WatchedDeployment:
    """One deployment that a promotion arrived in, as it ran then."""

    deployment: str
    application: str
    instance: str
    project: str
    revision: str
    tag: str = ""


@dataclass(frozen=True, kw_only=True)
class CreateDriftMonitorsInput:
    """Watch that a promoted change stays where it arrived."""

    tracker: TrackerRef
    repository: str
    environment: str
    deployments: tuple[WatchedDeployment, ...]
    promoted_at: datetime
    clusters: tuple[Short, ...] = ()
    """Deployments to be watched; empty = all of them."""


@dataclass(frozen=True, kw_only=True)
class CreateDriftMonitorsResult:
    monitors: tuple[str, ...] = ()
    """Names of those that watch this change now."""
