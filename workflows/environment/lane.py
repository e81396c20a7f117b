"""Pure rules of the lane: who may go next, who waits, and for whom (design §5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from activities.models.delivery import Observation
from activities.models.places import BlockedBy, MemberSignal, Phase
from activities.models.revisions import Relation, RevisionPair
from activities.models.tracking import Artifact

Ancestry = Callable[[str, str], Relation | None]
"""How `head` (second) stands to `base` (first); None = not known yet, ask for it."""


@dataclass(frozen=True, kw_only=True)
class LaneView:
    """Hold all that a decision depends on."""

    members: tuple[MemberSignal, ...]
    observations: tuple[Observation, ...]
    unobserved: str = ""
    """Why the place could not be observed; empty when the observations may be believed."""
    occupied_by: str = ""
    """Name of the tracker that holds the lane, or held it when it vanished."""
    occupied_because: str = ""
    missing: tuple[str, ...] = ()
    """Names of live trackers that have not answered a place that started without memory."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Say who gets the lane, whom each other Ready member waits for, and what must be compared before."""

    grant: str | None = None
    """uid of the tracker that gets the lane."""
    blocked_by: dict[str, BlockedBy] = field(default_factory=dict)
    """By uid, for every Ready member that waits for somebody or something nameable."""
    pairs: tuple[RevisionPair, ...] = ()
    blockers: tuple[str, ...] = ()
    """uids of the members in the way, to be asked at once whether they still exist."""


HOLDS = "holds the lane"
UNANSWERED = "has not answered since the place was restarted"


class _Asking:
    """Answer from what is known of ancestry and note every pair that is not."""

    def __init__(self, ancestry: Ancestry) -> None:
        self._ancestry = ancestry
        self.pairs: dict[tuple[str, str], RevisionPair] = {}

    def relation(self, base: str, head: str) -> Relation | None:
        if base == head:
            return Relation.IDENTICAL
        known = self._ancestry(base, head)
        if known is None:
            self.pairs[base, head] = RevisionPair(base=base, head=head)
        return known


def decide(view: LaneView, ancestry: Ancestry) -> Decision:
    """Decide the lane: the newest admissible Ready member gets a free one, once all that matters is known."""
    ready = sorted((one for one in view.members if asks_for_lane(one)), key=lambda one: (one.number, one.tracker.uid))
    if not ready:
        return Decision()
    if view.occupied_by:
        return _all_wait(ready, view, BlockedBy(tracker=view.occupied_by, reason=view.occupied_because))
    if view.missing:
        return _all_wait(ready, view, BlockedBy(tracker=view.missing[0], reason=UNANSWERED))
    if view.unobserved:
        return _all_wait(ready, view, BlockedBy(tracker="", reason=view.unobserved))
    asking = _Asking(ancestry)
    admissible: list[MemberSignal] = []
    blocked: dict[str, BlockedBy] = {}
    blockers: dict[str, None] = {}
    for candidate in ready:
        in_the_way = next((one for one in view.members if _stands_between(one, candidate, view, asking)), None)
        if in_the_way is None:
            admissible.append(candidate)
        else:
            blocked[candidate.tracker.uid] = BlockedBy(tracker=in_the_way.tracker.name, reason="held")
            blockers[in_the_way.tracker.uid] = None
    newest = _newest(admissible, asking)
    if newest is None or asking.pairs:
        return Decision(blocked_by=blocked, pairs=tuple(asking.pairs.values()), blockers=tuple(blockers))
    for waiting in admissible:
        if waiting is not newest:
            blocked[waiting.tracker.uid] = BlockedBy(tracker=newest.tracker.name, reason=HOLDS)
    return Decision(grant=newest.tracker.uid, blocked_by=blocked, blockers=tuple(blockers))


def artifacts_of(member: MemberSignal) -> tuple[Artifact, ...]:
    """Return what a member promotes, by component; before its round that is its own merge commit."""
    if member.artifacts or member.revision is None:
        return member.artifacts
    return tuple(Artifact(component=component, revision=member.revision) for component in member.components)


def revisions_of(observation: Observation) -> tuple[str, ...]:
    """Return what a deployment runs, what is written to it and what an operation brings."""
    found = (observation.runs, observation.written, observation.operating)
    return tuple(dict.fromkeys(revision for revision in found if revision))


def asks_for_lane(member: MemberSignal) -> bool:
    """Tell whether a member wants to write here."""
    return member.role == "target" and member.phase is Phase.READY


def _all_wait(ready: Sequence[MemberSignal], view: LaneView, reason: BlockedBy) -> Decision:
    blockers = tuple(one.tracker.uid for one in view.members if one.tracker.name == reason.tracker)
    waiting = (one.tracker.uid for one in ready if one.tracker.name != reason.tracker)
    return Decision(blocked_by=dict.fromkeys(waiting, reason), blockers=blockers)


def _stands_between(member: MemberSignal, candidate: MemberSignal, view: LaneView, asking: _Asking) -> bool:
    """Tell whether a held member would be moved into the place by the candidate; the held candidate itself is one."""
    if not member.held or member.revision is None:
        return False
    if member.tracker.uid == candidate.tracker.uid:
        return True
    # A tracker that does not know its components yet may touch any of them.
    shared = [one for one in artifacts_of(candidate) if not member.components or one.component in member.components]
    return any(_would_move(member.revision, artifact, view.observations, asking) for artifact in shared)


def _would_move(revision: str, artifact: Artifact, observations: Sequence[Observation], asking: _Asking) -> bool:
    relation = asking.relation(revision, artifact.revision)
    # A commit that the host does not know cannot be shown to stay behind, so its hold counts.
    if relation not in (Relation.AHEAD, Relation.IDENTICAL, Relation.UNKNOWN):
        return False
    return any(_lacks(one, revision, asking) for one in observations if one.component == artifact.component)


def _lacks(observation: Observation, revision: str, asking: _Asking) -> bool:
    if observation.problem or observation.runs is None:
        return True
    relations = [asking.relation(revision, present) for present in revisions_of(observation)]
    return any(one not in (None, Relation.AHEAD, Relation.IDENTICAL) for one in relations)


def _newest(candidates: Sequence[MemberSignal], asking: _Asking) -> MemberSignal | None:
    """Return the member that no other contains; among unrelated ones the youngest pull request."""
    unsurpassed = [
        one for one in candidates if not any(_is_newer(other, one, asking) for other in candidates if other is not one)
    ]
    # "Newer" on different components may run in a circle; then the number alone decides.
    return max(unsurpassed or candidates, key=lambda one: (one.number, one.tracker.uid), default=None)


def _is_newer(one: MemberSignal, other: MemberSignal, asking: _Asking) -> bool:
    """Tell whether `one` contains more than `other` on some shared component and less on none."""
    others = {artifact.component: artifact.revision for artifact in artifacts_of(other)}
    relations = [
        asking.relation(others[artifact.component], artifact.revision)
        for artifact in artifacts_of(one)
        if artifact.component in others
    ]
    return Relation.AHEAD in relations and Relation.BEHIND not in relations
