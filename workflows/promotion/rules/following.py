"""Pure: what became of our writes and syncs while a wave is followed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from activities.models.configuration import DeploymentSpec, WriteKind
from activities.models.delivery import Observation, OperationPhase, WriteResult
from activities.models.tracking import Artifact
from crds.reasons.trackers import ApplicationOutcome
from workflows.promotion.rules import comparison
from workflows.promotion.state import Hop, Touch

REPEATS = 3
"""How often in one attempt a deployment is written or synced again; who sets it back more often means it."""

AWAITED_AT_LEAST = timedelta(seconds=5)
AWAITED_AT_MOST = timedelta(minutes=5)
"""Pauses between two looks at a pull request of ours that waits: minutes at first, and days at last."""

BLOCKED_AT_LEAST = timedelta(seconds=30)
BLOCKED_AT_MOST = timedelta(minutes=5)
"""Pauses before a sync that a sync window forbids is tried again: windows are changed, and their ends are estimates."""


def by_git(one: DeploymentSpec) -> bool:
    """Return whether a deployment is written through Git, so that Argo CD's own objects show nothing of our write."""
    return one.write is not None and one.write.kind.in_git


def wanted_raw(one: DeploymentSpec, artifact: Artifact) -> str:
    """Return the value that a write of the artifact leaves in the spec."""
    by_tag = one.write is not None and one.write.kind is not WriteKind.TARGET_REVISION
    return (artifact.tag or "") if by_tag else artifact.revision


def is_reverted(one: DeploymentSpec, artifact: Artifact, observation: Observation) -> bool:
    """Return whether the spec no longer holds what we wrote; the observation must be newer than the write."""
    return not observation.problem and observation.written_raw != wanted_raw(one, artifact)


def is_unsynced(observation: Observation, *, key: str, waited: timedelta, allowed: timedelta) -> bool:
    """Return whether nothing brought or brings what is written, although Argo CD had time to begin."""
    ours = observation.operation_key == key or observation.auto_synced
    idle = observation.operation_phase is not OperationPhase.RUNNING and observation.operating is None
    return not observation.problem and idle and not ours and waited >= allowed


def has_drifted(one: DeploymentSpec, artifact: Artifact, observation: Observation) -> bool:
    """Return whether exactly our revision is there and out of sync, so that only a sync makes it arrive."""
    if by_git(one):
        return False
    ours = observation.runs == artifact.revision and observation.written_raw == wanted_raw(one, artifact)
    idle = observation.operation_phase is not OperationPhase.RUNNING
    return not observation.problem and ours and idle and observation.out_of_sync


def reverted_line(one: DeploymentSpec, observation: Observation) -> str:
    """State to what our write was set back, and by whom as far as that is known."""
    who = f"its owner {observation.owner}" if observation.owner else "another writer"
    return f"{one.name} ({one.application}): our write was set back to {observation.written_raw or 'nothing'} by {who}"


def failed_line(one: DeploymentSpec, observation: Observation, *, key: str, requested: bool) -> str:
    """Return how the operation failed that was to bring our revision; empty where none did.

    Auto-sync's own operation counts like ours once we wrote: before that it is a failure of the past. Of one that is
    written through files nothing shows whether an operation was about our commit or about an older one.
    """
    if by_git(one):
        return ""
    ours = observation.operation_key == key or (requested and observation.auto_synced)
    if not ours or observation.operation_phase not in (OperationPhase.FAILED, OperationPhase.ERROR):
        return ""
    who = "" if observation.operation_key == key else "auto-sync: "
    return f"{one.name} ({one.application}): {who}{observation.operation_message}"


def lag(one: DeploymentSpec, seen: Observation | None, hindered: str = "") -> str:
    """Describe how far a deployment is, what Argo CD reports of it, and what keeps it from being written or synced."""
    if seen is None:
        return f"{one.name}: not observed: {one.application} is gone, or the Environment no longer names it"
    ended_well = seen.operation_phase in (OperationPhase.SUCCEEDED, OperationPhase.NONE)
    text = (seen.message or seen.operation_message) if ended_well else (seen.operation_message or seen.message)
    if seen.problem and seen.runs is None:
        # Nothing else is known of it: what it ran before is no news of now.
        return "; ".join(part for part in (f"{one.name}: {seen.problem}", hindered) if part)
    runs = f"{one.name}: runs {comparison.what_runs(seen)}, {seen.sync_status}, {seen.health}"
    if by_git(one) and not (hindered or text or seen.problem):
        text = f"{'Flux' if one.flux is not None else 'Argo CD'} has not picked up what is in Git"
        if seen.out_of_sync:
            text = "Argo CD has not synced what is in Git: turn automated sync on, or sync it"
    return "; ".join(part for part in (runs, hindered, seen.problem or text) if part)


def lines(
    missing: Sequence[DeploymentSpec], observed: Mapping[str, Observation], hindered: Mapping[str, WriteResult]
) -> dict[str, str]:
    """Describe each deployment that did not arrive yet."""
    found = {}
    for one in missing:
        hindrance = hindered.get(one.name)
        found[one.name] = lag(one, observed.get(one.name), hindrance.message if hindrance else "")
    return found


def how_far(hop: Hop, one: DeploymentSpec) -> ApplicationOutcome:
    """Return the result of a deployment that did not arrive."""
    if hop.has(one.name, Touch.REQUESTED):
        return ApplicationOutcome.NOT_ARRIVED
    written = hop.has(one.name, Touch.WRITTEN)
    return ApplicationOutcome.WRITTEN_NOT_SYNCED if written else ApplicationOutcome.NOT_WRITTEN


def awaited_pause(since: datetime | None, now: datetime) -> timedelta:
    """Return how long to wait before a pull request is looked at again: a tenth of the time that it waits already."""
    waited = now - since if since is not None else timedelta(0)
    return min(max(waited / 10, AWAITED_AT_LEAST), AWAITED_AT_MOST)


def blocked_pause(until: datetime | None, now: datetime) -> timedelta:
    """Return how long to wait before a sync that a window forbids is tried again."""
    if until is None:
        return BLOCKED_AT_LEAST * 2
    return min(max(until - now, BLOCKED_AT_LEAST), BLOCKED_AT_MOST)
