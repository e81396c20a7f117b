"""A tracker as short texts: pure, shared by show, watch, why and the demo."""

from datetime import datetime

from crds.conditions import Condition, ConditionStatus, ConditionType
from crds.reasons.conditions import ConditionReason
from crds.v1alpha1.artifact import Artifact
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.tests_status import TestStatus
from crds.v1alpha1.tracker_status import PromotionRecord, WaitingFor
from worker.cli.values import age, short

TEST_COLUMNS = ("TEST", "RUNNER", "REQUIRED", "STATE", "ROUND", "TRY", "TOOK", "DETAIL", "LINK")
PROMOTION_COLUMNS = ("FROM", "TO", "RESULT", "POLICY", "ARTIFACT", "BY", "AGE")
APPLICATION_COLUMNS = ("DEPLOYMENT", "APPLICATION", "RESULT", "RUNS", "MESSAGE")
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
    if status.reason and status.reason not in (status.state, status.held_state):
        state = f"{state.removesuffix(')')}, {status.reason})" if status.held_state else f"{state} ({status.reason})"
    return f"{state}, attempt {status.attempt}" if outdated(tracker) else state


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


def way_out(tracker: PullRequestTracker, *, absent: bool = False) -> str:
    """Return what ends the wait; empty where that is not known, or nothing is waited for.

    `absent`: Temporal has no such workflow. What a workflow waits for ends nothing while it does not go on itself.
    """
    status = tracker.status
    if outdated(tracker):
        return f"wait for the status of attempt {tracker.spec.attempt}; if none comes: pilotage doctor"
    if status.state is None or status.state.terminal:
        return ""
    if absent or lost(tracker):
        return restart_of(tracker)
    if ConditionReason.WORKFLOW_STALLED in _unavailable(tracker):
        return "pilotage doctor"
    return (status.waiting_for.unblock_with if status.waiting_for is not None else None) or ""


def restart_of(tracker: PullRequestTracker) -> str:
    """Return the command by which a promotion begins again whose workflow is gone."""
    where = f"-n {tracker.metadata.namespace} " if tracker.metadata.namespace else ""
    return f"pilotage {where}restart {tracker.metadata.name}"


def outdated(tracker: PullRequestTracker) -> bool:
    """Return whether the status is of an attempt before the one that has begun."""
    return tracker.status.attempt not in (None, tracker.spec.attempt)


def unblock_label(way: str) -> str:
    """Return what to write in front of the way out of a wait."""
    return "Next step" if way.startswith((NO_ACTION, "wait ")) else UNBLOCK


def unblock_line(way: str) -> str:
    """Return the way out of a wait in one line; empty where there is none."""
    return way if not way or unblock_label(way) != UNBLOCK else f"unblock with: {way}"


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


def application_rows(record: PromotionRecord) -> list[list[str]]:
    """Return the cells of each application of a finished hop."""
    return [
        [one.deployment, one.application, one.result, describe_artifact(one.artifact), one.message or ""]
        for one in record.applications
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
    if tracker.status.state is not None and tracker.status.state.terminal:
        return False
    return bool(LOST_REASONS & _unavailable(tracker))


def _unavailable(tracker: PullRequestTracker) -> set[str]:
    """Return why the workflow does not go on; empty while it does."""
    return {
        one.reason
        for one in tracker.status.conditions
        if one.type == ConditionType.WORKFLOW_AVAILABLE and one.status is ConditionStatus.FALSE
    }


def command_environment(tracker: PullRequestTracker) -> str:
    """Return the environment that a command must name: the hop's target; without a hop, where the change is."""
    status = tracker.status
    return status.hop.target if status.hop is not None else status.environment or tracker.spec.environment
