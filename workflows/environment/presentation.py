"""What people see of a place: its status in Kubernetes and its page in the Temporal UI. Pure."""

from collections.abc import Mapping, Sequence

from activities.models.delivery import Observation
from activities.models.places import BlockedBy, MemberSignal
from activities.models.status import DeploymentStatus, LaneStatus, MemberStatus, PlaceStatus
from workflows.environment import observation
from workflows.environment.state import Observed


def place_status(repository: str, observed: Observed, members: Sequence[MemberSignal], holder: str) -> PlaceStatus:
    """Return the repository's entry of the Environment's status; the publisher stamps the sequence."""
    return PlaceStatus(
        repository=repository,
        sequence=0,
        deployments=tuple(_deployment(one, observed) for one in observed.observations),
        lane=LaneStatus(
            holder=holder,
            members=tuple(
                MemberStatus(tracker=one.tracker.name, phase=one.phase, held=one.held) for one in in_order(members)
            ),
        ),
        history=observed.history,
    )


def worth_publishing(status: PlaceStatus, observations: Sequence[Observation]) -> tuple[object, ...]:
    """Return what of a status is worth a write of its own; a rollout's steps on the way travel with the next one."""
    health = {one.deployment: one.health for one in observations if one.settled}
    deployments = tuple((one.name, one.artifact, one.problem, health.get(one.name)) for one in status.deployments)
    return (status.lane, deployments)


def in_order(members: Sequence[MemberSignal]) -> list[MemberSignal]:
    """Return members as people look for them."""
    return sorted(members, key=lambda one: (one.number, one.tracker.name))


def details(
    title: str,
    members: Sequence[MemberSignal],
    holder: str,
    blocked_by: Mapping[str, BlockedBy],
    observations: Sequence[Observation],
    problem: str,
) -> str:
    """Return the page of the place as Markdown."""
    lines = [f"**{title}**: lane {f'held by {holder}' if holder else 'free'}"]
    if problem:
        lines += ["", f"⚠ {problem}"]
    if members:
        lines += ["", "| Pull request | Tracker | Role | Phase | Waits for |", "|---|---|---|---|---|"]
    for one in in_order(members):
        block = blocked_by.get(one.tracker.uid)
        waits = f"{block.tracker} {block.reason}".strip() if block else ""
        phase = f"{one.phase}, held" if one.held else str(one.phase)
        lines.append(f"| #{one.number} | {one.tracker.name} | {one.role} | {phase} | {waits} |")
    if observations:
        lines += ["", "| Deployment | Runs | Health | Settled |", "|---|---|---|---|"]
    for seen in observations:
        runs = (seen.runs or "nothing")[:12]
        lines.append(
            f"| {seen.deployment} | {runs} | {seen.problem or seen.health} | {'yes' if seen.settled else 'no'} |"
        )
    return "\n".join(lines)


def _deployment(one: Observation, observed: Observed) -> DeploymentStatus:
    artifact = None if one.problem or one.runs is None else observation.artifact_of(one, one.runs)
    return DeploymentStatus(
        name=one.deployment,
        artifact=artifact,
        health=one.health,
        since=observed.since.get(one.deployment),
        problem=one.problem,
    )
