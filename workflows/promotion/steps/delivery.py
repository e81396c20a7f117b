"""The Promoting step: the holder of the lane compares, writes, syncs and judges, wave by wave.

The lane is ours from the grant to the signal that hands it back, so that no other promotion writes to the target.
`rules/waves.py` decides what comes next: each turn observes the target, learns the ancestry that is missing, and
decides on that alone. Every write is compare-and-set on what was observed, under a key by which it is recognised.

A command or a hold waits for the end of what is written; nothing is written once the tracker was ended. What was done
at a deployment is kept in the state before the next await, so that a run that continues as new neither repeats a write
nor forgets one. After a write of ours only observations that are newer count.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from temporalio import workflow

from activities.models.bounds import cut, together
from activities.models.budgets import TEXT_BYTES
from activities.models.configuration import DeploymentSpec, EnvironmentView
from activities.models.delivery import Observation, WriteOutcome, WriteResult
from activities.models.failures import Failure
from crds.reasons.events import EventReason
from crds.reasons.trackers import ApplicationOutcome, RecordResult, TrackerReason
from crds.reasons.vocabulary import Phase, State
from workflows.promotion.rules import comparison, following, records, remedies, waves
from workflows.promotion.rules.boundaries import begin_wave, deadline, end_wave, forget_write_failure, note_look
from workflows.promotion.rules.comparison import Comparison
from workflows.promotion.rules.waves import Act, Facts, Step, Wave
from workflows.promotion.run import PromotionRun
from workflows.promotion.standing import AT_ONCE
from workflows.promotion.state import Hop, Refusal, Touch
from workflows.promotion.steps.hop import brought_by, end_hop, note_record
from workflows.promotion.steps.pausing import between_waves, note_window, pause
from workflows.promotion.steps.runs import look_once_more
from workflows.promotion.steps.testing import void_round
from workflows.promotion.steps.writing import batches, write, write_to_git
from workflows.runtime.backoff import Backoff
from workflows.runtime.snapshot import Snapshot


@dataclass(kw_only=True)
class Writes:
    """Remember what this run did at the deployments of one wave."""

    keys: Mapping[str, str]
    """Deployment -> key of our sync there."""
    requested: dict[str, datetime] = field(default_factory=dict)
    """Deployment -> when it was written or had synced, until that is lost."""
    hindered: dict[str, WriteResult] = field(default_factory=dict)
    """Deployment -> why the last write was not carried out."""

    def keep_hindered(self, behind: Sequence[DeploymentSpec]) -> None:
        """Forget what kept deployments from being written that are not behind any more."""
        names = {one.name for one in behind}
        self.hindered = {name: result for name, result in self.hindered.items() if name in names}


async def promote(ctx: PromotionRun) -> State:
    """Bring the artifact to every deployment of the target, wave by wave, and end the hop."""
    story, hop = ctx.story, ctx.story.hop
    if hop is None or hop.round is None:
        return State.SYNCED
    if ctx.command_waits:
        return await void_round(ctx)
    view = await ctx.environments.get(hop.policy.target)
    ctx.heed_commands()
    ctx.flush()
    deployments = [one for one in view.deployments if one.component in (story.components or ())]
    if not deployments or ctx.environments.known(hop.policy.target) is None:
        # A component is not deployed, or what a selector stands for is not known: a wave would end without it.
        state = ctx.enter(State.READY_TO_PROMOTE)
        await ctx.membership.set_phase(Phase.WORKING)
        return state
    await _drop_what_left(ctx, hop, deployments)
    while (wave := waves.next_wave(hop, deployments)) is not None:
        await _come_to(ctx, hop, view, wave)
        act = await _deliver(ctx, hop, view, wave.deployments)
        ctx.heed_commands()
        if act.step is Step.FAIL:
            return await _fail(ctx, hop, deployments, act)
        if act.diverged:
            return await _hand_back(ctx, hop, act.diverged)
        end_wave(hop)
    return await _end(ctx, hop, deployments)


async def _come_to(ctx: PromotionRun, hop: Hop, view: EnvironmentView, wave: Wave) -> None:
    """Pause before a wave, stop at its boundary while held, and begin it; one that is under way goes on."""
    if not wave.first and hop.wave != wave.number and view.wave_pause:
        hop.pause_until = hop.pause_until or workflow.now() + view.wave_pause
        await pause(ctx, hop.pause_until)
    if hop.wave != wave.number or not hop.in_wave:
        # Also in a run that was continued: a wave that has begun is no boundary, whatever came meanwhile.
        end_wave(hop)
        await between_waves(ctx)
        begin_wave(hop, wave.number, workflow.now())


async def _hand_back(ctx: PromotionRun, hop: Hop, diverged: Sequence[Comparison]) -> State:
    """Leave the lane: only a person may promote to what the target holds now."""
    message = together(f"{one.deployment}: {one.why}" for one in diverged)
    hop.refusal, hop.refusal_message, hop.override = Refusal.DIVERGED, message, None
    hop.refused = tuple(one.observation for one in diverged)
    hop.wave = hop.wave_started = None
    end_wave(hop)
    # What diverged may be declared no more: the place, which gave us the lane, would not see it.
    ctx.views.pop(hop.policy.target, None)
    ctx.event(EventReason.TARGET_DIVERGED, message, warning=True)
    state = ctx.enter(State.READY_TO_PROMOTE)
    await ctx.membership.set_phase(Phase.WORKING)
    return state


async def _end(ctx: PromotionRun, hop: Hop, deployments: Sequence[DeploymentSpec]) -> State:
    """Record the promotion, once all arrived, and end the hop."""
    if hop.round is not None:
        await look_once_more(ctx, hop.round)
    ctx.heed_commands()
    applications = tuple(hop.results[one.name] for one in deployments if one.name in hop.results)
    # The holder before us may have brought it, and our grant may have come before the place signalled that.
    brought = bool(applications) and all(one.result == ApplicationOutcome.ALREADY_CONTAINED for one in applications)
    record = records.build_promotion_record(
        hop,
        at=workflow.now(),
        result=RecordResult.ALREADY_CONTAINED if brought else RecordResult.PROMOTED,
        artifacts=hop.round.artifacts if hop.round else (),
        applications=applications,
        brought_by=brought_by(ctx, hop) if brought else "",
    )
    return await end_hop(ctx, record)


async def _drop_what_left(ctx: PromotionRun, hop: Hop, deployments: list[DeploymentSpec]) -> None:
    """Forget results that no longer hold, such as an application that was rolled back before `retry`."""
    if not hop.results:
        return
    observed = await _observe(ctx, hop)
    await ctx.relate(hop.round.artifacts if hop.round else (), list(observed.values()))
    for one in deployments:
        observation, artifact = observed.get(one.name), waves.artifact_of(hop, one)
        if one.name in hop.results and not (
            observation and artifact and comparison.arrived(ctx.story.relations, artifact, observation)
        ):
            del hop.results[one.name]


async def _deliver(ctx: PromotionRun, hop: Hop, view: EnvironmentView, wave: Sequence[DeploymentSpec]) -> Act:
    """Write and sync what is behind, and wait; return the act that ends the wave."""
    writes = Writes(keys={one.name: waves.sync_key(ctx.request, hop, one) for one in wave})
    since: datetime | None = None
    pauses = Backoff(initial=ctx.timings.compare_initial, maximum=ctx.timings.compare_maximum)
    unread = _unread(ctx, hop)
    while True:
        # Taken before anything is awaited: what changes meanwhile must wake the wait below.
        pokes = ctx.pokes
        raced, seen = ctx.look(commands=True), ctx.look(view.name, commands=True)
        facts = await _look(ctx, hop, view, wave, writes, since)
        act = waves.decide(hop, facts, workflow.now())
        _note(ctx, hop, act, writes)
        ctx.heed_commands()
        if act.step not in (Step.WRITE, Step.WAIT):
            return act
        _show(ctx, hop, act.message, remedies.of_wave(hop, wave, facts.observed, writes.hindered))
        if (now_unread := _unread(ctx, hop)) != unread:
            # What the place cannot read is in the way, whatever we read ourselves.
            unread = now_unread
            ctx.changed()
        writes.keep_hindered(act.behind)
        again = False
        if act.step is Step.WRITE:
            if refused := await _write_all(ctx, hop, act.behind, facts.observed, writes):
                return _refused(hop, facts, writes, refused)
            again = any(one.name in writes.hindered for one in act.behind)
        if act.step is Step.WRITE or since is None:
            # What the place saw before our newest write proves nothing of it, whenever its signal comes.
            since = workflow.now()
        note_window(ctx, hop, writes.hindered)
        if writes.hindered:
            text = together(_lines(hop, facts, writes).values())
            _show(ctx, hop, text, remedies.of_wave(hop, wave, facts.observed, writes.hindered))
        if await _wait(ctx, hop, view, raced if again else seen, pauses, again=again) or ctx.pokes != pokes:
            since = None
        if ctx.pokes != pokes:
            hop.write_after = None


async def _look(
    ctx: PromotionRun,
    hop: Hop,
    view: EnvironmentView,
    wave: Sequence[DeploymentSpec],
    writes: Writes,
    since: datetime | None,
) -> Facts:
    """Observe the target, and learn the ancestry that judging it needs."""
    while True:
        observed, read_at = await _observe(ctx, hop, since=since), workflow.now()
        await ctx.relate(hop.round.artifacts if hop.round else (), list(observed.values()))
        if workflow.now() - read_at <= AT_ONCE:
            break
        # While the host was asked, for hours where it is away, the target may have come to run something else.
        since = None
    longest = 2 * max(ctx.timings.delivery_refresh, ctx.timings.compare_maximum)
    note_look(hop, workflow.now(), unseen=waves.unseen(hop, wave, observed), longest=longest)
    return Facts(
        wave=wave,
        observed=observed,
        relations=ctx.story.relations,
        keys=writes.keys,
        until=deadline(hop, view, workflow.now()),
        timeout=view.delivery_timeout,
        unsynced=ctx.timings.delivery_unsynced,
        requested=writes.requested,
        hindered=writes.hindered,
    )


def _note(ctx: PromotionRun, hop: Hop, act: Act, writes: Writes) -> None:
    """Keep what an act found: in the same task as the decision."""
    hop.results |= act.arrived
    for loss in act.lost:
        hop.repeats[loss.deployment] = loss.repeats
        writes.requested.pop(loss.deployment, None)
        if loss.reverted:
            ctx.event(EventReason.WRITE_REVERTED, loss.reverted, warning=True)


def _lines(hop: Hop, facts: Facts, writes: Writes) -> dict[str, str]:
    """Describe each deployment of the wave that did not arrive, with what became of our writes since the look."""
    missing = [one for one in facts.wave if one.name not in hop.results]
    return following.lines(missing, facts.observed, writes.hindered)


def _refused(hop: Hop, facts: Facts, writes: Writes, refused: Mapping[str, WriteResult]) -> Act:
    """Return the end of a wave by writes that were refused for good."""
    why = {name: result.message for name, result in refused.items()}
    moved = any(one.outcome is WriteOutcome.HEAD_MOVED for one in refused.values())
    return waves.failed(why, lines=_lines(hop, facts, writes) | why, head_moved=moved)


def _show(ctx: PromotionRun, hop: Hop, message: str, remedy: str) -> None:
    if (message, remedy) != (ctx.story.message, hop.remedy):
        ctx.story.message, hop.remedy = message, remedy
        ctx.changed()


def _unread(ctx: PromotionRun, hop: Hop) -> tuple[Failure | None, ...]:
    """Return why the target's place cannot read what runs there, as it states it."""
    place = ctx.membership.view(hop.policy.target)
    return () if place is None else (place.failure, *(one.failure for one in place.observed))


async def _wait(
    ctx: PromotionRun, hop: Hop, view: EnvironmentView, seen: Snapshot, pauses: Backoff, *, again: bool
) -> bool:
    """Wait for what the wave waits for; True where the target is to be read by ourselves afterwards.

    `again`: something could not be written. Who lost a race compares again at its own pace: the place's view of what
    the other one did would come at once.
    """
    left = max(deadline(hop, view, workflow.now()) - workflow.now(), timedelta(milliseconds=100))
    quiet = max((hop.write_after or workflow.now()) - workflow.now(), timedelta(0))
    at_most = max(pauses.pause, quiet) if again else ctx.timings.delivery_refresh
    if not hop.unseen:
        at_most = min(at_most, left)
    if hop.awaited:
        at_most = following.awaited_pause(hop.blocked_since, workflow.now())
    elif hop.blocked:
        at_most = following.blocked_pause(hop.blocked_until, workflow.now())
    if again:
        pauses.grow()
    else:
        pauses.reset()
    again_at = workflow.now() + at_most if again else None
    woken = await ctx.wait(seen.changed, at_most=at_most, why=f"deliver to {view.name}", quiet=True, again_at=again_at)
    return again or not woken


async def _observe(ctx: PromotionRun, hop: Hop, *, since: datetime | None = None) -> dict[str, Observation]:
    """Return observations by deployment: those of the place if it looked after `since`, else read by ourselves."""
    place = ctx.membership.view(hop.policy.target)
    if since is None or place is None or place.observed_at is None or place.observed_at <= since:

        async def ask() -> tuple[Observation, ...]:
            return ctx.standing.observed() or await ctx.environments.observe(hop.policy.target)

        found = await ctx.asking.retry_until_answered(
            ask, object_=f"Environment/{hop.policy.target}", why="read the target"
        )
    else:
        found = place.observed
    return {one.deployment: one for one in found}


async def _write_all(
    ctx: PromotionRun,
    hop: Hop,
    behind: Sequence[DeploymentSpec],
    observed: Mapping[str, Observation],
    writes: Writes,
) -> dict[str, WriteResult]:
    """Write and sync; what could not be is hindered, and to be tried again soon. Return what was refused for good, by
    deployment; the rest is not written then. Abort waits for the activities to return."""
    if hop.write_after is not None and workflow.now() < hop.write_after:
        # Also where the run that this one continues was asked.
        why = hop.write_failure.text if hop.write_failure is not None else ""
        busy = WriteResult(outcome=WriteOutcome.BUSY, message=why)
        writes.hindered |= {one.name: busy for one in behind}
        return {}
    hop.write_after = None
    for batch in batches(behind):
        ctx.stop_if_ended()
        hop.untouched, ctx.writing = False, True
        try:
            if following.by_git(batch[0]):
                outcomes = await write_to_git(ctx, hop, batch, observed)
            else:
                outcomes = await asyncio.gather(*(_write(ctx, hop, one, observed[one.name]) for one in batch))
        finally:
            ctx.writing = False
        if refused := _take_outcomes(hop, writes, batch, outcomes):
            return refused
    return {}


def _take_outcomes(
    hop: Hop, writes: Writes, batch: Sequence[DeploymentSpec], outcomes: Sequence[WriteResult]
) -> dict[str, WriteResult]:
    """Keep what became of a batch; return what was refused for good."""
    refused: dict[str, WriteResult] = {}
    for one, outcome in zip(batch, outcomes, strict=True):
        writes.hindered.pop(one.name, None)
        if outcome.outcome in (WriteOutcome.DONE, WriteOutcome.ALREADY):
            writes.requested[one.name] = workflow.now()
            forget_write_failure(hop)
            hop.touch(one.name, Touch.REQUESTED | Touch.MOVED)
        elif outcome.outcome in (WriteOutcome.REFUSED, WriteOutcome.HEAD_MOVED):
            refused[one.name] = replace(outcome, message=f"{one.name} ({one.application}): {outcome.message}")
        else:
            writes.hindered[one.name] = outcome
    return refused


async def _write(ctx: PromotionRun, hop: Hop, one: DeploymentSpec, observation: Observation) -> WriteResult:
    artifact = waves.artifact_of(hop, one)
    if artifact is None:
        return WriteResult(outcome=WriteOutcome.REFUSED, message="no artifact of its component is promoted")
    key = waves.sync_key(ctx.request, hop, one)
    return await write(ctx, hop, one, observation, artifact=artifact, key=key)


async def _fail(ctx: PromotionRun, hop: Hop, deployments: Sequence[DeploymentSpec], failure: Act) -> State:
    """Record a failed wave, name what moved, and hand the lane back."""
    error = cut(failure.error, TEXT_BYTES)
    moved = [name for name, result in hop.results.items() if result.result == ApplicationOutcome.PROMOTED]
    for one in deployments:
        if one.name not in hop.results:
            outcome = ApplicationOutcome.FAILED if one.name in failure.failed else following.how_far(hop, one)
            # Its own line only: the text of all in each of them would grow with the square of their number.
            line = failure.lines.get(one.name, "")
            hop.results[one.name] = waves.result_of(one, waves.artifact_of(hop, one), outcome, line)
    record = records.build_promotion_record(
        hop,
        at=workflow.now(),
        result=RecordResult.FAILED,
        artifacts=hop.round.artifacts if hop.round else (),
        applications=tuple(hop.results.values()),
        error=error,
    )
    note_record(ctx, record)
    hop.results = {name: result for name, result in hop.results.items() if name in moved}
    hop.error = error
    end_wave(hop)
    message = cut(f"{error}; moved: {', '.join(moved)}", TEXT_BYTES) if moved else error
    state = ctx.enter(
        State.PROMOTION_FAILED,
        reason=_failed_of(failure, moved),
        message=message,
    )
    await ctx.membership.set_phase(Phase.FAILED)
    return state


def _failed_of(failure: Act, moved: Sequence[str]) -> TrackerReason:
    if failure.head_moved:
        return TrackerReason.HEAD_MOVED
    return TrackerReason.PARTIAL if moved else TrackerReason.WAVE_FAILED
