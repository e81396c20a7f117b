"""The conditions that every tool knows: `Ready` and `Stalled`, summed up from the conditions of a kind.

Each writer of a condition writes them with it, from all that stand in the resource then. They mean what kstatus reads
(https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md): Ready False or Unknown is in progress,
Stalled True has failed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crds.conditions import Condition, ConditionStatus, ConditionType, find_condition, make_condition
from crds.reasons.conditions import ConditionReason
from crds.reasons.trackers import TrackerReason
from crds.reasons.vocabulary import Drift

_NEEDED: Mapping[str, tuple[ConditionType, ...]] = {
    "PullRequestTracker": (
        ConditionType.ACCEPTED,
        ConditionType.WORKFLOW_AVAILABLE,
        ConditionType.REFERENCES_RESOLVED,
    ),
    "PromotionPolicy": (ConditionType.VALID,),
    "Environment": (ConditionType.VALID,),
    "GitRepository": (ConditionType.VALID, ConditionType.REACHABLE),
    "ScmProvider": (ConditionType.REACHABLE,),
    "ClusterScmProvider": (ConditionType.REACHABLE,),
    "TestRunner": (ConditionType.REACHABLE,),
    "ArgoCDInstance": (ConditionType.REACHABLE,),
    "Provider": (ConditionType.VALID, ConditionType.REACHABLE),
    "CommitStatus": (ConditionType.VALID,),
    "DriftMonitor": (ConditionType.IN_PLACE,),
    "EventSink": (ConditionType.VALID,),
}
"""What makes a kind Ready; the first that is not True gives its reason."""

_WHERE_PRESENT: Mapping[str, tuple[ConditionType, ...]] = {
    "Environment": (ConditionType.WRITABLE, ConditionType.WORKFLOW_AVAILABLE),
    "GitRepository": (ConditionType.DISCOVERED,),
    "EventSink": (ConditionType.DELIVERED,),
}
"""What counts only once somebody has written it: a place that no change was on its way to was not looked at, and its
workflow is shown only where it once did not go on; a repository without `discovery` has nothing to find. A sink that
was sent nothing yet may be well."""

_OF_GENERATION = (ConditionType.VALID, ConditionType.REACHABLE, ConditionType.IN_PLACE)
"""What shows nothing of a spec that is newer than the one looked at."""

_PASSING = (
    ConditionReason.RATE_LIMITED,
    ConditionReason.UNAVAILABLE,
    Drift.OUT_OF_SYNC,
    Drift.UNHEALTHY,
)
"""What may end by itself."""

_FAILED_STATES = ("TestsFailed", "PromotionFailed", "AwaitingPolicy")
_FAILED_REASONS = ("TargetDiverged",)
SUMMARY = (ConditionType.READY, ConditionType.STALLED)


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    status: bool | None
    reason: str
    message: str = ""


def summary(
    kind: str, conditions: Iterable[Condition], status: Mapping[str, Any], *, generation: int | None, now: datetime
) -> tuple[Condition, Condition]:
    """Return Ready and Stalled of a resource with these conditions and, for a tracker, this state."""
    found = tuple(conditions)
    verdicts = {
        ConditionType.READY: _ready(kind, found, generation or 0),
        ConditionType.STALLED: _stalled(kind, found, status, generation or 0),
    }
    ready, stalled = (
        make_condition(
            condition_type,
            status=verdict.status,
            reason=verdict.reason,
            message=verdict.message,
            now=now,
            observed_generation=generation,
        )
        for condition_type, verdict in verdicts.items()
    )
    return ready, stalled


def answered(*, accepted: bool, message: str, generation: int | None, now: datetime) -> tuple[Condition, Condition]:
    """Return Ready and Stalled of a command that was answered: a refused one needs another command of a person."""
    reason = ConditionReason.ACCEPTED if accepted else ConditionReason.REFUSED
    ready, stalled = (
        make_condition(
            condition_type, status=holds, reason=reason, message=message, now=now, observed_generation=generation
        )
        for condition_type, holds in ((ConditionType.READY, accepted), (ConditionType.STALLED, not accepted))
    )
    return ready, stalled


def _ready(kind: str, found: tuple[Condition, ...], generation: int) -> _Verdict:
    unknown: _Verdict | None = None
    for condition in _judged(kind, found, generation):
        if isinstance(condition, ConditionType):
            unknown = unknown or _Verdict(
                status=None, reason=ConditionReason.PENDING, message=f"{condition} was not looked at yet"
            )
        elif condition.status is ConditionStatus.FALSE:
            return _Verdict(status=False, reason=condition.reason, message=condition.message)
        elif condition.status is ConditionStatus.UNKNOWN:
            unknown = unknown or _Verdict(status=None, reason=condition.reason, message=condition.message)
    return unknown or _Verdict(status=True, reason=ConditionReason.READY)


def _stalled(kind: str, found: tuple[Condition, ...], status: Mapping[str, Any], generation: int) -> _Verdict:
    for condition in _judged(kind, found, generation):
        if isinstance(condition, ConditionType) or condition.status is not ConditionStatus.FALSE:
            continue
        if condition.reason not in _PASSING:
            return _Verdict(status=True, reason=condition.reason, message=condition.message)
    state, reason = str(status.get("state") or ""), str(status.get("reason") or "")
    failed = state in _FAILED_STATES and reason != TrackerReason.OBSERVING
    if failed or reason in _FAILED_REASONS:
        waiting = status.get("waitingFor") or {}
        message = "; ".join(str(text) for text in (status.get("message"), waiting.get("unblockWith")) if text)
        return _Verdict(status=True, reason=reason or state, message=message)
    return _Verdict(status=False, reason=ConditionReason.NOT_STALLED)


def _judged(kind: str, found: tuple[Condition, ...], generation: int) -> Iterable[Condition | ConditionType]:
    """Yield what counts; a type alone where nothing is known of it."""
    for condition_type in _NEEDED.get(kind, ()):
        condition = find_condition(found, condition_type)
        if condition is None or (condition_type in _OF_GENERATION and is_outdated(condition, generation)):
            yield condition_type
        else:
            yield condition
    for condition_type in _WHERE_PRESENT.get(kind, ()):
        condition = find_condition(found, condition_type)
        if condition is not None and not is_outdated(condition, generation):
            yield condition


def is_outdated(condition: Condition, generation: int) -> bool:
    """Return whether a condition is about the resource as it was before its last change."""
    return condition.observed_generation is not None and condition.observed_generation < generation
