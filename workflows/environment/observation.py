"""Pure rules of observing: what matters to whom, what the place runs, who brought it, and when to look again."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from activities.models.bounds import cut
from activities.models.delivery import Observation, OperationPhase, revisions_of
from activities.models.places import MemberSignal, Role
from activities.models.status import ArtifactSet
from activities.models.tracking import Artifact, Timings
from crds.reasons.vocabulary import Health, Phase
from workflows.environment.newest import artifacts_of
from workflows.environment.state import Observed
from workflows.runtime.backoff import Backoff

HISTORY_KEPT = 20
SHOWN_BYTES = 200
"""Argo CD's text about one application, as a member gets it: a place sends hundreds of them to hundreds of members."""


def matters(before: Sequence[Observation], after: Sequence[Observation]) -> bool:
    """Return whether anything but a text changed between two observations of a place."""
    return as_compared(before) != as_compared(after)


def as_compared(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Return observations without their texts, by which nothing is compared."""
    return tuple(_without_text(one) for one in observations)


def as_watched(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Return of observations what a watch compares: a change of the image alone comes with one of the tag."""
    return tuple(replace(one, image=None, config_revision=None) for one in as_compared(observations))


def _without_text(observation: Observation) -> Observation:
    return replace(observation, message="", operation_message="", url="")


def artifacts(observations: Sequence[Observation]) -> tuple[Artifact, ...]:
    """Return what the place runs: a component has an artifact only where all its deployments agree."""
    found: list[Artifact] = []
    for component in dict.fromkeys(one.component for one in observations):
        ours = [one for one in observations if one.component == component]
        if any(one.problem for one in ours) or len({one.runs for one in ours}) != 1 or ours[0].runs is None:
            continue
        found.append(artifact_of(ours[0], ours[0].runs))
    return tuple(found)


def artifact_of(observation: Observation, runs: str) -> Artifact:
    """Return the artifact that one deployment runs."""
    return Artifact(
        component=observation.component,
        revision=runs,
        image=observation.image,
        tag=observation.tag,
        config_revision=observation.config_revision,
    )


def concerning(member: MemberSignal, observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Return the observations that a member gets: none for one that is still on its way to another place."""
    if member.role is Role.AHEAD:
        return ()
    return tuple(one for one in observations if not member.components or one.component in member.components)


def as_sent(member: MemberSignal, observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Return the observations that concern a member, each with what this member judges by or shows, and no more."""
    return tuple(_for_member(member, one) for one in concerning(member, observations))


def _for_member(member: MemberSignal, one: Observation) -> Observation:
    if member.phase is Phase.HOLDER:
        return replace(one, url="")
    message = cut(one.message, SHOWN_BYTES) if member.role is Role.SOURCE and not one.settled else ""
    return replace(one, url="", message=message, operation_message="", operation_key="")


def moves_concerning(member: MemberSignal | None, observed: Observed) -> dict[str, str]:
    """Return who brought what runs, for the deployments that a member gets."""
    sent = concerning(member, observed.observations) if member is not None else ()
    return {one.deployment: observed.moved_by[one.deployment] for one in sent if one.deployment in observed.moved_by}


def essence(member: MemberSignal, observation: Observation) -> str:
    """Return what of a deployment this member acts on; empty = nothing new as long as it stays so.

    The holder knows what it wrote: its own rollout on the way is quiet until it is done, fails or is displaced.
    """
    one = observation
    if one.problem:
        return f"problem: {one.problem}"
    if member.phase is Phase.HOLDER:
        return _essence_for_holder(member, one)
    if member.role is Role.SOURCE:
        message = "" if one.settled else cut(one.message, SHOWN_BYTES)
        return f"{one.runs} {one.settled} {one.health} {message}"
    # What contains a change has arrived only when it is settled: members who wait for that must get it.
    return f"{one.runs} {one.written} {one.operating} {one.settled} {one.writable}"


def _essence_for_holder(member: MemberSignal, one: Observation) -> str:
    if one.settled:
        return f"settled: {' '.join(revisions_of(one))} {one.writable}"
    if one.operation_phase in (OperationPhase.FAILED, OperationPhase.ERROR):
        return f"{one.operation_phase}: {one.operation_key} {cut(one.operation_message, SHOWN_BYTES)}"
    ours = _brought_by(member, one)
    if one.is_rolling_out(ours):
        return ""
    foreign = [revision for revision in (one.written, one.operating) if revision and revision != ours]
    ill = one.health in (Health.DEGRADED, Health.MISSING)
    return f"moving: {' '.join(foreign)} {one.health if ill else ''}" if foreign or ill else ""


def has_arrived(member: MemberSignal, observations: Sequence[Observation]) -> bool:
    """Return whether all that concerns a member runs what it brings, and has settled."""
    ours = concerning(member, observations)
    return bool(ours) and all(one.settled and one.runs == _brought_by(member, one) for one in ours)


def _brought_by(member: MemberSignal, one: Observation) -> str | None:
    return next((artifact.revision for artifact in artifacts_of(member) if artifact.component == one.component), None)


def bridged(known: Observed, read: Sequence[Observation], at: datetime) -> tuple[Sequence[Observation], datetime]:
    """Return what is known after a read that met trouble which usually passes, and as of when all of it was seen.

    What could not be read is believed to be as it was. So the whole is only as new as that: a tracker that wrote since
    does not take it for an answer.
    """
    before = {one.deployment: one for one in known.observations if not one.problem}
    if known.at is None or not any(one.passing and one.deployment in before for one in read):
        return read, at
    return [before.get(one.deployment, one) if one.passing else one for one in read], known.at


def after_read(
    known: Observed, read: Sequence[Observation], at: datetime, members: Iterable[MemberSignal], holder: str
) -> Observed:
    """Return what is known after a read: since when and by whom each deployment runs what it does, and the history."""
    before = {one.deployment: one for one in known.observations}
    candidates = list(members)
    # What ran before a deployment became unreadable is known from the history alone.
    recorded = {one.component: one.revision for one in known.history[0].artifacts} if known.history else {}
    since, moved_by = dict(known.since), dict(known.moved_by)
    for one in read:
        last = before.get(one.deployment)
        ran = recorded.get(one.component) if last is not None and last.problem else last.runs if last else None
        if one.problem or (last is not None and ran == one.runs):
            continue
        bringer = _bringer(one, candidates, holder)
        if last is not None:
            since[one.deployment] = at
            moved_by.pop(one.deployment, None)
        if bringer:
            moved_by[one.deployment] = bringer
    names = {one.deployment for one in read}
    return Observed(
        observations=tuple(read),
        at=at,
        since={name: when for name, when in since.items() if name in names},
        moved_by={name: who for name, who in moved_by.items() if name in names},
        history=_history(known.history, read, at, moved_by),
    )


def _bringer(observation: Observation, members: Sequence[MemberSignal], holder: str) -> str:
    """Name the tracker that brought what runs: the holder of this artifact, else whose merge commit it is."""
    for member in members:
        promoted = any(
            artifact.component == observation.component and artifact.revision == observation.runs
            for artifact in artifacts_of(member)
        )
        if member.tracker.name == holder and promoted:
            return holder
    return next((one.tracker.name for one in members if one.revision and one.revision == observation.runs), "")


def _history(
    history: tuple[ArtifactSet, ...], read: Sequence[Observation], at: datetime, moved_by: dict[str, str]
) -> tuple[ArtifactSet, ...]:
    found = artifacts(read)
    if not found or (history and history[0].artifacts == found):
        return history
    before = {artifact.component: artifact.revision for artifact in history[0].artifacts} if history else {}
    moved = {artifact.component for artifact in found if before.get(artifact.component) != artifact.revision}
    who = {moved_by[one.deployment] for one in read if one.component in moved and one.deployment in moved_by}
    newest = ArtifactSet(at=at, artifacts=found, tracker=", ".join(sorted(who)))
    return (newest, *history)[:HISTORY_KEPT]


def next_pause(pause: timedelta | None, timings: Timings, *, changed: bool) -> timedelta:
    """Return how long to wait before the next look: eager after a change, then backing off."""
    if pause is None or changed:
        return timings.observe_initial
    pauses = Backoff(initial=pause, maximum=timings.observe_maximum)
    pauses.grow()
    return pauses.pause
