"""The status of a PullRequestTracker: state, wait, tests and records of the promotion."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Headline, Link, Name, ShortText, Text, Time, keep_first, keep_last
from crds.model import Model, extra
from crds.resource import ConditionedStatus
from crds.sequences import Sequence, sequence_rule
from crds.v1alpha1.artifact import Artifact
from crds.v1alpha1.tests_status import TestAggregateResult, TestStatus

MAX_PROMOTIONS = 20
MAX_SUPERSEDED = 5
MAX_LABELS_CHANGED = 10
MAX_TESTS = 50
MAX_APPLICATIONS = 200
MAX_AWAITED = 10


class TrackerState(StrEnum):
    """Where the promotion stands."""

    PENDING = "Pending"
    AWAITING_MERGE = "AwaitingMerge"
    AWAITING_SYNC = "AwaitingSync"
    SYNCED = "Synced"
    AWAITING_POLICY = "AwaitingPolicy"
    TESTING = "Testing"
    TESTS_FAILED = "TestsFailed"
    READY_TO_PROMOTE = "ReadyToPromote"
    HELD = "Held"
    PROMOTING = "Promoting"
    PROMOTION_FAILED = "PromotionFailed"
    COMPLETED = "Completed"
    CLOSED = "Closed"
    ABORTED = "Aborted"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({TrackerState.COMPLETED, TrackerState.CLOSED, TrackerState.ABORTED})


class WaitingForWhat(StrEnum):
    """The kinds of waiting."""

    MERGE = "Merge"
    SYNC = "Sync"
    POLICY = "Policy"
    VERDICT = "Verdict"
    RETEST = "Retest"
    PROMOTE_COMMAND = "PromoteCommand"
    LANE = "Lane"
    TARGET = "Target"
    RELEASE = "Release"
    DELIVERY = "Delivery"
    RETRY = "Retry"
    REFERENCE = "Reference"


class WaitingFor(Model):
    """What the promotion waits for; filled in every state that is not terminal."""

    what: WaitingForWhat
    """Kind of waiting."""
    object: ShortText | None = None
    """Who or what is waited on, such as `Environment staging` or `PullRequestTracker web-411`."""
    wanted: Text | None = None
    """What would end the wait."""
    observed: Text | None = None
    """What was seen last instead."""
    since: Time | None = None
    """Start of the wait."""
    until: Time | None = None
    """Deadline after which the wait ends as a failure; none means that it lasts."""
    unblock_with: Text | None = None
    """What a person does to end the wait, as a command line or in the imperative; `no action needed` where it ends by
    itself."""
    reason_code: ShortText | None = None
    """Why it waits, in one of the documented reasons of a wait, which do not change."""


class PullRequestInfo(Model):
    """The pull request as last read from the SCM host."""

    number: int | None = None
    """Number at the host."""
    title: ShortText | None = None
    """Title."""
    author: ShortText | None = None
    """Login of the author."""
    url: Link | None = None
    """Address for people."""
    state: ShortText | None = None
    """Open, Merged or Closed."""
    head_sha: ShortText | None = None
    """Newest commit of the pull request."""
    merge_sha: ShortText | None = None
    """Commit that the merge made."""
    merged_at: Time | None = None
    """When it was merged, where the host dates that itself."""
    branch: ShortText | None = None
    """Branch that was proposed."""
    base_branch: ShortText | None = None
    """Branch that it was merged into."""
    labels: Annotated[tuple[ShortText, ...], Field(max_length=100), keep_first(100)] = ()
    """Labels at the host."""


class WorkflowInfo(Model):
    """The workflow of the current attempt."""

    id: ShortText
    """Workflow id."""
    run_id: ShortText | None = None
    """Id of the newest run."""
    started_at: Time | None = None
    """When the workflow was started; kept over continue-as-new."""
    url: Link | None = None
    """The workflow in the Temporal UI."""


class PolicySnapshot(Model):
    """The policy that a hop took at its start."""

    name: ShortText
    """Name of the PromotionPolicy."""
    generation: int | None = None
    """Its generation when it was taken."""


class AwaitedPullRequest(Model):
    """A pull request of Pilotage's own that waits to be merged."""

    repository: Name
    """GitRepository that it is of."""
    number: Annotated[int, Field(ge=1)]
    """Number at the host."""


class Hop(Model):
    """The way from one environment to the next that the tracker is on."""

    index: Annotated[int, Field(ge=0)]
    """Number of the hop within the attempt, from 0."""
    source: Name
    """Environment that the change comes from."""
    target: Name
    """Environment that the change goes to; commands name it."""
    policy: PolicySnapshot | None = None
    """Policy in force."""
    round: Annotated[int, Field(ge=0)] | None = None
    """Round of tests, from 1."""
    diverged: Annotated[dict[str, ShortText], Field(max_length=MAX_APPLICATIONS)] | None = None
    """Deployments of the target that diverged, with the revisions that each holds: what `promote` would override."""
    pull_requests: Annotated[
        tuple[AwaitedPullRequest, ...], Field(max_length=MAX_AWAITED, json_schema_extra=extra(list_type="atomic"))
    ] = ()
    """Pull requests that the wave at hand waits for, for delivery by Git; the first 10."""


class ApplicationRecord(Model):
    """The result of a hop for one application."""

    deployment: ShortText
    """Entry of the environment's `deployments`."""
    application: ShortText
    """Application of the delivery system."""
    result: ShortText
    """Promoted, AlreadyContained, Failed, NotArrived, WrittenNotSynced, NotWritten or Observed."""
    artifact: Artifact | None = None
    """What it runs now."""
    message: Text | None = None
    """Why it failed, or who brought the artifact."""


class PromotionRecord(Model):
    """One finished hop."""

    promoted: bool
    """Whether the target runs the artifact or what contains it."""
    result: ShortText
    """Promoted, AlreadyContained or Failed."""
    source: ShortText
    """Environment that the change came from."""
    target: ShortText
    """Environment that the change went to."""
    policy: PolicySnapshot | None = None
    """Policy of the hop."""
    at: Time
    """End of the hop."""
    artifacts: Annotated[tuple[Artifact, ...], Field(max_length=50), keep_first(50)] = ()
    """What was promoted."""
    tests: Annotated[tuple[TestStatus, ...], Field(max_length=MAX_TESTS), keep_first(MAX_TESTS)] = ()
    """Tests of the counted round, as they stood at the end of the hop."""
    aggregate: TestAggregateResult | None = None
    """Verdict of the round."""
    source_moved: Annotated[tuple[ShortText, ...], Field(max_length=50), keep_last(50)] = ()
    """Moves of the source after the last trigger, each `from -> to`, in order."""
    promoted_by: ShortText | None = None
    """`autoPromote`, or the person whose `promote` was taken."""
    brought_by: ShortText | None = None
    """Tracker that brought the artifact, for AlreadyContained."""
    applications: Annotated[
        tuple[ApplicationRecord, ...], Field(max_length=MAX_APPLICATIONS), keep_first(MAX_APPLICATIONS)
    ] = ()
    """Result per application."""
    error: Text | None = None
    """What failed, and what to fix."""
    applications_omitted: Annotated[int, Field(ge=0)] | None = None
    """Results of applications that are left out: all records together have a size, and older ones lose detail first."""
    tests_omitted: Annotated[int, Field(ge=0)] | None = None
    """Tests that are left out for the same reason."""


LabelList = Annotated[tuple[ShortText, ...], Field(max_length=MAX_LABELS_CHANGED), keep_first(MAX_LABELS_CHANGED)]


class LabelSync(Model):
    """What a `sync` found and changed of the labels on the pull request."""

    request: ShortText | None = None
    """Uid of the PromotionCommand that asked for it."""
    initial_state: ShortText | None = None
    """State that the labels showed before; none where they showed none."""
    final_state: ShortText | None = None
    """State that they show now."""
    labels_added: Annotated[
        tuple[ShortText, ...], Field(max_length=MAX_LABELS_CHANGED), keep_first(MAX_LABELS_CHANGED)
    ] = ()
    """Labels that were added."""
    labels_removed: Annotated[
        tuple[ShortText, ...], Field(max_length=MAX_LABELS_CHANGED), keep_first(MAX_LABELS_CHANGED)
    ] = ()
    """Labels that were removed."""
    errors: Annotated[tuple[Text, ...], Field(max_length=MAX_LABELS_CHANGED), keep_first(MAX_LABELS_CHANGED)] = ()
    """Why they could not be read or changed."""
    sync_time: Time | None = None
    """When it was done."""
    reason: ShortText | None = None
    """Why labels and tracker agree, or do not: the reason of the condition `LabelsInSync`."""
    ignored: LabelList = ()
    """Labels of Pilotage's prefix that mean nothing."""
    too_long: LabelList = ()
    """Labels that the host has no room for."""


class PullRequestTrackerStatus(ConditionedStatus):
    """Everything that is known about the promotion; written by its workflow, through the watcher."""

    rules: ClassVar = (sequence_rule("status.sequence"),)

    state: TrackerState | None = None
    """Where the promotion stands."""
    state_since: Time | None = None
    """When the state began; a new reason for the same state does not change it."""
    held_state: TrackerState | None = None
    """State that a Held promotion goes back to."""
    reason: ShortText | None = None
    """Why it is in its state, as a name from a closed list."""
    message: Text | None = None
    """Why it is in its state, for people."""
    waiting_for: WaitingFor | None = None
    """What it waits for; filled in every state that is not terminal."""
    environment: ShortText | None = None
    """Environment that the change has reached, or is to be deployed in first."""
    revision: ShortText | None = None
    """Revision that is promoted: a commit of the application repository."""
    artifacts: Annotated[tuple[Artifact, ...], Field(max_length=50), keep_first(50)] = ()
    """What is promoted, by component."""
    pull_request: PullRequestInfo | None = None
    """The pull request as last read."""
    title: Headline | None = None
    """Title of the pull request, shortened for tables."""
    hop: Hop | None = None
    """The hop at hand."""
    tests: Annotated[
        tuple[TestStatus, ...],
        Field(max_length=MAX_TESTS, json_schema_extra=extra(list_type="atomic")),
        keep_first(MAX_TESTS),
    ] = ()
    """Tests of the current round."""
    aggregate: TestAggregateResult | None = None
    """Verdict of the current round."""
    promotions: Annotated[
        tuple[PromotionRecord, ...],
        Field(max_length=MAX_PROMOTIONS, json_schema_extra=extra(list_type="atomic")),
        keep_last(MAX_PROMOTIONS),
    ] = ()
    """Finished hops, oldest first; the last 20 are kept."""
    superseded: Annotated[
        tuple[ShortText, ...],
        Field(max_length=MAX_SUPERSEDED, json_schema_extra=extra(list_type="atomic")),
        keep_last(MAX_SUPERSEDED),
    ] = ()
    """Commands that were accepted and could not be carried out any more: uid of the PromotionCommand, and why."""
    label_sync: LabelSync | None = None
    """What the newest `sync` found and changed."""
    workflow: WorkflowInfo | None = None
    """The workflow of the current attempt."""
    uid: ShortText | None = None
    """Uid of the tracker that the status was written for."""
    attempt: int | None = None
    """Attempt that the status is about."""
    sequence: Sequence | None = None
    """Order of the status writes of the workflow, in milliseconds since 1970: becomes smaller only where one far ahead
    of the clock, which no workflow wrote, is replaced."""
