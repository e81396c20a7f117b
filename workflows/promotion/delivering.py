"""The Promoting step: the holder of the lane compares, writes, syncs and judges, wave by wave."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow

from activities.models.bounds import cut, together
from activities.models.budgets import TEXT_BYTES
from activities.models.configuration import DeploymentSpec, EnvironmentView
from activities.models.delivery import (
    Observation,
    WriteOutcome,
    WriteResult,
)
from activities.models.places import Phase
from activities.models.status import ApplicationResult, State
from activities.models.tracking import Artifact
from workflows.promotion import comparing, following, records, rounds
from workflows.promotion.comparing import Comparison, Judgement
from workflows.promotion.context import Context
from workflows.promotion.hopping import brought_by, end_hop, note_record
from workflows.promotion.pausing import begin_wave, between_waves, deadline, end_wave, note_window, pause
from workflows.promotion.runs import look_once_more
from workflows.promotion.state import Hop, Refusal, Touch
from workflows.promotion.testing import void_round
from workflows.promotion.writing import write
from workflows.runtime.backoff import Backoff

WRITES_AT_ONCE = 20
"""Applications written side by side; more would fill the queue's slots for one promotion."""

COMPARE_AGAIN = timedelta(seconds=1)
COMPARE_AGAIN_AT_MOST = timedelta(seconds=30)
"""Pauses after a lost compare-and-set or a busy application, so that two writers do not race in a hot loop."""


class WaveFailed(Exception):
    """Leave the wave: nothing further is written. `lines` hold what is known of each deployment that did not arrive.

    `failed` names the one deployment whose failure ends the wave; empty where time ran out.
    """

    def __init__(self, error: str, lines: dict[str, str], *, failed: str = "") -> None:
        super().__init__(error)
        self.lines, self.failed = lines, failed


class Diverged(Exception):
    """Leave the wave: the target holds what the artifact lacks, so automation must not write."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__(f"{comparison.deployment}: {comparison.why}")
        self.observation = comparison.observation


async def promote(ctx: Context) -> State:
    """Bring the artifact to every deployment of the target, wave by wave, and end the hop."""
    story, hop = ctx.story, ctx.story.hop
    if hop is None or hop.round is None:
        return State.SYNCED
    if ctx.command_waits:
        return await void_round(ctx)
    view = await ctx.environment(hop.policy.target)
    ctx.heed_commands()
    ctx.flush()
    deployments = [one for one in view.deployments if one.component in (story.components or ())]
    if not deployments or ctx.unresolved(hop.policy.target):
        # What a selector stands for is not known: a wave would wait in vain, or end without it.
        state = ctx.enter(State.READY_TO_PROMOTE)
        await ctx.places.speak(Phase.WORKING)
        return state
    await _drop_what_left(ctx, hop, deployments)
    waves = sorted({one.wave for one in deployments})
    try:
        for index, number in enumerate(waves):
            wave = [one for one in deployments if one.wave == number]
            if all(one.name in hop.results for one in wave):
                continue
            if index and hop.wave != number and view.wave_pause:
                hop.pause_until = hop.pause_until or workflow.now() + view.wave_pause
                await pause(ctx, hop.pause_until)
            if hop.wave != number or not hop.in_wave:
                # Also in a run that was continued: a wave at work is no boundary, whatever was said meanwhile.
                end_wave(hop)
                await between_waves(ctx)
                begin_wave(hop, number)
            await _deliver(ctx, hop, view, wave)
            end_wave(hop)
    except WaveFailed as failure:
        ctx.heed_commands()
        return await _fail(ctx, hop, deployments, failure)
    except Diverged as refusal:
        ctx.heed_commands()
        hop.refusal, hop.refusal_message, hop.override = Refusal.DIVERGED, str(refusal), None
        hop.refused = (refusal.observation,)
        hop.wave = hop.wave_started = None
        end_wave(hop)
        # What diverged may be declared no more: the place, which gave us the lane, would not see it.
        ctx.views.pop(hop.policy.target, None)
        ctx.event("TargetDiverged", str(refusal), warning=True)
        state = ctx.enter(State.READY_TO_PROMOTE)
        await ctx.places.speak(Phase.WORKING)
        return state
    await look_once_more(ctx, hop.round)
    ctx.heed_commands()
    applications = tuple(hop.results[one.name] for one in deployments if one.name in hop.results)
    # The holder before us may have brought it, and our grant may have come before the place signalled that.
    brought = bool(applications) and all(one.result == "AlreadyContained" for one in applications)
    record = records.build_promotion_record(
        story,
        hop,
        at=workflow.now(),
        result="AlreadyContained" if brought else "Promoted",
        artifacts=hop.round.artifacts,
        applications=applications,
        brought_by=brought_by(ctx, hop) if brought else "",
    )
    return await end_hop(ctx, record)


async def _drop_what_left(ctx: Context, hop: Hop, deployments: list[DeploymentSpec]) -> None:
    """Forget results that no longer hold, such as an application that was rolled back before `retry`."""
    if not hop.results:
        return
    observed = await _observe(ctx, hop)
    await ctx.relate(hop.round.artifacts if hop.round else (), list(observed.values()))
    for one in deployments:
        observation, artifact = observed.get(one.name), _artifact(hop, one)
        if one.name in hop.results and not (
            observation and artifact and comparing.arrived(ctx.story.relations, artifact, observation)
        ):
            del hop.results[one.name]


async def _deliver(ctx: Context, hop: Hop, view: EnvironmentView, wave: list[DeploymentSpec]) -> None:
    """Write and sync what is behind, then wait until all of the wave arrived; raises WaveFailed or Diverged."""
    requested: dict[str, datetime] = {}
    hindered: dict[str, WriteResult] = {}
    since: datetime | None = None
    pauses = Backoff(initial=COMPARE_AGAIN, maximum=COMPARE_AGAIN_AT_MOST)
    while True:
        # Taken before anything is awaited: what changes meanwhile must wake the wait below.
        pokes = ctx.pokes
        raced, seen = ctx.look(commands=True), ctx.look(view.name, commands=True)
        observed = await _observe(ctx, hop, since=since)
        await ctx.relate(hop.round.artifacts if hop.round else (), list(observed.values()))
        until = deadline(hop, view)
        behind = _judge_wave(ctx, hop, wave, observed, requested)
        ctx.heed_commands()
        missing = [one for one in wave if one.name not in hop.results]
        if not missing:
            return
        lines = following.lines(missing, observed, hindered)
        if workflow.now() >= until and not hop.blocked:
            raise WaveFailed(f"not delivered within {view.delivery_timeout}: {together(lines.values())}", lines)
        message = together(lines.values())
        if message != ctx.story.message:
            ctx.story.message = message
            ctx.changed()
        for name in set(hindered) - {one.name for one in behind}:
            del hindered[name]
        again = await _write_all(ctx, hop, behind, observed, requested, hindered) if behind else False
        if behind or since is None:
            # What the place saw before our newest write tells nothing of it, whenever its signal comes.
            since = workflow.now()
        note_window(ctx, hop, hindered)
        if hindered:
            ctx.story.message = together(following.lines(missing, observed, hindered).values())
            ctx.changed()
        left = max(deadline(hop, view) - workflow.now(), timedelta(milliseconds=100))
        at_most = min(max(pauses.pause, ctx.write_wait) if again else ctx.timings.delivery_refresh, left)
        if hop.blocked:
            at_most = following.blocked_pause(hop.blocked_until, workflow.now())
        if again:
            pauses.grow()
        else:
            pauses.reset()
        # Who lost a race compares again at its own pace: the place's view of it would come at once.
        woken = await ctx.wait(
            (raced if again else seen).changed,
            at_most=at_most,
            why=f"deliver to {view.name}",
            quiet=True,
        )
        if again or not woken or ctx.pokes != pokes:
            since = None


async def _observe(ctx: Context, hop: Hop, *, since: datetime | None = None) -> dict[str, Observation]:
    """Return observations by deployment: those of the place if it looked after `since`, else read by ourselves."""
    place = ctx.places.view(hop.policy.target)
    if since is None or place is None or place.observed_at is None or place.observed_at <= since:

        async def ask() -> tuple[Observation, ...]:
            return await ctx.observe(hop.policy.target)

        found = await ctx.insist(ask, object_=f"Environment/{hop.policy.target}", why="read the target")
    else:
        found = place.observed
    return {one.deployment: one for one in found}


def _judge_wave(
    ctx: Context, hop: Hop, wave: list[DeploymentSpec], observed: dict[str, Observation], requested: dict[str, datetime]
) -> list[DeploymentSpec]:
    """Note what arrived or failed; return what is to be written now."""
    behind: list[DeploymentSpec] = []
    for one in wave:
        observation, artifact = observed.get(one.name), _artifact(hop, one)
        if observation is None or artifact is None or one.name in hop.results:
            continue
        if comparing.arrived(ctx.story.relations, artifact, observation):
            key = _key(ctx, hop, one)
            ours = one.name in requested or hop.has(one.name, Touch.MOVED) or observation.operation_key == key
            hop.results[one.name] = _result(one, artifact, "Promoted" if ours else "AlreadyContained")
            continue
        line = following.failed_line(
            one,
            observation,
            key=_key(ctx, hop, one),
            requested=one.name in requested or hop.has(one.name, Touch.REQUESTED),
        )
        if line:
            hop.results.pop(one.name, None)
            raise WaveFailed(line, {one.name: line}, failed=one.name)
        comparison = comparing.compare(ctx.story.relations, artifact, observation)
        overriding = comparison.judgement is Judgement.DIVERGED
        if overriding and not comparing.accepted(hop.override, artifact, observation):
            raise Diverged(comparison)
        if one.write is None:
            continue
        if comparison.judgement is Judgement.AHEAD or overriding:
            if one.name not in requested or _is_lost(ctx, hop, one, artifact, observation, requested):
                behind.append(one)
        elif one.name not in requested and following.has_drifted(one, artifact, observation):
            behind.append(one)
    return behind


def _is_lost(
    ctx: Context,
    hop: Hop,
    one: DeploymentSpec,
    artifact: Artifact,
    observation: Observation,
    requested: dict[str, datetime],
) -> bool:
    """Tell whether our write or sync is gone and is to be done again; raises WaveFailed when that never ends."""
    reverted = following.is_reverted(one, artifact, observation)
    unsynced = following.is_unsynced(
        observation,
        key=_key(ctx, hop, one),
        waited=workflow.now() - requested[one.name],
        allowed=ctx.timings.delivery_unsynced,
    )
    if not reverted and not unsynced:
        return False
    repeats = hop.repeats.get(one.name, 0) + 1
    if reverted:
        line = following.reverted_line(one, observation)
        ctx.event("WriteReverted", line, warning=True)
        if repeats > following.REPEATS:
            line = f"{line}; it was written {repeats} times"
            raise WaveFailed(line, {one.name: line}, failed=one.name)
    elif repeats > following.REPEATS:
        return False
    hop.repeats[one.name] = repeats
    del requested[one.name]
    return True


async def _write_all(
    ctx: Context,
    hop: Hop,
    behind: list[DeploymentSpec],
    observed: dict[str, Observation],
    requested: dict[str, datetime],
    hindered: dict[str, WriteResult],
) -> bool:
    """Write and sync; True when some must be compared again soon. Abort waits for the activities to return."""
    again, ctx.write_wait = False, timedelta(0)
    for start in range(0, len(behind), WRITES_AT_ONCE):
        ctx.stop_if_ended()
        batch = behind[start : start + WRITES_AT_ONCE]
        hop.untouched, ctx.writing = False, True
        try:
            outcomes = await asyncio.gather(*(_write(ctx, hop, one, observed[one.name]) for one in batch))
        finally:
            ctx.writing = False
        for one, outcome in zip(batch, outcomes, strict=True):
            hindered.pop(one.name, None)
            if outcome.outcome in (WriteOutcome.DONE, WriteOutcome.ALREADY):
                requested[one.name] = workflow.now()
                hop.failing_since = None
                hop.touch(one.name, Touch.REQUESTED | Touch.MOVED)
        for one, outcome in zip(batch, outcomes, strict=True):
            if one.name in requested:
                continue
            if outcome.outcome is WriteOutcome.REFUSED:
                line = f"{one.name} ({one.application}): {outcome.message}"
                raise WaveFailed(line, {one.name: line}, failed=one.name)
            hindered[one.name] = outcome
            again = True
    return again


async def _write(ctx: Context, hop: Hop, one: DeploymentSpec, observation: Observation) -> WriteResult:
    artifact = _artifact(hop, one)
    if artifact is None:
        return WriteResult(outcome=WriteOutcome.REFUSED, message="no artifact of its component is promoted")
    return await write(ctx, hop, one, observation, artifact=artifact, key=_key(ctx, hop, one))


async def _fail(ctx: Context, hop: Hop, deployments: list[DeploymentSpec], failure: WaveFailed) -> State:
    """Record a failed wave, name what moved, and hand the lane back."""
    error = cut(str(failure), TEXT_BYTES)
    moved = [name for name, result in hop.results.items() if result.result == "Promoted"]
    for one in deployments:
        if one.name not in hop.results:
            result = "Failed" if one.name == failure.failed else following.how_far(hop, one)
            # Its own line only: the text of all in each of them would grow with the square of their number.
            hop.results[one.name] = _result(one, _artifact(hop, one), result, failure.lines.get(one.name, ""))
    record = records.build_promotion_record(
        ctx.story,
        hop,
        at=workflow.now(),
        result="Failed",
        artifacts=hop.round.artifacts if hop.round else (),
        applications=tuple(hop.results.values()),
        error=error,
    )
    note_record(ctx, record)
    hop.results = {name: result for name, result in hop.results.items() if name in moved}
    hop.error = error
    end_wave(hop)
    message = cut(f"{error}; moved: {', '.join(moved)}", TEXT_BYTES) if moved else error
    state = ctx.enter(State.PROMOTION_FAILED, reason="Partial" if moved else "WaveFailed", message=message)
    await ctx.places.speak(Phase.FAILED)
    return state


def _artifact(hop: Hop, one: DeploymentSpec) -> Artifact | None:
    artifacts = hop.round.artifacts if hop.round else ()
    return next((artifact for artifact in artifacts if artifact.component == one.component), None)


def _key(ctx: Context, hop: Hop, one: DeploymentSpec) -> str:
    artifact = _artifact(hop, one)
    revision = artifact.revision if artifact else ""
    round_number = hop.round.number if hop.round else 0
    return rounds.promotion_key(
        ctx.request, hop.nonce, hop.number, "deploy", one.name, revision, round_number, hop.attempt
    )


def _result(one: DeploymentSpec, artifact: Artifact | None, result: str, message: str = "") -> ApplicationResult:
    return ApplicationResult(
        deployment=one.name, application=one.application, result=result, artifact=artifact, message=message
    )
