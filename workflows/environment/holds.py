"""Which held members stand between a place and a candidate. Pure."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from activities.models.delivery import Observation, revisions_of
from activities.models.places import MemberSignal
from activities.models.revisions import Relation
from workflows.environment.newest import artifacts_of
from workflows.runtime.ancestry import CONTAINING, Comparing


class Holds:
    """Hold, by component, the held members that the place misses and that no other held one makes superfluous.

    Who contains a held change contains whatever that one contains, so that the lowest suffice: on one line of commits
    each candidate is compared with one of them. While a comparison misses its answer, `asking` has pairs.
    """

    def __init__(
        self,
        members: Iterable[MemberSignal],
        observations: Sequence[Observation],
        components: Iterable[str],
        asking: Comparing,
    ) -> None:
        self._asking = asking
        held = [one for one in members if one.held and one.revision is not None]
        self._held = {one.tracker.uid: one for one in held}
        self._lowest: dict[str, list[MemberSignal]] = {}
        for component in components:
            ours = [one for one in observations if one.component == component]
            # A tracker that does not know its components yet may touch any of them.
            touching = [one for one in held if not one.components or component in one.components]
            missing = [one for one in touching if any(misses(seen, one.revision or "", asking) for seen in ours)]
            self._lowest[component] = lowest(missing, asking)

    def in_the_way_of(self, candidate: MemberSignal) -> MemberSignal | None:
        """Return a held member that the candidate would move into the place; the held candidate itself is one."""
        if candidate.tracker.uid in self._held:
            return candidate
        for artifact in artifacts_of(candidate):
            for held in self._lowest.get(artifact.component, ()):
                relation = self._asking.relation(held.revision or "", artifact.revision)
                if relation is None:
                    break
                # A commit that the host does not know cannot be shown to stay behind, so its hold counts.
                if relation in CONTAINING or relation is Relation.UNKNOWN:
                    return held
        return None


def misses(observation: Observation, revision: str, asking: Comparing) -> bool:
    """Return whether a deployment misses a commit, as far as is known."""
    if observation.problem or observation.runs is None:
        return True
    relations = [asking.relation(revision, present) for present in revisions_of(observation)]
    return any(one is not None and one not in CONTAINING for one in relations)


def lowest(held: Sequence[MemberSignal], asking: Comparing) -> list[MemberSignal]:
    """Return held members without those that contain another one; unrelated ones stay.

    They meet in pairs, as those do of which the newest is sought: one comparison less than there are members. Without
    an answer that is missing, which `asking` then shows, the result is of no use.
    """
    groups = [[one] for one in {one.revision: one for one in held}.values()]
    known = len(asking.pairs)
    while len(groups) > 1 and len(asking.pairs) == known:
        groups = [_meet(one, other, asking) for one, other in zip_longest(groups[::2], groups[1::2])]
    return groups[0] if groups else []


def _meet(one: list[MemberSignal], other: list[MemberSignal] | None, asking: Comparing) -> list[MemberSignal]:
    if other is None:
        return one
    relation = asking.relation(one[0].revision or "", other[0].revision or "")
    if relation in CONTAINING:
        return one + other[1:]
    if relation is Relation.BEHIND:
        return other + one[1:]
    return one + other
