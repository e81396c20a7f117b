"""The waiting steps around a person and the lane: TestsFailed, ReadyToPromote, PromotionFailed.

All three look at the same things (the target's view, hold, commands, the grant, pokes), end as soon as another change
has brought this one along, and otherwise wait until any of that changed. In ReadyToPromote the tracker stands in line
exactly while only the lane is missing: an approval is there, the target fits, and the change is not held. The grant is
taken by the transition to Promoting, in the task that decides it, together with the approval that waited for it.

Optional tests may still run meanwhile: they are polled, and end by their deadlines.
"""

from collections.abc import Sequence

from temporalio import workflow

from activities.models.delivery import revisions_of
from activities.models.promotion import Command, Verb
from crds.reasons.events import EventReason
from crds.reasons.trackers import TrackerReason
from crds.reasons.vocabulary import Phase, State
from workflows.promotion.rules import comparison, rounds
from workflows.promotion.rules.commands import approver
from workflows.promotion.rules.comparison import Comparison
from workflows.promotion.rules.gates import Fit, judge_fit
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, Refusal
from workflows.promotion.steps.hop import ended_by_others, judge_target, missing_components
from workflows.promotion.steps.proposing import propose
from workflows.promotion.steps.runs import poll_tests
from workflows.promotion.steps.testing import keep_deadlines, void_round
from workflows.runtime.snapshot import Snapshot


async def await_retest(ctx: PromotionRun) -> State:
    """Wait for `retest`, or until another change brings this one along."""
    hop = ctx.story.hop
    if hop is not None and hop.round is not None and hop.round.proposals:
        await propose(ctx, hop, hop.round)
    while True:
        seen = _look(ctx)
        if ctx.command_waits:
            return await void_round(ctx)
        if (ended := await ended_by_others(ctx)) is not None:
            return ended
        await _wait_for_change(ctx, seen, why="await retest")


async def await_turn(ctx: PromotionRun) -> State:
    """Wait for the promote command where one is needed, for a fitting target, then for the lane."""
    hop = ctx.story.hop
    if hop is None or hop.round is None:
        return State.SYNCED
    while True:
        seen = _look(ctx)
        if ctx.command_waits:
            return await void_round(ctx)
        if hop.policy.target not in ctx.views or ctx.environments.unresolved(hop.policy.target):
            # What was fixed before `retry` may be the declaration itself, or which applications it selects.
            await ctx.environments.read(hop.policy.target)
        if (ended := await ended_by_others(ctx)) is not None:
            return ended
        await _stand_in_line(ctx, hop)
        ctx.heed_commands()
        if (ctx.membership.granted or ctx.membership.phase is Phase.HOLDER) and not ctx.held:
            return await _take_lane(ctx, hop)
        awaited = "the lane of" if approver(ctx.story) else "an approval for"
        await _wait_for_change(
            ctx, seen, why=f"await {awaited} {hop.policy.target}", quiet=ctx.membership.phase is Phase.READY
        )


async def _take_lane(ctx: PromotionRun, hop: Hop) -> State:
    """Begin to promote with the lane that was granted, by the approval that waited for it."""
    approval = ctx.story.inbox.get(Verb.PROMOTE)
    if (command := ctx.take(Verb.PROMOTE)) is not None:
        hop.approved_by, hop.approval = command.actor, approval
    ctx.story.inbox.done(Verb.PROMOTE, Verb.RETRY)
    hop.untouched = True
    state = ctx.enter(State.PROMOTING)
    if ctx.membership.phase is not Phase.HOLDER:
        await ctx.standing.take_lane()
    return state


async def await_retry(ctx: PromotionRun) -> State:
    """Wait for `retry` after a wave failed, or until another change brings this one along."""
    hop = ctx.story.hop
    if hop is None:
        return State.SYNCED
    if ctx.membership.phase is not Phase.FAILED:
        await ctx.membership.set_phase(Phase.FAILED)
    while True:
        seen = _look(ctx)
        if ctx.command_waits and (command := ctx.take(Verb.RETRY)) is not None:
            return await _retry(ctx, hop, command)
        if (ended := await ended_by_others(ctx)) is not None:
            return ended
        await _wait_for_change(ctx, seen, why="await retry")


async def _retry(ctx: PromotionRun, hop: Hop, command: Command) -> State:
    """Go on from the first application that is not done, under keys of a new attempt."""
    hop.approved_by, hop.approval = command.actor, None
    hop.attempt, hop.error, hop.wave, hop.wave_started = hop.attempt + 1, "", None, None
    hop.begin_attempt()
    hop.repeats.clear()
    hop.view = None
    ctx.views.pop(hop.policy.target, None)
    state = ctx.enter(State.READY_TO_PROMOTE)
    await ctx.membership.set_phase(Phase.WORKING)
    return state


async def _stand_in_line(ctx: PromotionRun, hop: Hop) -> None:
    """Be Ready exactly while only the lane is missing."""
    fit = await _judge(ctx, hop)
    _show_reason(ctx, hop, fit)
    # Only now: what the target is sent comes from a state that is complete.
    may = bool(approver(ctx.story)) and fit.fits and not ctx.held
    in_line = ctx.membership.phase in (Phase.READY, Phase.HOLDER)
    if may and not in_line:
        await ctx.standing.get_in_line()
    elif not may and in_line:
        await ctx.membership.set_phase(Phase.WORKING)


async def _judge(ctx: PromotionRun, hop: Hop) -> Fit:
    """Return whether the target may be written, and note why not; an approval of anything else is answered."""
    comparisons = await judge_target(ctx, hop.round.artifacts if hop.round else ())
    ctx.heed_commands()
    ctx.supersede_outdated_approval()
    unresolved, now = ctx.environments.unresolved(hop.policy.target), workflow.now()
    hop.unresolved_since = (hop.unresolved_since or now) if unresolved else None
    fit = judge_fit(
        hop.policy.target,
        comparisons,
        missing=missing_components(ctx),
        unresolved=unresolved,
        lasts=hop.unresolved_since is not None and now - hop.unresolved_since >= ctx.timings.passing,
        overridden=lambda diverged: _overridden(ctx, hop, diverged),
    )
    if (hop.refusal, hop.refusal_message) != (fit.refusal, fit.message):
        hop.refusal, hop.refusal_message = fit.refusal, fit.message
        if fit.refusal is not Refusal.NONE:
            ctx.event(EventReason(fit.refusal), fit.message, warning=True)
    hop.refused = fit.refused
    if hop.refused and (accepted := ctx.story.inbox.get(Verb.PROMOTE)) and accepted.command.seen:
        ctx.supersede(f"the target changed since it was seen: {fit.message}", Verb.PROMOTE)
    return fit


def _show_reason(ctx: PromotionRun, hop: Hop, fit: Fit) -> None:
    """Show why nothing is promoted yet; an event calls the person who is waited for."""
    reason = _reason(ctx, hop, fits=fit.fits)
    if reason == TrackerReason.AWAITING_PROMOTE and ctx.story.reason != reason:
        command = ctx.request.tracker.command_line(Verb.PROMOTE)
        ctx.event(
            EventReason.WAITS_FOR_APPROVAL, f"{hop.policy.source} → {hop.policy.target} waits for a person: {command}"
        )
    if (ctx.story.reason, ctx.story.message) != (reason, fit.message):
        ctx.enter(State.READY_TO_PROMOTE, reason=reason, message=fit.message)
    ctx.changed()


def _reason(ctx: PromotionRun, hop: Hop, *, fits: bool) -> str:
    if hop.refusal is not Refusal.NONE:
        # Before the approval: a `promote` without a reason would be refused.
        return str(hop.refusal)
    if not approver(ctx.story):
        return TrackerReason.AWAITING_PROMOTE
    if ctx.held:
        # It has left the line: what was before it blocks it again only after the release.
        return TrackerReason.AWAITING_LANE
    if not fits:
        # No one asked for the lane: what the target runs is not known at the moment.
        return str(State.READY_TO_PROMOTE)
    place = ctx.membership.view(hop.policy.target)
    return TrackerReason.BLOCKED_BY if place and place.blocked_by else TrackerReason.AWAITING_LANE


def _overridden(ctx: PromotionRun, hop: Hop, diverged: Sequence[Comparison]) -> bool:
    """Return whether a person accepted exactly what diverged: what moved since is judged again."""
    accepted = ctx.story.inbox.get(Verb.PROMOTE)
    if accepted is not None and accepted.command.seen:
        now = comparison.held_revisions(one.observation for one in diverged)
        if now.items() <= accepted.command.seen.items():
            hop.override = tuple(one.observation for one in diverged)
    seen = {one.deployment: revisions_of(one) for one in hop.override or ()}
    return all(seen.get(one.deployment) == revisions_of(one.observation) for one in diverged)


def _look(ctx: PromotionRun) -> Snapshot:
    """Return what these steps look at; taken before they look, so that a change meanwhile is not missed."""
    hop = ctx.story.hop
    return ctx.look(*([hop.policy.target] if hop else ()), commands=True, hold=True, lane=True)


async def _wait_for_change(ctx: PromotionRun, seen: Snapshot, *, why: str, quiet: bool = False) -> None:
    """Wait until anything that these steps look at changed; optional tests are read and end by their deadlines."""
    hop = ctx.story.hop
    round_ = hop.round if hop else None
    tests = [test for test in round_.tests if not test.final] if round_ else []
    running = any(test.run for test in tests)
    limits = [ctx.until_known(), ctx.timings.poll_maximum if running else None]
    if hop is not None and (
        ctx.environments.unresolved(hop.policy.target) or ctx.environments.undeployed(hop.policy.target)
    ):
        limits.append(ctx.timings.reference_maximum)
    if hop is not None and round_ is not None and tests and not ctx.held:
        if await keep_deadlines(ctx, hop, round_):
            return
        limits.append(rounds.next_wake(round_, hop.policy, workflow.now(), ctx.timings.poll_maximum, triggers=False))
    at_most = min((limit for limit in limits if limit is not None), default=None)
    if await ctx.wait(seen.changed, at_most=at_most, why=why, quiet=quiet):
        return
    ctx.forget_unknown()
    if running and round_ is not None:
        await poll_tests(ctx, round_)
