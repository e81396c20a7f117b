"""What people see of a place: its status in Kubernetes and its page in the Temporal UI. Pure."""

from collections.abc import Mapping, Sequence

from activities.models.budgets import HISTORY_BYTES, MEMBERS_SHOWN
from activities.models.delivery import Observation
from activities.models.places import BlockedBy, MemberSignal, Role
from activities.models.status import ArtifactSet, DeploymentStatus, LaneStatus, MemberStatus, PlaceStatus
from crds.reasons.vocabulary import Health, Phase
from crds.texts.markdown import inline
from crds.texts.plain import short_revision
from workflows.environment import observation
from workflows.environment.state import Observed
from workflows.sizes import encoded_size

_WORST_LAST = (Health.HEALTHY, Health.PROGRESSING, Health.SUSPENDED, Health.UNKNOWN, Health.MISSING, Health.DEGRADED)
_WHERE = {
    Role.SOURCE: "is here and goes on from here",
    Role.TARGET: "comes here next",
    Role.AHEAD: "comes here later",
}
"""A member's role as people read it."""


def place_status(repository: str, observed: Observed, members: Sequence[MemberSignal], holder: str) -> PlaceStatus:
    """Return the repository's entry of the Environment's status; the publisher stamps the sequence."""
    return PlaceStatus(
        repository=repository,
        sequence=0,
        deployments=tuple(
            _deployment(name, ours, observed) for name, ours in _by_deployment(observed.observations).items()
        ),
        lane=LaneStatus(
            holder=holder,
            members=tuple(
                MemberStatus(tracker=one.tracker.name, phase=one.phase, held=one.held)
                for one in in_order(members)[:MEMBERS_SHOWN]
            ),
        ),
        history=newest_sets(observed.history),
    )


def newest_sets(history: Sequence[ArtifactSet]) -> tuple[ArtifactSet, ...]:
    """Return the newest artifact sets that fit into a status."""
    kept: list[ArtifactSet] = []
    room = HISTORY_BYTES
    for one in history:
        room -= encoded_size(one)
        if room < 0:
            break
        kept.append(one)
    return tuple(kept)


def worth_publishing(status: PlaceStatus, observations: Sequence[Observation]) -> tuple[object, ...]:
    """Return what of a status is worth a write of its own.

    A rollout's steps on the way travel with the next one, and so does a member that only works on its way here.
    """
    groups = _by_deployment(observations)
    settled = {name for name, ours in groups.items() if all(one.settled for one in ours)}
    deployments = tuple(
        (one.name, one.artifact, one.problem, one.not_writable, one.health if one.name in settled else None)
        for one in status.deployments
    )
    standing = tuple(one for one in status.lane.members if one.held or one.phase != Phase.WORKING)
    return (status.lane.holder, standing, deployments)


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
    """Return the page of the place as Markdown, made of lists: the Temporal UI draws tables without space in them."""
    lines = [f"**{title}**: lane {f'held by {inline(holder)}' if holder else 'free'}"]
    if problem:
        lines += ["", f"⚠ {inline(problem)}"]
    if members:
        lines += [
            "",
            "**Changes**",
            "",
            *(_member_line(one, blocked_by) for one in in_order(members)),
        ]
    if observations:
        lines += ["", "**What runs**", "", *map(_runs_line, observations)]
    return "\n".join(lines)


def _member_line(one: MemberSignal, blocked_by: Mapping[str, BlockedBy]) -> str:
    block = blocked_by.get(one.tracker.uid)
    waits = f"{block.tracker} {block.reason}".strip() if block else ""
    phase = f"{one.phase}, held" if one.held else str(one.phase)
    line = f"- #{one.number} {inline(one.tracker.name)} {_WHERE.get(one.role, one.role)}: {phase}"
    return f"{line}; waits, since {inline(waits)}" if waits else line


def _runs_line(seen: Observation) -> str:
    runs = short_revision(seen.runs) if seen.runs else "not known" if seen.problem else "nothing"
    health = inline(seen.problem or seen.health)
    return f"- {inline(seen.deployment)}: {inline(runs)}, {health}{'' if seen.settled else ', not settled'}"


def declared_name(one: Observation) -> str:
    """Return the name of the declared deployment; one with a selector is observed once per application."""
    return one.deployment.partition("/")[0]


def _by_deployment(observations: Sequence[Observation]) -> dict[str, list[Observation]]:
    found: dict[str, list[Observation]] = {}
    for one in observations:
        found.setdefault(declared_name(one), []).append(one)
    return found


def _deployment(name: str, ours: Sequence[Observation], observed: Observed) -> DeploymentStatus:
    """Sum up a deployment's applications: its artifact only where they agree, the worst health, the first problem."""
    first = ours[0]
    agree = len({one.runs for one in ours}) == 1 and not any(one.problem for one in ours)
    since = [observed.since[one.deployment] for one in ours if one.deployment in observed.since]
    return DeploymentStatus(
        name=name,
        artifact=observation.artifact_of(first, first.runs) if agree and first.runs is not None else None,
        health=max((one.health for one in ours), key=_WORST_LAST.index),
        since=max(since, default=None),
        problem=next((_of(one, one.problem) for one in ours if one.problem), ""),
        not_writable=next((_of(one, one.writable) for one in ours if one.writable), ""),
        not_writable_reason=next((one.obstacle for one in ours if one.writable), ""),
    )


def _of(one: Observation, text: str) -> str:
    """Name the application where the deployment alone would not."""
    return text if one.deployment == declared_name(one) else f"{text} ({one.application})"
