"""Find the newest of many Ready members by comparisons whose number grows with theirs, not with its square. Pure."""

from collections.abc import Sequence
from itertools import zip_longest

from activities.models.places import MemberSignal
from activities.models.revisions import Relation
from activities.models.tracking import Artifact
from workflows.runtime.ancestry import Comparing

LOOKS = 3
"""How often the winner is held against the others again: members of different components may surpass each other in a
circle, and then the one that leads after these looks goes first."""


def artifacts_of(member: MemberSignal) -> tuple[Artifact, ...]:
    """Return what a member promotes, by component; before its round that is its own merge commit."""
    if member.artifacts or member.revision is None:
        return member.artifacts
    return tuple(Artifact(component=component, revision=member.revision) for component in member.components)


def newest_of(candidates: Sequence[MemberSignal], asking: Comparing) -> MemberSignal | None:
    """Return a member that no other contains; of two unrelated ones the younger pull request stays in.

    None while a comparison misses its answer. Members meet in pairs, the winners again, so that the comparisons of one
    round can be asked for together.
    """
    if not candidates:
        return None
    surpassed: dict[str, set[str]] = {one.tracker.uid: set() for one in candidates}
    left = sorted(candidates, key=_age)
    while len(left) > 1:
        winners = [_winner(one, other, surpassed, asking) for one, other in zip_longest(left[::2], left[1::2])]
        left = [one for one in winners if one is not None]
        if len(left) < len(winners):
            return None
    return _unsurpassed(left[0], candidates, surpassed, asking)


def _winner(
    one: MemberSignal, other: MemberSignal | None, surpassed: dict[str, set[str]], asking: Comparing
) -> MemberSignal | None:
    """Return who stays in, and note whom a relation, and not age alone, put out."""
    if other is None:
        return one
    newer = is_newer(other, one, asking)
    older = is_newer(one, other, asking)
    if newer is None or older is None:
        return None
    winner, loser = (one, other) if older or (not newer and _age(one) > _age(other)) else (other, one)
    if newer or older:
        surpassed[winner.tracker.uid] |= {loser.tracker.uid, *surpassed[loser.tracker.uid]}
    return winner


def _unsurpassed(
    leader: MemberSignal, candidates: Sequence[MemberSignal], surpassed: dict[str, set[str]], asking: Comparing
) -> MemberSignal | None:
    """Hold the leader against those that it has not surpassed; on one set of components that is what age put out."""
    transitive = len({frozenset(one.component for one in artifacts_of(member)) for member in candidates}) == 1
    for _ in range(LOOKS):
        before = leader
        for rival in candidates:
            beaten = surpassed[leader.tracker.uid] if transitive else ()
            if rival is not leader and rival.tracker.uid not in beaten and is_newer(rival, leader, asking):
                leader = rival
        if asking.pairs:
            return None
        if leader is before:
            break
    return leader


def is_newer(one: MemberSignal, other: MemberSignal, asking: Comparing) -> bool | None:
    """Return whether `one` contains more than `other` on some shared component and less on none; None = not known."""
    others = {artifact.component: artifact.revision for artifact in artifacts_of(other)}
    relations = [
        asking.relation(others[artifact.component], artifact.revision)
        for artifact in artifacts_of(one)
        if artifact.component in others
    ]
    if None in relations:
        return None
    return Relation.AHEAD in relations and Relation.BEHIND not in relations


def _age(member: MemberSignal) -> tuple[int, str]:
    return (member.number, member.tracker.uid)
