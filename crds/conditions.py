"""Conditions of a resource: their documented types and reasons, and how they are set and merged."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from crds.fields import Text, Time, truncate
from crds.model import Model

MESSAGE_LIMIT = 1024


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionType(StrEnum):
    """Every type but Stalled is positive: True is the state in which nobody has to act."""

    ACCEPTED = "Accepted"
    """The watcher has read the resource and works for it. Written by the watcher."""
    WORKFLOW_AVAILABLE = "WorkflowAvailable"
    """The workflow of the tracker's attempt runs, or ended in a terminal state. Written by the watcher."""
    COMPLETED = "Completed"
    """The change arrived in a final environment, or has nothing to deploy. False is no fault: the change is on its
    way, and `waitingFor` says whether anybody has to act; or it was closed or aborted. On trackers."""
    REFERENCES_RESOLVED = "ReferencesResolved"
    """All that the tracker needs at the moment is there and answers: resources, Secrets, jobs, applications. Where
    False, the message says what to fix first, then why. On trackers."""
    VALID = "Valid"
    """The resource contradicts neither itself nor what it names. On policies, environments and repositories."""
    READY = "Ready"
    """The sum of the others, on every kind. Trackers: accepted, with a workflow, and nothing that they need is
    missing; how far the change is, `state` says. Configuration: valid, reachable and, where a change was on its way
    there, writable. Commands: accepted."""
    STALLED = "Stalled"
    """A person must act, as the message says; on every kind. A promotion that waits for `promote` or `release` is not
    stalled: that is what its policy, or a person, asked for."""
    REACHABLE = "Reachable"
    """The server answers and accepts the credential. On repositories, SCM providers, test runners and Argo CD
    instances."""
    DISCOVERED = "Discovered"
    """Every pull request that `spec.discovery` matches has its tracker. On repositories with `discovery`."""
    PRESENTED = "Presented"
    """Label, commit status and comment on the pull request show the tracker's state. On trackers."""
    LABELS_IN_SYNC = "LabelsInSync"
    """The labels on the pull request say what the tracker does. On trackers, once the labels were looked at."""
    WRITABLE = "Writable"
    """Every deployment of the environment that is to be written can be."""
    IN_PLACE = "InPlace"
    """The promoted change, or what contains it, still runs as it was promoted; False names the kind of drift. On drift
    monitors."""
    STATUS_TRUSTED = "StatusTrusted"
    """Only Pilotage wrote the status's order. Written as False where somebody else did, and gone from the first write
    after a day. On trackers and environments."""


class ConditionReason(StrEnum):
    """Reasons are stable: alerts and scripts may match them."""

    ACCEPTED = "Accepted"
    """The attempt is accepted."""
    READY = "Ready"
    """Nothing is missing. Of Ready."""
    PENDING = "Pending"
    """A condition that belongs to the kind was not written yet, or speaks of an older spec. Of Ready."""
    NOT_STALLED = "NotStalled"
    """Nobody has to act. Of Stalled."""
    REFUSED = "Refused"
    """The command was refused; the message says why."""
    RUNNING = "Running"
    """The attempt's workflow runs."""
    FINISHED = "Finished"
    """The attempt's workflow ended in a terminal state."""
    TERMINATED = "Terminated"
    """The workflow was terminated or cancelled from outside; `pilotage restart` begins a new attempt."""
    FAILED = "Failed"
    """The workflow failed; `pilotage restart` begins a new attempt."""
    WORKFLOW_STALLED = "WorkflowStalled"
    """The attempt's workflow runs and does not go on: its task fails each time, or no worker polls its queue. Once
    workers can, it goes on by itself."""
    LOST = "Lost"
    """Temporal does not know the workflow any more, or it ended without saying how; `pilotage restart --lost`
    begins new attempts."""
    RESOLVED = "Resolved"
    """Nothing that the tracker needs is missing."""
    WAITING_FOR_REFERENCE = "WaitingForReference"
    """A named resource, Secret or pull request is missing or does not answer."""
    DEPLOYMENT_UNREADABLE = "DeploymentUnreadable"
    """Argo CD does not show what a deployment runs: fix the ArgoCDInstance, its Secret, or the Environment."""
    COMPONENT_NOT_DEPLOYED = "ComponentNotDeployed"
    """The Environment has no deployment of a component that the change touches."""
    TEST_REFUSED = "TestRefused"
    """A CI system does not let a test be triggered or read: fix the job, the TestRunner or its Secret."""
    VALID = "Valid"
    """No contradiction was found."""
    INVALID = "Invalid"
    """A field holds what it must not, or the fields contradict each other; the message names them all."""
    TARGET_NOT_WRITABLE = "TargetNotWritable"
    """The policy's target has no deployment that may be written."""
    GATE_MISSING = "GateMissing"
    """The policy lacks what `spec.gates` of its target requires; the message names the gate and the field."""
    APPLICATION_TAKEN = "ApplicationTaken"
    """An older Environment names the application, here or in another namespace: nothing is written to it from here."""
    FILE_TAKEN = "FileTaken"
    """An older Environment writes the same value of a file, here or in another namespace: it is not written from
    here."""
    BRANCH_TAKEN = "BranchTaken"
    """An older Environment writes the branch, or files in it, here or in another namespace: nothing is merged into it
    from here."""
    REFERENCE_NOT_FOUND = "ReferenceNotFound"
    """A named resource does not exist."""
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 -- a reason, no secret
    """The named Secret, or the key that it must have, does not exist."""
    NO_CONSENT = "NoConsent"
    """The named Secret has no label `pilotage.dev/credential: "true"`: add it, if it may be used."""
    CREDENTIAL_ACCEPTED = "CredentialAccepted"
    """The server answers and accepts the credential."""
    UNAUTHORIZED = "Unauthorized"
    """The server does not accept the credential."""
    FORBIDDEN = "Forbidden"
    """The server refuses the credential a right, or Kubernetes refuses it to Pilotage."""
    NOT_FOUND = "NotFound"
    """The server shows nothing at that address or name."""
    RATE_LIMITED = "RateLimited"
    """The host asks to wait, which says nothing about the credential."""
    UNAVAILABLE = "Unavailable"
    """The server gives no usable answer."""
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    """The ClusterScmProvider does not allow this namespace."""
    REPOSITORY_NOT_ALLOWED = "RepositoryNotAllowed"
    """The ClusterScmProvider does not allow this repository to this namespace."""
    CONFLICT = "Conflict"
    """An older GitRepository names the same repository at the same host: only that one makes trackers, so delete this
    one, or that."""
    DISCOVERED = "Discovered"
    """What matches has its tracker."""
    TOO_MANY_MATCHES = "TooManyMatches"
    """More pull requests match than `discovery.maxTrackers` allows: narrow `discovery`, or raise the number."""
    TRACKERS_REFUSED = "TrackersRefused"
    """Kubernetes refuses a tracker that matches; the message says why."""
    PRESENTED = "Presented"
    """The pull request shows the tracker's state."""
    PRESENTATION_FAILED = "PresentationFailed"
    """The host refused the last write to the pull request; it is tried again."""
    OWNED_BY = "OwnedBy"
    """Something else owns the application and would revert a write."""
    NO_ENTRY = "NoEntry"
    """The application has no entry for the image or parameter that is to be written."""
    NO_SOURCE = "NoSource"
    """No source of the application is the repository whose revision is to be written."""
    AMBIGUOUS = "Ambiguous"
    """Several sources of the application match, and the Environment names none of them."""
    NOT_PERMITTED = "NotPermitted"
    """The credential may not update or sync the application."""
    NOT_WRITABLE = "NotWritable"
    """A deployment cannot be written for a reason that the message names."""
    WRITABLE = "Writable"
    """All that is to be written can be."""
    IN_SYNC = "InSync"
    """The labels say what the tracker does, or were made to. Of LabelsInSync."""
    REMOVED_BY_USER = "RemovedByUser"
    """The state's label was taken off again after it had come back: it stays off until the state changes."""
    NAME_TOO_LONG = "NameTooLong"
    """The host has no room for a label's name, which is left out: shorten `spec.labels.prefix` of the GitRepository,
    the name of the Environment, or `spec.label` of the policy."""
    IN_PLACE = "InPlace"
    """The application runs what was promoted to it, or what contains it."""
    APPLICATION_MISSING = "ApplicationMissing"
    """Argo CD has no such application any more: create it again, or delete the monitor."""
    REVISION_MOVED = "RevisionMoved"
    """Another revision runs, or is asked for, that does not contain the promoted one."""
    ARTIFACT_CHANGED = "ArtifactChanged"
    """An image of another revision runs, that does not contain the promoted one."""
    PARAMETERS_CHANGED = "ParametersChanged"
    """Helm parameters or Kustomize images of the application are others than after the promotion."""
    OUT_OF_SYNC = "OutOfSync"
    """The live state differs from what the application's sources say."""
    UNHEALTHY = "Unhealthy"
    """Argo CD calls the application Degraded, or Missing."""
    UNKNOWN = "Unknown"
    """Nobody can tell whether the change is in place; the message says why."""
    SEQUENCE_FORGED = "SequenceForged"
    """A sequence far ahead of the clock was replaced: see who may update the status of this kind."""


class TrackerReason(StrEnum):
    """Reasons of a tracker's status, and of Completed, where the state's own name does not say enough."""

    WAITING_FOR_REFERENCE = "WaitingForReference"
    """Something that the tracker needs is missing; the condition ReferencesResolved says what."""
    PULL_REQUEST_CLOSED = "PullRequestClosed"
    """Closed: the pull request was closed without a merge."""
    NOTHING_TO_DEPLOY = "NothingToDeploy"
    """Completed: the change touches no component."""
    POLICY_NOT_FOUND = "PolicyNotFound"
    """AwaitingPolicy: no policy leaves the environment for the repository."""
    AMBIGUOUS_POLICY = "AmbiguousPolicy"
    """AwaitingPolicy: several policies fit equally; delete all but one, or let only one name the repository."""
    INVALID_POLICY = "InvalidPolicy"
    """AwaitingPolicy: the policy contradicts itself or what it names; the message names the fields."""
    OBSERVING = "Observing"
    """AwaitingPolicy: the GitRepository has `mode: Observe`, so that nothing is tested or promoted."""
    SOURCE_MOVED = "SourceMoved"
    """TestsFailed: the source kept moving while the tests ran."""
    AWAITING_PROMOTE = "AwaitingPromote"
    """ReadyToPromote: the policy has `autoPromote: false`; a person has to say `promote`."""
    AWAITING_LANE = "AwaitingLane"
    """ReadyToPromote: the target was asked for its lane."""
    BLOCKED_BY = "BlockedBy"
    """ReadyToPromote: another tracker holds the lane or is held ahead of this one."""
    TARGET_DIVERGED = "TargetDiverged"
    """ReadyToPromote: the target runs what the change does not contain."""
    TARGET_UNREADABLE = "TargetUnreadable"
    """ReadyToPromote: what the target runs cannot be read."""
    PARTIAL = "Partial"
    """PromotionFailed: a wave failed after others had arrived."""
    HEAD_MOVED = "HeadMoved"
    """PromotionFailed: the branch that was to be merged holds others' commits since it was tested."""
    WAVE_FAILED = "WaveFailed"
    """PromotionFailed: a wave failed before anything arrived."""
    DELETED = "Deleted"
    """Aborted: the tracker was deleted or recreated."""


class Condition(Model):
    """One aspect of the resource's state, as in every Kubernetes API."""

    type: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """Which aspect; see the list of condition types."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """Why, in one word that does not change."""
    message: Text = ""
    """Why, for people: what to fix, where something is to be fixed."""
    last_transition_time: Time
    """When the status last changed."""
    observed_generation: int | None = None
    """Generation of the resource that this speaks of."""


def make_condition(
    condition_type: ConditionType,
    *,
    status: bool | None,
    reason: str,
    now: datetime,
    message: str = "",
    observed_generation: int | None = None,
) -> Condition:
    """Build a condition; None as status means Unknown, and the message is cut to its limit."""
    wanted = ConditionStatus.UNKNOWN if status is None else ConditionStatus.TRUE if status else ConditionStatus.FALSE
    return Condition(
        type=condition_type.value,
        status=wanted,
        reason=reason,
        message=truncate(message, MESSAGE_LIMIT),
        last_transition_time=now,
        observed_generation=observed_generation,
    )


def set_condition(conditions: Iterable[Condition], condition: Condition) -> tuple[Condition, ...]:
    """Put one condition among the others, keeping its transition time where the status did not change."""
    merged: list[Condition] = []
    placed = False
    for present in conditions:
        if present.type != condition.type:
            merged.append(present)
        elif not placed:
            same = present.status == condition.status
            kept = present.last_transition_time if same else condition.last_transition_time
            merged.append(condition.model_copy(update={"last_transition_time": kept}))
            placed = True
    return tuple(merged) if placed else (*merged, condition)


def merge_conditions(present: Iterable[Condition], wanted: Iterable[Condition]) -> tuple[Condition, ...]:
    """Put several conditions among those present."""
    merged = tuple(present)
    for condition in wanted:
        merged = set_condition(merged, condition)
    return merged


def find_condition(conditions: Iterable[Condition], condition_type: str) -> Condition | None:
    """Find the condition of one type."""
    return next((condition for condition in conditions if condition.type == condition_type), None)


def is_true(conditions: Iterable[Condition], condition_type: str) -> bool:
    """Tell whether a condition is present and True."""
    found = find_condition(conditions, condition_type)
    return found is not None and found.status is ConditionStatus.TRUE
