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
    """Every type but Stalled is positive: in the state True no one has to act."""

    ACCEPTED = "Accepted"
    """A watcher has read the resource and works for it. The watcher writes it."""
    WORKFLOW_AVAILABLE = "WorkflowAvailable"
    """The workflow of the tracker's attempt runs, or ended as it should. An Environment has this condition once one of
    its workflows did not continue; True then means that all of them run. The watcher writes it."""
    COMPLETED = "Completed"
    """The change arrived in a final environment, or has nothing to deploy. False is no fault: the change is on its
    way, or its promotion was closed or aborted. `waitingFor` shows whether a person must act. On trackers."""
    REFERENCES_RESOLVED = "ReferencesResolved"
    """All that the tracker needs now exists and answers: resources, Secrets, jobs, applications. If False, the message
    names what to fix, then why. On trackers."""
    VALID = "Valid"
    """The resource contradicts neither itself nor what it names. On policies, environments and repositories."""
    READY = "Ready"
    """The sum of the others, on every kind. A tracker is accepted, has a workflow, and misses nothing; `state` shows
    how far the change is. Configuration is valid, reachable and, once a change was on its way there, writable. A
    command is accepted."""
    STALLED = "Stalled"
    """A person must act; the message names what to do. On every kind. A promotion that waits for `promote` or
    `release` is not stalled: its policy, or a person, asked for the wait."""
    REACHABLE = "Reachable"
    """The server answers and accepts the credential. On repositories, SCM providers, test runners and Argo CD
    instances."""
    DISCOVERED = "Discovered"
    """Every pull request that `spec.discovery` matches has its tracker. On repositories with `discovery`."""
    PRESENTED = "Presented"
    """Label, commit status and comment on the pull request show the tracker's state. On trackers."""
    LABELS_IN_SYNC = "LabelsInSync"
    """The labels on the pull request agree with the tracker. On trackers, once Pilotage has read the labels."""
    WRITABLE = "Writable"
    """Pilotage can write every deployment of the environment that has `write`. On environments."""
    IN_PLACE = "InPlace"
    """The promoted change, or one that contains it, still runs as it was promoted. If False, the reason is the kind of
    drift. On drift monitors."""
    DELIVERED = "Delivered"
    """The receiver took the newest event that Pilotage sent. On event sinks, once an event was sent."""
    STATUS_TRUSTED = "StatusTrusted"
    """No other account forged the `sequence` of the status. Pilotage writes only False, and removes the condition with
    its first write after a day. On trackers and environments."""


class Condition(Model):
    """One aspect of the resource's state, as in every Kubernetes API."""

    type: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """Aspect of the resource: one of the documented condition types."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """Why: one of the documented reasons. Reasons are stable."""
    message: Text = ""
    """Why, for people, and what to fix."""
    last_transition_time: Time
    """When `status` last changed."""
    observed_generation: int | None = None
    """Generation of the resource that the condition is about."""


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
