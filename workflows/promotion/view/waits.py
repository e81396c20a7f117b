"""How a wait is put together: state, cause and the way out. Pure."""

from dataclasses import replace

from activities.models.status import NO_ACTION, WaitingFor
from crds.reasons.trackers import WaitingReason
from crds.reasons.vocabulary import Waiting
from workflows.promotion.state import PromotionState
from workflows.promotion.view.obstacles import Obstacle


def wait(
    story: PromotionState,
    what: Waiting,
    object_: str,
    *,
    reason: WaitingReason,
    observed: str,
    unblock_with: str,
    wanted: str = "",
) -> WaitingFor:
    """Return a wait that lasts since the state at hand began."""
    return WaitingFor(
        what=what,
        object=object_,
        wanted=wanted,
        observed=observed,
        since=story.since,
        unblock_with=unblock_with,
        reason_code=reason,
    )


def unread(story: PromotionState, what: Waiting, object_: str, *, observed: str, wanted: str = "") -> WaitingFor:
    """Return a wait for what Pilotage reads until it has it, also while that fails of what usually passes."""
    reason = WaitingReason.NOT_READ_YET
    return wait(story, what, object_, reason=reason, observed=observed, unblock_with=NO_ACTION, wanted=wanted)


def blocked(waiting: WaitingFor, obstacle: Obstacle | None) -> WaitingFor:
    """Return a wait with what is in its way, and what removes that."""
    if obstacle is None:
        return waiting
    return replace(waiting, object=obstacle.object, reason_code=obstacle.reason, unblock_with=obstacle.unblock_with)
