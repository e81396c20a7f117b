"""Pure rules of the lane: who may go next, who waits, and for whom."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from activities.models.delivery import Observation
from activities.models.places import BlockedBy, MemberSignal, Role
from activities.models.revisions import RevisionPair
from crds.reasons.vocabulary import Phase
from workflows.environment.holds import Holds
from workflows.environment.newest import artifacts_of, newest_of
from workflows.runtime.ancestry import Ancestry, Comparing


@dataclass(frozen=True, kw_only=True)
class LaneView:
    """Hold all that a decision depends on."""

    members: tuple[MemberSignal, ...]
    observations: tuple[Observation, ...]
    unobserved: str = ""
    """Why the place could not be observed; empty when the observations may be believed."""
    briefly: bool = False
    """Whether that usually passes: nothing is granted, yet whom a hold stops is judged by what was seen last."""
    occupied_by: str = ""
    """Name of the tracker that holds the lane, or held it when it vanished."""
    occupied_because: str = ""
    missing: tuple[str, ...] = ()
    """Names of live trackers that have not answered a place that started without memory; empty for those not listed."""
    unlisted: str = ""
    """Why the live trackers are not listed yet."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Name who gets the lane, whom each other Ready member waits for, and what must be compared before."""

    grant: str | None = None
    """uid of the tracker that gets the lane."""
    blocked_by: dict[str, BlockedBy] = field(default_factory=dict)
    """By uid, for every Ready member that waits for somebody or something nameable."""
    pairs: tuple[RevisionPair, ...] = ()
    blockers: tuple[str, ...] = ()
    """uids of the members in the way, to be asked at once whether they still exist."""


HOLDS = "holds the lane"
UNANSWERED = "has not answered since the place was restarted"


def decide(view: LaneView, ancestry: Ancestry) -> Decision:
    """Decide the lane: the newest admissible Ready member gets a free one, once all that matters is known."""
    ready = sorted((one for one in view.members if asks_for_lane(one)), key=lambda one: (one.number, one.tracker.uid))
    if not ready:
        return Decision()
    if view.occupied_by:
        return _all_wait(ready, view, BlockedBy(tracker=view.occupied_by, reason=view.occupied_because))
    if view.missing:
        silent = view.missing[0]
        return _all_wait(ready, view, BlockedBy(tracker=silent, reason=UNANSWERED if silent else view.unlisted))
    if view.unobserved and not view.briefly:
        return _all_wait(ready, view, BlockedBy(tracker="", reason=view.unobserved))
    if view.unobserved and not view.observations:
        return Decision()
    asking = Comparing(ancestry)
    components = dict.fromkeys(one.component for candidate in ready for one in artifacts_of(candidate))
    holds = Holds(view.members, view.observations, components, asking)
    if asking.pairs:
        # Which of the held ones count is not known yet: to compare each candidate with each of them would be too much.
        return Decision(pairs=tuple(asking.pairs.values()))
    admissible: list[MemberSignal] = []
    blocked: dict[str, BlockedBy] = {}
    blockers: dict[str, None] = {}
    for candidate in ready:
        in_the_way = holds.in_the_way_of(candidate)
        if in_the_way is None:
            admissible.append(candidate)
        else:
            blocked[candidate.tracker.uid] = BlockedBy(tracker=in_the_way.tracker.name, reason="is held", held=True)
            blockers[in_the_way.tracker.uid] = None
    newest = newest_of(admissible, asking) if not asking.pairs and not view.unobserved else None
    if newest is None or asking.pairs:
        return Decision(blocked_by=blocked, pairs=tuple(asking.pairs.values()), blockers=tuple(blockers))
    for waiting in admissible:
        if waiting is not newest:
            blocked[waiting.tracker.uid] = BlockedBy(tracker=newest.tracker.name, reason=HOLDS)
    return Decision(grant=newest.tracker.uid, blocked_by=blocked, blockers=tuple(blockers))


def asks_for_lane(member: MemberSignal) -> bool:
    """Return whether a member wants to write here."""
    return member.role is Role.TARGET and member.phase is Phase.READY


def _all_wait(ready: Sequence[MemberSignal], view: LaneView, reason: BlockedBy) -> Decision:
    # A holder does not wait for itself, nor one that is to answer; a newer attempt does wait for the one before it.
    itself = reason.reason in (HOLDS, UNANSWERED)
    waiting = [one.tracker.uid for one in ready if not itself or one.tracker.name != reason.tracker]
    blockers = tuple(
        one.tracker.uid for one in view.members if one.tracker.name == reason.tracker and one.tracker.uid not in waiting
    )
    return Decision(blocked_by=dict.fromkeys(waiting, reason), blockers=blockers)
