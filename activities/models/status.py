"""What workflows publish to Kubernetes. Field names are those of the custom resources' status, in snake case."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from activities.models import budgets
from activities.models.bounds import Bounded, First, Last, Line, Link, Short, Text
from activities.models.label_sync import SyncResult
from activities.models.tracking import Artifact, PullRequest, TrackerRef
from crds.reasons.vocabulary import State, Waiting

NO_ACTION = "no action needed"
"""`unblock_with` of a wait that ends without a person."""


@dataclass(frozen=True, kw_only=True)
class WaitingFor(Bounded):
    """What a promotion waits for: state and cause in `observed`, the way out in `unblock_with`."""

    what: Waiting
    object: Line = ""
    wanted: Text = ""
    observed: Text = ""
    since: datetime | None = None
    until: datetime | None = None
    unblock_with: Text = ""
    """What a person does, as a command line or in the imperative; else NO_ACTION."""
    command: Text = ""
    """The command line that `unblock_with` is, or ends with; empty where it ends with none."""
    reason_code: Short = ""
    """A WaitingReason."""


@dataclass(frozen=True, kw_only=True)
class TestStatus(Bounded):
    __test__ = False

    name: str
    runner: str
    required: bool
    state: str
    """A RunState, or `Pending` before its trigger was accepted."""
    url: Link = ""
    number: Short = ""
    key: str = ""
    round: int = 1
    retry: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    message: Line = ""
    summary: Line = ""

    @property
    def detail(self) -> str:
        """Why the run is as it is, then its counts: a job may fail all of whose tests passed."""
        return "; ".join(filter(None, (self.message, self.summary)))


@dataclass(frozen=True, kw_only=True)
class TestAggregateResult(Bounded):
    """Sum up a round; `all_passed` is about required tests only."""

    __test__ = False

    all_passed: bool
    any_failed: bool
    any_running: bool
    any_timeout: bool
    results: dict[str, str] = field(default_factory=dict)
    failure_reasons: tuple[Line, ...] = ()
    optional_tests_failed: bool = False


@dataclass(frozen=True, kw_only=True)
class ApplicationResult(Bounded):
    deployment: str
    application: str
    result: str
    """An ApplicationOutcome."""
    artifact: Artifact | None = None
    message: Line = ""


@dataclass(frozen=True, kw_only=True)
class PolicyRef:
    name: str
    generation: int | None = None


@dataclass(frozen=True, kw_only=True)
class AwaitedPullRequest:
    """Name a pull request of ours that waits to be merged."""

    repository: str
    """GitRepository that it is of."""
    number: int


@dataclass(frozen=True, kw_only=True)
class HopStatus(Bounded):
    """The way from one environment to the next that the tracker is on; commands name its target."""

    index: int
    source: str
    target: str
    policy: PolicyRef | None = None
    round: int | None = None
    diverged: dict[str, str] | None = None
    """Deployment of the target that diverged -> the revisions that it holds; what `promote --reason` overrides."""
    pull_requests: Annotated[tuple[AwaitedPullRequest, ...], First(budgets.AWAITED_SHOWN)] = ()
    """Those that the wave at hand waits for."""


@dataclass(frozen=True, kw_only=True)
class PromotionRecord(Bounded):
    """Record how one hop ended."""

    promoted: bool
    result: str
    """A RecordResult."""
    source: str
    target: str
    policy: PolicyRef
    at: datetime
    artifacts: tuple[Artifact, ...] = ()
    tests: tuple[TestStatus, ...] = ()
    aggregate: TestAggregateResult | None = None
    source_moved: Annotated[tuple[Line, ...], Last(budgets.MOVES_KEPT)] = ()
    """`from -> to` per component, in order."""
    promoted_by: Line = ""
    """`autoPromote`, or who gave the promote command."""
    brought_by: str = ""
    """Tracker that brought the artifact where it was already contained."""
    applications: tuple[ApplicationResult, ...] = ()
    error: Text = ""
    applications_omitted: int | None = None
    """Results of applications that were left out, so that all records together stay within their budget."""
    tests_omitted: int | None = None


@dataclass(frozen=True, kw_only=True)
class WorkflowStatus(Bounded):
    id: str
    run_id: str
    started_at: datetime
    url: Link = ""


@dataclass(frozen=True, kw_only=True)
class ConditionStatus(Bounded):
    type: str
    status: str
    """True, False or Unknown."""
    reason: str
    message: Text = ""


@dataclass(frozen=True, kw_only=True)
class TrackerStatus(Bounded):
    """The whole status that the workflow owns."""

    state: State
    sequence: int
    attempt: int
    observed_generation: int = 0
    reason: str = ""
    message: Text = ""
    waiting_for: WaitingFor | None = None
    environment: str = ""
    revision: str = ""
    state_since: datetime | None = None
    """When the state began; other than `waiting_for.since` it stays while only the reason changes."""
    held_state: State | None = None
    """What a Held promotion goes back to."""
    artifacts: tuple[Artifact, ...] = ()
    hop: HopStatus | None = None
    pull_request: PullRequest | None = None
    tests: tuple[TestStatus, ...] = ()
    aggregate: TestAggregateResult | None = None
    promotions: tuple[PromotionRecord, ...] = ()
    superseded: tuple[Line, ...] = ()
    """The last commands that were accepted and could not be carried out any more, `uid: why`."""
    label_sync: SyncResult | None = None
    """What the newest `sync` found and changed."""
    workflow: WorkflowStatus | None = None
    conditions: tuple[ConditionStatus, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EventNote(Bounded):
    """A Kubernetes event on the tracker. `id` makes its repetition harmless."""

    id: str
    warning: bool
    reason: str
    message: Text
    at: datetime | None = None
    environment: str = ""
    """Where the change is to be promoted, or between two hops where it is."""
    source: str = ""
    """Where it comes from; empty between two hops."""
    round: int | None = None
    by: Line = ""
    """Who gave a command."""


@dataclass(frozen=True, kw_only=True)
class PublishStatusInput:
    tracker: TrackerRef
    repository: str = ""
    status: TrackerStatus
    events: tuple[EventNote, ...] = ()
    events_dropped: int = 0
    """Older events that were left out while no one wrote them."""


@dataclass(frozen=True, kw_only=True)
class PublishStatusResult:
    written: bool
    """False when the tracker is gone, recreated, of another attempt, or has a newer status already."""
    reason: str = ""
    sequence: int = 0
    """What stands there in place of an older sequence; 0 where the reason is another one."""


@dataclass(frozen=True, kw_only=True)
class DeploymentStatus(Bounded):
    name: str
    artifact: Artifact | None
    health: str
    since: datetime | None = None
    problem: Line = ""
    not_writable: Line = ""
    """Why a promotion could not write it; empty when it could, or need not."""
    not_writable_reason: str = ""
    """The same as a reason of `Writable`."""


@dataclass(frozen=True, kw_only=True)
class MemberStatus:
    tracker: str
    phase: str
    held: bool = False


@dataclass(frozen=True, kw_only=True)
class LaneStatus:
    holder: str = ""
    members: tuple[MemberStatus, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ArtifactSet:
    """What a place ran from `at` on."""

    at: datetime
    artifacts: tuple[Artifact, ...]
    tracker: str = ""


@dataclass(frozen=True, kw_only=True)
class PlaceStatus:
    """The status of one repository in one environment (Environment.status.repositories[])."""

    repository: str
    sequence: int
    deployments: tuple[DeploymentStatus, ...]
    lane: LaneStatus
    history: tuple[ArtifactSet, ...] = ()
    """The last 20 artifact sets, newest first."""


@dataclass(frozen=True, kw_only=True)
class PublishPlaceInput:
    namespace: str
    environment: str
    status: PlaceStatus
