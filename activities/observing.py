"""Read an Argo CD application's state as an observation: what runs, what is written, what is under way, and whether
all of that has settled. Pure; the rules were measured on real servers."""

import re
from collections.abc import Iterable
from dataclasses import replace

from activities.failures import bounded
from activities.models.configuration import DeploymentSpec, WriteKind
from activities.models.delivery import Observation, OperationPhase
from activities.models.failures import BriefFailure, Failure
from activities.models.tracking import Artifact
from activities.running import at, operation_under_way, revision_of_tag, running, running_revisions
from activities.targets import obstacle_of
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Health
from providers.application_models import ApplicationPlace, ApplicationState

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_PHASES = {phase.value: phase for phase in OperationPhase}
_HEALTHS = {health.value: health for health in Health}


def observe(deployment: DeploymentSpec, state: ApplicationState, place: ApplicationPlace) -> Observation:
    """Return what one deployment runs; `place` is where its target stands in the application."""
    final = is_settled(state)
    found = running(deployment, state, place, settled=final)
    raw = place.written
    busy = operation_under_way(state)
    obstacle = obstacle_of(deployment, place)
    synced = at(running_revisions(state), place.config) if place.config is not None else None
    return Observation(
        deployment=deployment.name,
        component=deployment.component,
        application=state.name,
        runs=found.runs,
        written=_revision_of_raw(deployment, raw),
        written_raw=raw,
        operating=found.operating,
        image=deployment.image,
        tag=found.tag,
        config_revision=synced if deployment.image is not None else None,
        operation_key=state.operation_key,
        operation_phase=OperationPhase.RUNNING if busy else _PHASES.get(state.phase, OperationPhase.NONE),
        operation_message=bounded(state.operation_message),
        health=_HEALTHS.get(state.health, Health.UNKNOWN),
        sync_status=state.sync_status or "Unknown",
        settled=final and not found.several,
        message=bounded(_message(state, found.note)),
        url=state.url,
        failure=_unrecognised(deployment, found.problem) if found.problem else None,
        writable=obstacle.message if obstacle else "",
        obstacle=obstacle.reason if obstacle else "",
        owner=state.owner,
        auto_synced=_is_auto_synced(deployment, state, place),
    )


def instance_of(deployment: DeploymentSpec) -> str:
    """Name the Argo CD instance that is asked for a deployment."""
    return f"ArgoCDInstance/{deployment.instance}"


def _unrecognised(deployment: DeploymentSpec, problem: str) -> BriefFailure:
    return BriefFailure(kind=FailureKind.MISCONFIGURED, object=instance_of(deployment), message=bounded(problem))


def unreadable(deployment: DeploymentSpec, failure: Failure) -> Observation:
    """Return an observation that has the reason why nothing could be read."""
    return Observation(
        deployment=deployment.name,
        component=deployment.component,
        application=deployment.application,
        failure=failure.brief(),
    )


def differs(known: Observation | None, seen: Observation, artifacts: Iterable[Artifact] = ()) -> bool:
    """Return whether a change matters: texts that come and go with each reconciliation do not.

    Nor does the rollout of what the holder brings, while it is on its way: who holds the lane acts on its end alone.
    """
    if known is None:
        return True
    brought = next((one.revision for one in artifacts if one.component == seen.component), None)
    quiet = brought is not None and seen.is_rolling_out(brought)
    if quiet and not known.problem and known.writable == seen.writable:
        return False
    if brought is not None and seen.written == brought:
        # Until Argo CD compares again, all but the holder's own write is as it was, and still looks settled.
        seen = replace(seen, written=known.written, written_raw=known.written_raw)
    return _essence(known) != _essence(seen)


def is_believable(state: ApplicationState) -> bool:
    """Return whether sync status and health are newer than the last operation's end.

    Timestamps have a resolution of one second: equality proves nothing by itself, but with the operation's own
    revisions shown as synced the comparison was made after it.
    """
    if state.finished_at is None:
        return True
    if state.reconciled_at is None:
        return False
    if state.reconciled_at == state.finished_at:
        synced = state.sync_status == "Synced" and bool(state.synced_revisions)
        return synced and state.synced_revisions == state.operation_synced_revisions
    return state.reconciled_at > state.finished_at


def is_settled(state: ApplicationState) -> bool:
    """Return whether what runs is final: no operation, synced, healthy, and all of it newer than the last operation."""
    return (
        not operation_under_way(state)
        and state.sync_status == "Synced"
        and state.health == Health.HEALTHY
        and is_believable(state)
    )


def needs_refresh(state: ApplicationState) -> bool:
    """Return whether only a refresh can show how the last operation ended."""
    return not operation_under_way(state) and not is_believable(state)


def _revision_of_raw(deployment: DeploymentSpec, raw: str) -> str | None:
    kind = deployment.write.kind if deployment.write else WriteKind.TARGET_REVISION
    if kind is not WriteKind.TARGET_REVISION:
        return revision_of_tag(deployment.tag or "", raw)
    # A branch or tag name is no commit; nor is the config repository's commit one of the application's.
    return raw if deployment.image is None and _COMMIT.fullmatch(raw) else None


def _is_auto_synced(deployment: DeploymentSpec, state: ApplicationState, place: ApplicationPlace) -> bool:
    """Return whether auto-sync began the last operation, for what the spec holds now: a branch may have moved since."""
    if not state.operation_automated or not state.operation_of_spec:
        return False
    written = _revision_of_raw(deployment, place.written) if deployment.image is None else None
    index = next(iter(place.sources), 0)
    return written is None or at(state.operation_synced_revisions, index) == written


def _message(state: ApplicationState, note: str) -> str:
    """Return what keeps it from being in order: Argo CD's own error, what is to be pruned, or an unwell resource."""
    if state.errors:
        return "; ".join(dict.fromkeys(state.errors))
    ill = () if state.health == Health.HEALTHY else (state.health_message, *state.ill)
    return "; ".join(part for part in (_to_be_pruned(state), *ill, note) if part)


def _to_be_pruned(state: ApplicationState) -> str:
    if not state.prunable or state.sync_status != "OutOfSync" or operation_under_way(state):
        return ""
    first, *others = state.prunable
    more = f" and {len(others)} more" if others else ""
    advice = (
        "Argo CD was not allowed to prune it: confirm or delete it there"
        if state.auto_prune
        else "sync it with prune in Argo CD, or set `write.argocd.prune: true` for the syncs of Pilotage"
    )
    return f"{first}{more} is to be pruned, and the last sync did not prune it: {advice}"


def _essence(observation: Observation) -> tuple[object, ...]:
    """Return what a place acts on: steps of a rollout on its way are none of it."""
    return (
        observation.runs,
        observation.written_raw,
        observation.operating,
        observation.tag,
        observation.operation_phase in (OperationPhase.FAILED, OperationPhase.ERROR),
        observation.health is Health.DEGRADED,
        observation.settled,
        bool(observation.problem),
        observation.writable,
    )
