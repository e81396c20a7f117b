"""Pure: what people can do for deployments that do not arrive, told from what keeps each of them."""

from collections.abc import Mapping, Sequence

from activities.models.bounds import together
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Health, Observation, OperationPhase, WriteResult
from workflows.promotion.rules import following, waves
from workflows.promotion.state import Hop, Touch

TRIED_AGAIN = "nothing; it is tried again"


def of_wave(
    hop: Hop,
    wave: Sequence[DeploymentSpec],
    observed: Mapping[str, Observation],
    hindered: Mapping[str, WriteResult],
) -> str:
    """Say what helps those that did not arrive; empty while all of them are at work by themselves."""
    found = [
        remedy(hop, one, observed.get(one.name), hindered=one.name in hindered)
        for one in wave
        if one.name not in hop.results
    ]
    asked = dict.fromkeys(text for text in found if text not in ("", TRIED_AGAIN))
    return together(asked) if asked else TRIED_AGAIN if TRIED_AGAIN in found else ""


def remedy(hop: Hop, one: DeploymentSpec, seen: Observation | None, *, hindered: bool) -> str:
    """Say what helps a deployment that did not arrive; empty while it is at work, or cannot be read."""
    if seen is None:
        return f"create application {one.application}, or fix deployment {one.name} of the Environment"
    if hindered:
        return TRIED_AGAIN
    if seen.problem or seen.operation_phase is OperationPhase.RUNNING or seen.operating is not None:
        return ""
    if one.write is None:
        artifact = waves.artifact_of(hop, one)
        there = artifact is not None and artifact.revision in (seen.runs, seen.written)
        return "" if there else f"deploy it to application {one.application}, which Pilotage does not write"
    if not hop.has(one.name, Touch.REQUESTED):
        return ""
    if following.by_git(one) and seen.sync_status == "OutOfSync":
        return f"sync application {one.application}, or turn its automated sync on"
    stuck = seen.sync_status == "OutOfSync" or seen.health in (Health.DEGRADED, Health.MISSING)
    return f"fix what is said here of {one.name}" if stuck and seen.message else ""
