"""What a promotion carries from step to step and across continue-as-new."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntFlag, StrEnum

from activities.models.configuration import EnvironmentView, PolicySnapshot, TestSpec
from activities.models.delivery import Observation
from activities.models.drift import CreateDriftMonitorsInput, DriftNotice
from activities.models.failures import Failure
from activities.models.git_delivery import Proposal
from activities.models.label_sync import LabelsLeft, SyncResult
from activities.models.places import PlaceSignal, Role
from activities.models.promotion import CommandAnswer, PromotionInput
from activities.models.revisions import Shown
from activities.models.status import ApplicationResult, EventNote, PromotionRecord
from activities.models.testing import RunRef, RunState
from activities.models.tracking import Artifact, PullRequest, RepositoryView
from crds.reasons.vocabulary import Phase, State
from workflows.promotion.steered import SteeredState
from workflows.runtime.inbox import Accepted, Inbox

RECORDS_KEPT = 20
ANSWERS_KEPT = 100
SUPERSEDED_KEPT = 5
RELATIONS_KEPT = 300
SOURCE_MOVES_ALLOWED = 5
"""How many new rounds a moving source may cause in one hop before the tracker waits and states it."""


class RunBlocker(StrEnum):
    """What a run waits for that only people can give it."""

    NOTHING = ""
    APPROVAL = "approval"
    RUNNER = "runner"


@dataclass(kw_only=True)
class TestProgress:
    """Follow one run of one test; a retry is a new run with its own key and timeout."""

    __test__ = False

    spec: TestSpec
    retry: int = 0
    key: str = ""
    began: datetime | None = None
    """When the key was made: no run that shows it and is older can be ours. A hold moves it not."""
    foreign: str = ""
    """Which runs show the key and are not ours, and why; they count for nothing."""
    judged: bool = False
    """Whether the state is a verdict that was read, which stands; we may have ended the run ourselves instead."""
    later: str = ""
    """What became of the run after its verdict was read, because people ran it again; that counts for nothing."""
    run: RunRef | None = None
    state: RunState | None = None
    """None until the trigger was accepted."""
    url: str = ""
    number: str = ""
    message: str = ""
    blocker: RunBlocker = RunBlocker.NOTHING
    summary: str = ""
    failure: Failure | None = None
    """Why the last trigger or poll failed; not a verdict."""
    failing_since: datetime | None = None
    lasting: bool = False
    """Whether people are to know of the failure: it needs them, or has lasted for minutes."""
    unread: int = 0
    """Polls in a row that failed; each has one attempt, so that a single one proves little."""
    attempts: int = 0
    """Triggers that failed in a row; one that was refused to keep quiet counts for none."""
    next_poll: datetime | None = None
    """Before it the CI system wants no poll."""
    read_at: datetime | None = None
    """When the run was read last."""
    missed_at: datetime | None = None
    """When a look at the run failed last."""
    unconfirmed: bool = False
    """Whether a trigger may have been accepted without an answer that reached us."""
    untraceable: bool = False
    """Whether a run may exist that no one can find: only a person may have another one triggered."""
    next_trigger: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def final(self) -> bool:
        """Whether this run has its verdict."""
        return self.state is not None and self.state.final

    @property
    def note(self) -> str:
        """What people read: an error, else what the CI system reports; later attempts; and that others use the key."""
        return "; ".join(filter(None, (self.error or self.message, self.later, self.foreign)))

    @property
    def trouble(self) -> Failure | None:
        """The failure that people are to know of."""
        return self.failure if self.lasting else None

    @property
    def error(self) -> str:
        """What people read of it."""
        return self.trouble.text if self.trouble is not None else ""


@dataclass(frozen=True, kw_only=True)
class OpenCancel:
    """Name runs of one runner that are to be cancelled, and have not been yet."""

    runner: str
    runs: tuple[RunRef, ...]
    since: datetime
    again_at: datetime | None = None
    """When to ask again; a host may have asked for that time."""
    perhaps: bool = False
    """Whether one of them may have begun without an answer that reached us; lists may not show it yet."""


@dataclass(kw_only=True)
class Round:
    """Follow one round: all tests of the snapshot, triggered while `artifacts` ran in the source."""

    number: int
    artifacts: tuple[Artifact, ...]
    tests: list[TestProgress]
    started_at: datetime
    began_at: datetime | None = None
    """When it began; a hold moves `started_at`, and this one not."""
    timed_out: bool = False
    """Whether the round's own time is up."""
    confirmed: bool = False
    """Whether the source was read after the newest trigger and still ran the artifacts."""
    proposals: dict[str, Proposal] = field(default_factory=dict)
    """Branch -> the pull request to it whose head shows the tests: that head is the tested one."""
    proposed: bool = False
    """Whether such pull requests were looked for."""


class Refusal(StrEnum):
    """Why a hop may not be written at the moment."""

    NONE = ""
    DIVERGED = "TargetDiverged"
    UNREADABLE = "TargetUnreadable"


class Touch(IntFlag):
    """What we did at a deployment."""

    WRITTEN = 1
    """Its spec names the revision, in this attempt."""
    REQUESTED = 2
    """Argo CD accepted a sync of ours in this attempt, or its auto-sync has to do it."""
    MOVED = 4
    """We wrote it or had it synced in any attempt of the hop: what arrives there, we brought."""


@dataclass(kw_only=True)
class Hop:
    """Follow one hop from its source to its target."""

    number: int
    policy: PolicySnapshot
    began_at: datetime | None = None
    nonce: str = ""
    """Random text that came with the policy. It is part of each key and shown nowhere: all other parts are public, so
    that anybody could start a run in advance and have it found as ours."""
    round: Round | None = None
    source_moves: int = 0
    source_moved: list[str] = field(default_factory=list)
    approved_by: str = ""
    """Who gave the `promote` or `retry` that was carried out, or `autoPromote`; one that waits is in the inbox."""
    approval: Accepted | None = None
    """The `promote` that was carried out: a `retest` before the first write has it wait again."""
    override: tuple[Observation, ...] | None = None
    """The target as the person saw it who promotes although it diverged."""
    untouched: bool = False
    """Promoting, and nothing was written since the lane was taken: `retest` still gives it back."""
    voided: tuple[Artifact, ...] = ()
    """What the round was about that a `retest` has voided; the next one has not begun."""
    attempt: int = 0
    """Grows with each `retry`, so that a retried sync has a key of its own."""
    results: dict[str, ApplicationResult] = field(default_factory=dict)
    wave: int | None = None
    wave_started: datetime | None = None
    looked_at: datetime | None = None
    """When the wave was looked at last."""
    unseen: bool = False
    """Whether that look could not show what has not arrived, or a write found no system: the deadline stands still."""
    in_wave: bool = False
    """Whether the wave runs; else Promoting is at a boundary, where a hold takes effect."""
    failing_since: datetime | None = None
    """Since when writes fail."""
    write_after: datetime | None = None
    """Before it Argo CD wants no write."""
    write_failure: Failure | None = None
    """Why the last write was not made."""
    write_failure_lasts: bool = False
    """Whether that is worth showing: it will not end by itself, or has lasted."""
    remedy: str = ""
    """What people can do for the deployments that did not arrive; empty while they run by themselves."""
    touched: dict[str, int] = field(default_factory=dict)
    """How far we went with each deployment, as a sum of `Touch`."""
    repeats: dict[str, int] = field(default_factory=dict)
    """How often in this attempt a deployment was written or synced again, because ours was lost."""
    blocked: str = ""
    """Why the wave stands still at the moment, such as a sync window that forbids our syncs; then `blocked_since` stops
    its deadline."""
    blocked_since: datetime | None = None
    blocked_until: datetime | None = None
    """When the window ends, as far as its schedule shows that."""
    environment_held: bool = False
    """Whether the wave stands still because a person holds the environment."""
    awaited: bool = False
    """Whether it is a pull request of ours that waits to be merged."""
    proposals: dict[str, Proposal] = field(default_factory=dict)
    """Branch -> the pull request to it that this wave has opened."""
    view: EnvironmentView | None = None
    """The target as it was at the hop's start, with its selectors resolved."""
    pause_until: datetime | None = None
    """End of the pause before the wave to come, so that continuing as new does not begin it again."""
    unresolved_since: datetime | None = None
    """Since when it is not known which applications a selector of the target means, as far as we can read it."""
    refusal: Refusal = Refusal.NONE
    refusal_message: str = ""
    refused: tuple[Observation, ...] = ()
    """The deployments that diverged, as they were when the message was made: what a person sees who promotes."""
    error: str = ""

    def touch(self, deployment: str, how: Touch) -> None:
        """Note what we did at a deployment."""
        self.touched[deployment] = self.touched.get(deployment, 0) | how

    def has(self, deployment: str, how: Touch) -> bool:
        """Return whether we did that at a deployment."""
        return bool(self.touched.get(deployment, 0) & how)

    def begin_attempt(self) -> None:
        """Forget what belongs to one attempt."""
        self.touched = {name: int(Touch.MOVED) for name in self.touched if self.has(name, Touch.MOVED)}
        self.proposals = {}
        if self.round is not None:
            # What a person retries is what the branches hold then.
            self.round.proposals = {}


@dataclass(kw_only=True)
class Hold:
    """Remember who gave the hold, and since when deadlines stand still."""

    by: str
    since: datetime
    reason: str = ""
    written_at: datetime | None = None
    """When it was asked for on the pull request, by the host's clock; None of one that came by another way."""
    untold: str = ""
    """Why no place ahead knows of it yet: who is ahead was asked in vain."""


@dataclass(kw_only=True)
class PromotionState(SteeredState):
    """Everything that one attempt of a tracker knows; small enough to be carried in one payload."""

    started_at: datetime
    state: State = State.PENDING
    reason: str = ""
    message: str = ""
    since: datetime | None = None
    """When the current state was entered, or its reason last changed."""
    shown_state: State | None = None
    """State that was published last: the current one, or Held."""
    shown_since: datetime | None = None
    """When that state began, whatever reasons it had."""
    environment: str = ""
    """Where the change is now, or is first to arrive."""
    hops: int = 0
    rounds: int = 0
    """Rounds begun in this hop, over retests too, so that no key is ever used for two runs."""
    repository: RepositoryView | None = None
    awaited_merge: bool = False
    """Whether the merge was waited for: weeks, maybe, in which the repository's components were declared."""
    pull_request: PullRequest | None = None
    listed_at: datetime | None = None
    """When the list was asked for whose news of the pull request was taken last."""
    components: tuple[str, ...] | None = None
    """Components that the pull request touches; None until known."""
    policies: tuple[str, ...] = ()
    """Policies that were found for where the change is: the rivals, or the one that is invalid."""
    ahead: tuple[str, ...] = ()
    phase: Phase = Phase.WORKING
    member_of: dict[str, Role] = field(default_factory=dict)
    farewells_owed: tuple[str, ...] = ()
    """Places of which we are no member, and to which a run before this one could not send its view."""
    urls: dict[str, str] = field(default_factory=dict)
    """Environment -> where people see what runs there."""
    inbox: Inbox = field(default_factory=Inbox)
    """Accepted commands that no transition has carried out yet."""
    superseded: list[str] = field(default_factory=list)
    """The last accepted commands that could not be carried out any more, with the reason."""
    cancels: list[OpenCancel] = field(default_factory=list)
    unwatched: list[CreateDriftMonitorsInput] = field(default_factory=list)
    """Where the change arrived, and monitors are still to be made."""
    drift: DriftNotice = field(default_factory=DriftNotice)
    """What the monitors of this tracker report."""
    hop: Hop | None = None
    hold: Hold | None = None
    hold_untold: bool = False
    """Whether the places ahead have yet to receive the last hold or release."""
    records: list[PromotionRecord] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    """Labels that stay on the pull request."""
    arrived: list[str] = field(default_factory=list)
    """Environments whose commit status is `success`."""
    shown: Shown | None = None
    labels_left: LabelsLeft = field(default_factory=LabelsLeft)
    label_sync: SyncResult | None = None
    """What the last look at the pull request's labels found and changed."""
    sync_request: str = ""
    """The `sync` that is to be answered."""
    sync_result: SyncResult | None = None
    """What the newest `sync` found and changed."""
    presented: bool | None = None
    """Whether the pull request shows the state; None before it was tried."""
    presentation_error: str = ""
    presentation_owed: bool = False
    """Whether a presentation failed or was cut off, and is to be tried again."""
    presentation_failing_since: datetime | None = None
    """Since when presentations fail, also where that is not shown yet."""
    present_after: datetime | None = None
    """Before it the host wants no presentation."""
    failure: Failure | None = None
    """Why the current step cannot go on, as people are shown it."""
    failing_since: datetime | None = None
    """Since when the question at hand has no answer, also where that is not shown yet."""
    question: str = ""
    """What the question at hand is about, as who asked calls it."""
    refusal: Failure | None = None
    """Why the question at hand has no answer, also where that is not shown yet."""
    ask_after: datetime | None = None
    """Before it the host that answered last in vain wants no call."""
    views: dict[str, PlaceSignal] = field(default_factory=dict)
    """Views of source and target that a run hands over: being continued changes nothing that is shown."""
    outdated: bool = False
    """Whether a read of ours has proved the source's view to be old."""
    sequence: int = 0
    signals: int = 0
    """Counter n of our member signals."""
    events: int = 0
    pending_events: list[EventNote] = field(default_factory=list)
    events_dropped: int = 0
    """Events that were left out of those that wait to be written."""
    answers: dict[str, CommandAnswer] = field(default_factory=dict)
    relations: dict[str, str] = field(default_factory=dict)
    """`base...head` -> Relation; answers for full hashes never change."""

    def keep_answer(self, request_id: str, answer: CommandAnswer) -> None:
        """Keep what a command was answered; the oldest go first."""
        self.answers[request_id] = answer
        while len(self.answers) > ANSWERS_KEPT:
            self.answers.pop(next(iter(self.answers)))

    @property
    def problem(self) -> str:
        """What people read of the failure."""
        return self.failure.text if self.failure is not None else ""

    @property
    def problem_object(self) -> str:
        """What it is about, such as `Secret/github`."""
        return self.failure.object if self.failure is not None else ""


@dataclass(frozen=True, kw_only=True)
class PromotionStart(PromotionInput):
    """Start a run: what the starter sends, and what an earlier run hands over when it continues as new."""

    carried: PromotionState | None = None

    def state(self, now: datetime) -> PromotionState:
        """Return what is carried, or what a first run knows."""
        return self.carried or PromotionState(started_at=now, since=now, drift=self.drift)
