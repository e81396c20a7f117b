"""A tracker as short texts: pure, shared by show, watch, why and the demo."""

from datetime import datetime

from crds.conditions import Condition, ConditionStatus, ConditionType
from crds.v1alpha1.artifact import Artifact
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.tests_status import TestStatus
from crds.v1alpha1.tracker_status import PromotionRecord, WaitingFor
from worker.cli.values import age, short

TEST_COLUMNS = ("TEST", "RUNNER", "REQUIRED", "STATE", "ROUND", "TRY", "TOOK", "DETAIL", "LINK")
PROMOTION_COLUMNS = ("FROM", "TO", "RESULT", "POLICY", "ARTIFACT", "BY", "AGE")
CONDITION_COLUMNS = ("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE")

NO_ACTION = "no action needed"
UNBLOCK = "Unblock with"

LOST_REASONS = frozenset({"Terminated", "Failed", "Lost"})
"""Reasons of `WorkflowAvailable=False` that a restart repairs."""


def describe_artifact(artifact: Artifact | None) -> str:
    """Name an artifact: image tag where there is one, else the revision."""
    if artifact is None:
        return "nothing known"
    revision = short(artifact.revision)
    return f"{artifact.tag} ({revision})" if artifact.tag else revision


def state_of(tracker: PullRequestTracker) -> str:
    """Return the state, also before the first status was written."""
    status = tracker.status
    if status.state is None:
        return "New"
    return f"{status.state} ({status.held_state})" if status.held_state else status.state.value


def state_with_reason(tracker: PullRequestTracker) -> str:
    """Return the state, with its reason where it does not only repeat the state."""
    status, state = tracker.status, state_of(tracker)
    if not status.reason or status.reason in (status.state, status.held_state):
        return state
    return f"{state.removesuffix(')')}, {status.reason})" if status.held_state else f"{state} ({status.reason})"


def waiting_line(waiting: WaitingFor, at: datetime) -> str:
    """Return in one line what is waited for, since when and until when."""
    parts = [waiting.what.value]
    if waiting.object:
        parts.append(f"on {waiting.object}")
    text = " ".join(parts)
    facts = [
        f"wanted {waiting.wanted}" if waiting.wanted else "",
        f"observed {waiting.observed}" if waiting.observed else "",
        f"for {age(waiting.since, at)}" if waiting.since else "",
        f"until {waiting.until:%Y-%m-%d %H:%M:%S} UTC" if waiting.until else "",
    ]
    shown = ", ".join(fact for fact in facts if fact)
    return f"{text}: {shown}" if shown else text


def unblock_label(waiting: WaitingFor | None) -> str:
    """Return what to write in front of the way out of a wait."""
    alone = waiting is not None and (waiting.unblock_with or "").startswith(NO_ACTION)
    return "Next step" if alone else UNBLOCK


def unblock_line(waiting: WaitingFor) -> str:
    """Return in one line what ends the wait; empty where that is not known."""
    text = waiting.unblock_with or ""
    return text if not text or text.startswith(NO_ACTION) else f"unblock with: {text}"


def test_row(test: TestStatus, at: datetime) -> list[str]:
    """Return the cells of one test."""
    return [
        test.name,
        f"{test.runner} #{test.number}" if test.number else test.runner,
        "yes" if test.required else "no",
        test.state.value,
        str(test.round or ""),
        str((test.retry or 0) + 1),
        age(test.started_at, test.finished_at or at),
        test.message or test.summary or "",
        test.url or "",
    ]


def promotion_row(record: PromotionRecord, at: datetime) -> list[str]:
    """Return the cells of one finished hop."""
    return [
        record.source,
        record.target,
        f"{record.result}: {record.error}" if record.error else record.result,
        record.policy.name if record.policy else "",
        ", ".join(describe_artifact(artifact) for artifact in record.artifacts),
        record.promoted_by or (f"brought by {record.brought_by}" if record.brought_by else ""),
        age(record.at, at),
    ]


def condition_row(condition: Condition, at: datetime) -> list[str]:
    """Return the cells of one condition."""
    return [
        condition.type,
        condition.status.value,
        condition.reason,
        age(condition.last_transition_time, at),
        condition.message,
    ]


def lost(tracker: PullRequestTracker) -> bool:
    """Return whether the tracker's workflow is gone although its promotion is not finished."""
    if tracker.status.state is not None and tracker.status.state.is_terminal:
        return False
    return any(
        condition.type == ConditionType.WORKFLOW_AVAILABLE
        and condition.status is ConditionStatus.FALSE
        and condition.reason in LOST_REASONS
        for condition in tracker.status.conditions
    )


def command_environment(tracker: PullRequestTracker) -> str:
    """Return the environment that a command must name: the hop's target; without a hop, where the change is."""
    status = tracker.status
    return status.hop.target if status.hop is not None else status.environment or tracker.spec.environment
