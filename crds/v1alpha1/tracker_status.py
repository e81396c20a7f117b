"""The status of a PullRequestTracker: state, wait, tests and records of the promotion."""

from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Headline, Link, Name, ShortText, Text, Time, keep_first, keep_last
from crds.model import Model, extra
from crds.reasons.vocabulary import State, Waiting
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


class WaitingFor(Model):
    """What the promotion waits for; set in every state that is not an end."""

    what: Waiting
    """Kind of waiting."""
    object: ShortText | None = None
    """Resource that the promotion waits for, such as `Environment staging` or `PullRequestTracker web-411`."""
    wanted: Text | None = None
    """What ends the wait."""
    observed: Text | None = None
    """What Pilotage observed last."""
    since: Time | None = None
    """Start of the wait."""
    until: Time | None = None
    """Deadline after which the wait ends as a failure. Without it the wait has no end of its own."""
    unblock_with: Text | None = None
    """What a person does to end the wait: a command, or a sentence in the imperative. `no action needed` where the wait
    ends by itself."""
    command: Text | None = None
    """Command line that `unblockWith` is, or ends with, so that it can be copied."""
    reason_code: ShortText | None = None
    """Why the promotion waits: one of the documented reasons of a wait. Reasons are stable."""


class PullRequestInfo(Model):
    """The pull request as Pilotage read it last from the SCM host."""

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
    """When it was merged, if the host shows it."""
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
    """When the workflow started; the same after it continued as new."""
    url: Link | None = None
    """The workflow in the Temporal UI."""


class PolicySnapshot(Model):
    """The policy that a hop took at its start."""

    name: ShortText
    """Name of the PromotionPolicy."""
    generation: int | None = None
    """Generation of the policy when the hop took it."""


class AwaitedPullRequest(Model):
    """A pull request that Pilotage opened and that waits for its merge."""

    repository: Name
    """GitRepository of the pull request."""
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
    """Policy that the hop follows."""
    round: Annotated[int, Field(ge=0)] | None = None
    """Round of tests, from 1."""
    diverged: Annotated[dict[str, ShortText], Field(max_length=MAX_APPLICATIONS)] | None = None
    """Deployments of the target that diverged, each with the revisions that it runs. `promote` would override these."""
    pull_requests: Annotated[
        tuple[AwaitedPullRequest, ...], Field(max_length=MAX_AWAITED, json_schema_extra=extra(list_type="atomic"))
    ] = ()
    """Pull requests whose merge the wave waits for, in a delivery by Git; the first 10."""


class ApplicationRecord(Model):
    """The result of a hop for one application."""

    deployment: ShortText
    """Entry of the environment's `deployments`."""
    application: ShortText
    """Application of Argo CD, or Kustomization of Flux."""
    result: ShortText
    """Promoted, AlreadyContained, Failed, NotArrived, WrittenNotSynced, NotWritten or Observed."""
    artifact: Artifact | None = None
    """What the application runs at the end of the hop."""
    message: Text | None = None
    """Why it failed, or which tracker brought the artifact."""


class PromotionRecord(Model):
    """One finished hop."""

    promoted: bool
    """Whether the target runs the artifact, or one that contains it."""
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
    """Tests of the round that counted, as they were at the end of the hop."""
    aggregate: TestAggregateResult | None = None
    """Verdict of the round."""
    source_moved: Annotated[tuple[ShortText, ...], Field(max_length=50), keep_last(50)] = ()
    """Moves of the source after all tests were started, each `from -> to`, in order."""
    promoted_by: ShortText | None = None
    """`autoPromote`, or the person who gave `promote`."""
    brought_by: ShortText | None = None
    """Tracker that brought the artifact, where the result is AlreadyContained."""
    applications: Annotated[
        tuple[ApplicationRecord, ...], Field(max_length=MAX_APPLICATIONS), keep_first(MAX_APPLICATIONS)
    ] = ()
    """Result per application."""
    error: Text | None = None
    """What failed, and what to fix."""
    applications_omitted: Annotated[int, Field(ge=0)] | None = None
    """Number of applications that are left out. The size of all records is bounded; older ones lose detail first."""
    tests_omitted: Annotated[int, Field(ge=0)] | None = None
    """Number of tests that are left out for the same reason."""


LabelList = Annotated[tuple[ShortText, ...], Field(max_length=MAX_LABELS_CHANGED), keep_first(MAX_LABELS_CHANGED)]


class LabelSync(Model):
    """What a `sync` found and changed of the labels on the pull request."""

    request: ShortText | None = None
    """Uid of the PromotionCommand that asked for it."""
    initial_state: ShortText | None = None
    """State that the labels showed before; not set where they showed none."""
    final_state: ShortText | None = None
    """State that the labels show now."""
    labels_added: Annotated[
        tuple[ShortText, ...], Field(max_length=MAX_LABELS_CHANGED), keep_first(MAX_LABELS_CHANGED)
    ] = ()
    """Labels that Pilotage added."""
    labels_removed: Annotated[
        tuple[ShortText, ...], Field(max_length=MAX_LABELS_CHANGED), keep_first(MAX_LABELS_CHANGED)
    ] = ()
    """Labels that Pilotage removed."""
    errors: Annotated[tuple[Text, ...], Field(max_length=MAX_LABELS_CHANGED), keep_first(MAX_LABELS_CHANGED)] = ()
    """Why Pilotage could not read or change labels."""
    sync_time: Time | None = None
    """When the `sync` ended."""
    reason: ShortText | None = None
    """Reason of the condition `LabelsInSync`."""
    ignored: LabelList = ()
    """Labels with Pilotage's prefix that mean nothing."""
    too_long: LabelList = ()
    """Labels whose name is too long for the host."""


class PullRequestTrackerStatus(ConditionedStatus):
    """The promotion as its workflow publishes it, through the watcher."""

    rules: ClassVar = (sequence_rule("status.sequence"),)

    state: State | None = None
    """State of the promotion."""
    state_since: Time | None = None
    """When the state started. A new reason for the same state does not change it."""
    held_state: State | None = None
    """State that a Held promotion goes back to."""
    reason: ShortText | None = None
    """Why the promotion is in its state: the state's name, or one of the documented reasons."""
    message: Text | None = None
    """Why the promotion is in its state, for people."""
    waiting_for: WaitingFor | None = None
    """What the promotion waits for; set in every state that is not an end."""
    environment: ShortText | None = None
    """Environment that the change has reached, or where it is deployed first."""
    revision: ShortText | None = None
    """Revision that Pilotage promotes: a commit of the application repository."""
    artifacts: Annotated[tuple[Artifact, ...], Field(max_length=50), keep_first(50)] = ()
    """Artifacts that Pilotage promotes, by component."""
    pull_request: PullRequestInfo | None = None
    """The pull request as Pilotage read it last."""
    title: Headline | None = None
    """Title of the pull request, shortened for tables."""
    hop: Hop | None = None
    """The hop that the promotion is in."""
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
    """Hops that ended, the oldest first; the last 20."""
    superseded: Annotated[
        tuple[ShortText, ...],
        Field(max_length=MAX_SUPERSEDED, json_schema_extra=extra(list_type="atomic")),
        keep_last(MAX_SUPERSEDED),
    ] = ()
    """Commands that Pilotage accepted and could not carry out any more: uid of the PromotionCommand, and why."""
    label_sync: LabelSync | None = None
    """What the newest `sync` found and changed."""
    workflow: WorkflowInfo | None = None
    """The workflow of the current attempt."""
    uid: ShortText | None = None
    """Uid of the tracker that the status was written for."""
    attempt: int | None = None
    """Attempt that the status is about."""
    sequence: Sequence | None = None
    """Order of the status writes of the workflow, in milliseconds since 1970. It only grows, unless Pilotage replaces
    a forged one far ahead of the clock."""
