"""What people do for deployments that do not arrive, by what keeps each of them. Pure."""

from collections.abc import Mapping, Sequence

from activities.models.bounds import together
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation, OperationPhase, WriteResult
from activities.models.status import NO_ACTION
from crds.reasons.vocabulary import Health
from workflows.promotion.rules import following, waves
from workflows.promotion.state import Hop, Touch


def of_wave(
    hop: Hop,
    wave: Sequence[DeploymentSpec],
    observed: Mapping[str, Observation],
    hindered: Mapping[str, WriteResult],
) -> str:
    """Return what helps those that did not arrive; NO_ACTION, or nothing, where no person does."""
    found = [
        remedy(hop, one, observed.get(one.name), hindered=one.name in hindered)
        for one in wave
        if one.name not in hop.results
    ]
    asked = dict.fromkeys(text for text in found if text not in ("", NO_ACTION))
    return together(asked) if asked else NO_ACTION if NO_ACTION in found else ""


def remedy(hop: Hop, one: DeploymentSpec, seen: Observation | None, *, hindered: bool) -> str:
    """Return what helps a deployment that did not arrive; empty while an operation runs, or where it cannot be read."""
    if seen is None:
        return f"create application {one.application}, or fix deployment {one.name} of the Environment"
    if hindered:
        return NO_ACTION
    if seen.problem or seen.operation_phase is OperationPhase.RUNNING or seen.operating is not None:
        return ""
    if one.flux is not None and seen.operation_phase is OperationPhase.FAILED:
        return f"fix Kustomization {one.application} as its message shows"
    if one.write is None:
        artifact = waves.artifact_of(hop, one)
        there = artifact is not None and artifact.revision in (seen.runs, seen.written)
        return "" if there else f"deploy it to application {one.application}, which Pilotage does not write"
    if not hop.has(one.name, Touch.REQUESTED):
        return ""
    if following.by_git(one) and seen.out_of_sync:
        return f"sync application {one.application}, or turn its automated sync on"
    stuck = seen.out_of_sync or seen.health in (Health.DEGRADED, Health.MISSING)
    return f"fix application {one.application} as its message shows" if stuck and seen.message else ""
