"""What a change waits for ahead of it: its target, an approval, the lane, and the delivery. Pure."""

from dataclasses import replace
from datetime import datetime

from activities.models.bounds import together
from activities.models.places import PlaceSignal
from activities.models.status import NO_ACTION, WaitingFor
from crds.reasons.trackers import WaitingReason
from crds.reasons.vocabulary import Phase, Waiting
from workflows.promotion.rules.aggregate import verdict
from workflows.promotion.rules.commands import approver
from workflows.promotion.rules.comparison import short
from workflows.promotion.state import Hop, PromotionState, Refusal
from workflows.promotion.view.obstacles import Obstacle
from workflows.promotion.view.waits import unread, wait
from workflows.promotion.view.way_out import BY_ITSELF, CommandLine, Fix, WayOut, WaysOut

READABLE = "a target that can be read"


def turn(
    story: PromotionState,
    hop: Hop | None,
    target: PlaceSignal | None,
    obstacle: Obstacle | None,
    ways: WaysOut,
) -> WaitingFor:
    """Return what a change whose tests passed waits for: a target that it may go to, an approval, or the lane."""
    name, command = name_of_target(hop), ways.command
    if hop is not None and hop.refusal is not Refusal.NONE:
        return _refused(story, hop, obstacle, ways)
    if hop is not None and not approver(story):
        return wait(
            story,
            Waiting.PROMOTE_COMMAND,
            name,
            reason=WaitingReason.AWAITING_PROMOTE,
            observed=f"{verdict(hop.round.tests if hop.round else ())}; the policy has autoPromote false",
            way_out=WayOut.by(command("promote")),
            wanted="a promote command",
        )
    if story.phase in (Phase.READY, Phase.HOLDER):
        return _lane(story, name, target, obstacle, command)
    if obstacle is None:
        return unread(story, Waiting.TARGET, name, observed=_unknown(story, target), wanted=READABLE)
    return wait(
        story,
        Waiting.TARGET,
        obstacle.object,
        reason=obstacle.reason,
        observed=obstacle.text,
        way_out=obstacle.way_out,
        wanted=READABLE,
    )


def _refused(story: PromotionState, hop: Hop, obstacle: Obstacle | None, ways: WaysOut) -> WaitingFor:
    """Return what keeps the target from being written: what cannot be read of it, or what it holds."""
    name = hop.policy.target
    if hop.refusal is Refusal.UNREADABLE:
        there = f"Environment/{name}"
        return wait(
            story,
            Waiting.TARGET,
            obstacle.object if obstacle else name,
            reason=WaitingReason.TARGET_UNREADABLE,
            observed=hop.refusal_message,
            way_out=obstacle.way_out if obstacle else ways.show(Fix(f"fix {there}", (there,))),
            wanted=READABLE,
        )
    return wait(
        story,
        Waiting.TARGET,
        name,
        reason=WaitingReason.TARGET_DIVERGED,
        observed=hop.refusal_message,
        way_out=WayOut.by(f'{ways.command("promote")} --reason "…"'),
        wanted="a target that the change contains",
    )


def _lane(
    story: PromotionState, name: str, target: PlaceSignal | None, obstacle: Obstacle | None, command: CommandLine
) -> WaitingFor:
    """Return what stands before a change that is in line: a tracker, a person who holds that, or no one."""
    blocked = target.blocked_by if target else None
    observed = f"{blocked.tracker} {blocked.reason}".strip() if blocked else "asked for the lane"
    way_out = BY_ITSELF
    if blocked is not None and blocked.held:
        way_out = WayOut.by(command("release", blocked.tracker))
    elif obstacle is not None and not (blocked is not None and blocked.tracker):
        way_out = obstacle.way_out
    return wait(
        story,
        Waiting.LANE,
        blocked.tracker if blocked and blocked.tracker else name,
        reason=WaitingReason.BLOCKED_BY if blocked is not None else WaitingReason.AWAITING_LANE,
        observed=observed,
        way_out=way_out,
        wanted=f"the lane of {name}",
    )


def _unknown(story: PromotionState, target: PlaceSignal | None) -> str:
    """Return what is not known yet of the target."""
    hop, components = story.hop, story.components or ()
    found = hop.view.deployments if hop is not None and hop.view is not None else ()
    selectors = [one.name for one in found if one.unresolved and one.component in components]
    if selectors:
        return f"which applications {together(selectors)} selects is not known yet"
    if target is None or target.observed_at is None:
        return f"{name_of_target(hop)} is not observed yet"
    return f"{name_of_target(hop)} is being compared"


def delivery(
    story: PromotionState, hop: Hop | None, obstacle: Obstacle | None, deadline: datetime | None, ways: WaysOut
) -> WaitingFor:
    """Return what a wave waits for; `deadline` is when it must have arrived."""
    # Nothing here claims that a system works: no one can know that while it gives no answer.
    observed, until = story.message or "no arrival seen yet", deadline
    reason, way_out = WaitingReason.DELIVERING, BY_ITSELF
    if hop is not None and hop.pause_until is not None:
        until = hop.pause_until
        observed = f"the pause between waves, until {until:%Y-%m-%d %H:%M:%S} UTC; Pilotage then writes the next wave"
        reason = WaitingReason.WAVE_PAUSE
    elif obstacle is not None:
        reason, way_out = obstacle.reason, obstacle.way_out
    elif hop is not None and hop.blocked and hop.awaited:
        reason = WaitingReason.MERGE_AWAITED
        way_out = ways.show(Fix("merge the pull request, or close it to end the wave"))
    elif hop is not None and hop.environment_held:
        reason = WaitingReason.ENVIRONMENT_HELD
        way_out = ways.show(Fix(f"let its holder release {name_of_target(hop)}"))
    elif hop is not None and hop.blocked:
        reason = WaitingReason.SYNC_WINDOW
    elif hop is not None and hop.remedy and hop.remedy != NO_ACTION:
        reason, way_out = WaitingReason.NOT_ARRIVING, ways.show(Fix(hop.remedy))
    waiting = wait(
        story,
        Waiting.DELIVERY,
        name_of_target(hop),
        reason=reason,
        observed=observed,
        way_out=way_out,
        wanted=wanted_of(hop),
    )
    return replace(waiting, until=until)


def name_of_target(hop: Hop | None) -> str:
    """Name the environment that a hop goes to; empty between hops."""
    return hop.policy.target if hop else ""


def wanted_of(hop: Hop | None) -> str:
    """Return what a hop brings, as people read it."""
    artifacts = hop.round.artifacts if hop and hop.round else ()
    return ", ".join(f"{artifact.component} {short(artifact.revision)}" for artifact in artifacts)
