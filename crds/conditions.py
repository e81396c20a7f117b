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
    """Every type is positive: True is the state in which nobody has to act."""

    ACCEPTED = "Accepted"
    """The watcher has read the resource and works for it. Written by the watcher."""
    WORKFLOW_AVAILABLE = "WorkflowAvailable"
    """The workflow of the tracker's attempt runs, or ended in a terminal state. Written by the watcher."""
    VALID = "Valid"
    """The resource contradicts neither itself nor what it names. On policies, environments and repositories."""
    READY = "Ready"
    """The credential was accepted by the host. On repositories and SCM providers."""
    REACHABLE = "Reachable"
    """The server answers and accepts the credential. On test runners and Argo CD instances."""
    PRESENTED = "Presented"
    """Label, commit status and comment on the pull request show the tracker's state."""
    LABELS_IN_SYNC = "LabelsInSync"
    """The pull request carries the labels that the tracker's state demands."""
    WRITABLE = "Writable"
    """Every deployment of the environment that is to be written can be."""


class ConditionReason(StrEnum):
    """Reasons are stable: alerts and scripts may match them."""

    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    NOT_SERVED = "NotServed"
    RUNNING = "Running"
    FINISHED = "Finished"
    STARTING = "Starting"
    TERMINATED = "Terminated"
    FAILED = "Failed"
    LOST = "Lost"
    DELETING = "Deleting"
    VALID = "Valid"
    INVALID_POLICY = "InvalidPolicy"
    AMBIGUOUS_POLICY = "AmbiguousPolicy"
    POLICY_NOT_FOUND = "PolicyNotFound"
    TARGET_NOT_WRITABLE = "TargetNotWritable"
    REFERENCE_NOT_FOUND = "ReferenceNotFound"
    SECRET_NOT_FOUND = "SecretNotFound"
    CREDENTIAL_ACCEPTED = "CredentialAccepted"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    RATE_LIMITED = "RateLimited"
    UNAVAILABLE = "Unavailable"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    PRESENTED = "Presented"
    PRESENTATION_FAILED = "PresentationFailed"
    IN_SYNC = "InSync"
    OUT_OF_SYNC = "OutOfSync"
    OWNED_BY = "OwnedBy"
    NO_ENTRY = "NoEntry"
    NO_SOURCE = "NoSource"
    NOT_WRITABLE = "NotWritable"
    WRITABLE = "Writable"


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
