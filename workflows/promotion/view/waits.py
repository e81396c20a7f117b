"""How a wait is put together: state, cause and the way out. Pure."""

from dataclasses import replace

from activities.models.status import WaitingFor
from crds.reasons.trackers import WaitingReason
from crds.reasons.vocabulary import Waiting
from workflows.promotion.state import PromotionState
from workflows.promotion.view.obstacles import Obstacle
from workflows.promotion.view.way_out import BY_ITSELF, WayOut


def wait(
    story: PromotionState,
    what: Waiting,
    object_: str,
    *,
    reason: WaitingReason,
    observed: str,
    way_out: WayOut,
    wanted: str = "",
) -> WaitingFor:
    """Return a wait that lasts since the state at hand began."""
    return WaitingFor(
        what=what,
        object=object_,
        wanted=wanted,
        observed=observed,
        since=story.since,
        unblock_with=way_out.text,
        command=way_out.command,
        reason_code=reason,
    )


def unread(story: PromotionState, what: Waiting, object_: str, *, observed: str, wanted: str = "") -> WaitingFor:
    """Return a wait for what Pilotage reads until it has it, also while that fails of what usually passes."""
    reason = WaitingReason.NOT_READ_YET
    return wait(story, what, object_, reason=reason, observed=observed, way_out=BY_ITSELF, wanted=wanted)


def blocked(waiting: WaitingFor, obstacle: Obstacle | None) -> WaitingFor:
    """Return a wait with what is in its way, and what removes that."""
    if obstacle is None:
        return waiting
    return replace(
        waiting,
        object=obstacle.object,
        reason_code=obstacle.reason,
        unblock_with=obstacle.way_out.text,
        command=obstacle.way_out.command,
    )
