"""The Testing step: rounds of tests until one has its verdict, with deadlines, following the source.

A round belongs to what ran in the source when it began. `rules/testing.py` decides what comes next; each turn of
the loop looks at everything, decides, and carries out that one act. What an act awaits may take minutes, in which runs
end, the source moves, and people hold or retest: the next turn starts from what is true then.

The round is confirmed by a read of the source after its newest trigger, and read again before it is judged: a verdict
on another artifact than the one that runs is none. Runs that are waited for no more are cancelled in the background.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from temporalio import workflow

from activities.models.configuration import SourceMoved
from activities.models.promotion import Verb
from activities.models.tracking import Artifact
from crds.reasons.events import EventReason
from crds.reasons.trackers import TrackerReason
from crds.reasons.vocabulary import Phase, State
from workflows.promotion.rules import rounds
from workflows.promotion.rules import testing as rules
from workflows.promotion.rules.aggregate import aggregate, may_retry, round_over, verdict
from workflows.promotion.rules.testing import Act, Facts, Step
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import SOURCE_MOVES_ALLOWED, Hop, Refusal, Round, TestProgress
from workflows.promotion.steps.hop import ended_by_others
from workflows.promotion.steps.intake import source_artifacts, source_with_change
from workflows.promotion.steps.proposing import propose
from workflows.promotion.steps.runs import cancel_round, poll_tests, reveal_failures, trigger_due
from workflows.promotion.steps.source import SourceReader, move
from workflows.runtime.backoff import Backoff, jittered
from workflows.runtime.snapshot import Snapshot


@dataclass(kw_only=True)
class Polling:
    """Pace the polls of a round: they become rarer, and a poke has the next one at once."""

    pauses: Backoff
    at: datetime
    pokes: int

    def due(self, pokes: int, now: datetime, *, waited: bool) -> bool:
        """Return whether to poll now: on time only after a wait, in which places are answered and status is written."""
        return pokes != self.pokes or (waited and now >= self.at)

    def begin_again(self) -> None:
        """Poll eagerly: a new round begins."""
        self.pauses.reset()

    def bring_forward(self, now: datetime) -> None:
        """Poll no later than the current pause allows."""
        self.at = min(self.at, now + self.pauses.pause)

    def plan_next(self, now: datetime) -> None:
        """Set the time of the poll after this one."""
        self.pauses.grow()
        self.at = now + jittered(self.pauses.pause)


async def run_tests(ctx: PromotionRun) -> State:
    """Run rounds until one has its verdict, another change overtook us, or the source keeps moving."""
    hop, now = ctx.story.hop, workflow.now()
    if hop is None:
        return State.SYNCED
    pauses = Backoff(initial=ctx.timings.poll_initial, maximum=ctx.timings.poll_maximum, factor=1.5)
    polling = Polling(pauses=pauses, at=now + pauses.pause, pokes=ctx.pokes)
    source, waited = SourceReader(ctx, hop), False
    while True:
        # Taken before anything is awaited: what changes meanwhile must wake the wait below.
        seen = ctx.look(hop.policy.target, commands=True, hold=True)
        if ctx.command_waits:
            return await void_round(ctx)
        round_ = await _current_round(ctx, hop)
        if round_ is None:
            continue
        reveal_failures(ctx, round_)
        ctx.asking.reveal()
        if (ended := await ended_by_others(ctx)) is not None:
            return ended
        ctx.heed_commands()
        now = workflow.now()
        round_.timed_out = round_.timed_out if ctx.held else rounds.is_timed_out(round_, hop.policy, now)
        act = rules.decide(round_, _facts(ctx, hop, source, poll_due=polling.due(ctx.pokes, now, waited=waited)), now)
        waited = act.step is Step.WAIT
        if waited:
            await _wait(ctx, hop, round_, source, polling, seen)
        elif act.step is Step.POLL:
            polling.pokes = ctx.pokes
            await poll_tests(ctx, round_, source=None if ctx.held else source)
            # Pokes that came while the gap was kept are answered by this poll, those that came during it are not.
            polling.pokes = max(polling.pokes, ctx.pokes_at_poll)
            polling.plan_next(workflow.now())
        elif (state := await _carry_out(ctx, hop, round_, act, source)) is not None:
            return state
        if hop.round is None:
            polling.begin_again()
        elif round_.confirmed and not round_.proposed and not round_over(round_.tests):
            await propose(ctx, hop, round_)
        elif act.step in (Step.WAIT, Step.POLL):
            _note_move(ctx, hop, round_, source_artifacts(ctx))


def _facts(ctx: PromotionRun, hop: Hop, source: SourceReader, *, poll_due: bool) -> Facts:
    return Facts(
        policy=hop.policy,
        last_look=ctx.timings.last_look,
        held=ctx.held,
        declared=source.declared,
        unread=source.unread,
        may_read=source.may_read,
        poll_due=poll_due,
    )


async def _wait(
    ctx: PromotionRun, hop: Hop, round_: Round, source: SourceReader, polling: Polling, seen: Snapshot
) -> None:
    """Wait for the next poll, trigger or deadline, or until something of what was looked at changed."""
    now = workflow.now()
    source.forget()
    ctx.changed()
    polling.bring_forward(now)
    pause = polling.at - now
    if not ctx.held:
        pause = rounds.next_wake(round_, hop.policy, now, pause, triggers=source.declared)
    pause = ctx.asking.until_shown(source.at_most(rounds.until_shown(round_, now, pause, ctx.timings.passing)))
    tries = (rounds.next_try(round_, hop.policy, now, polling.at) if not ctx.held else None, source.again_at)
    again_at = min((one for one in tries if one is not None), default=None)
    await ctx.wait(seen.changed, at_most=pause, why=rounds.wake_reason(round_), again_at=again_at)


async def _carry_out(ctx: PromotionRun, hop: Hop, round_: Round, act: Act, source: SourceReader) -> State | None:
    """Carry out an act; return the state that it leads to, if it ends the step."""
    match act.step:
        case Step.READ_SOURCE:
            await source.moves(round_)
        case Step.END | Step.POLL_LATE:
            await end_late(ctx, hop, round_, act)
        case Step.RETRY:
            _retry(ctx, round_)
        case Step.DECLARE:
            await source.declare()
        case Step.TRIGGER:
            await trigger_due(ctx, hop, round_, source)
        case Step.CONFIRM:
            return await _confirm(ctx, hop, round_, source)
        case Step.JUDGE:
            return await _judge(ctx, hop, round_, source)
        case Step.POLL | Step.WAIT:
            pass
    return None


async def _current_round(ctx: PromotionRun, hop: Hop) -> Round | None:
    """Return the open round, or begin one with what runs in the source; None after a wait for the source."""
    if hop.round is not None:
        return hop.round
    seen, known = ctx.look(hop.policy.source, commands=True), ctx.membership.view(hop.policy.source)
    # A source may have been rolled back: without the change in it there is nothing to test or to promote.
    artifacts = await source_with_change(ctx) if known is None or known is not ctx.outdated else None
    ctx.heed_commands()
    if artifacts is not None:
        hop.round = rounds.new_round(ctx.story, hop, artifacts, workflow.now())
        ctx.story.inbox.done(Verb.RETEST)
        ctx.supersede_outdated_approval()
        return hop.round

    # A source that moved and came back shows its place nothing new.
    at_most = ctx.timings.observe_maximum if ctx.outdated is not None else ctx.until_known()
    ctx.changed()
    if not await ctx.wait(seen.changed, at_most=at_most, why=f"{hop.policy.source} settles"):
        ctx.forget_unknown()
    ctx.outdated = None
    return None


def _retry(ctx: PromotionRun, round_: Round) -> None:
    """Give each failed test that may have one its next run."""
    for index, test in enumerate(round_.tests):
        if may_retry(test):
            ctx.event(
                EventReason.TEST_RETRIED,
                f"{test.spec.name} {test.state}: retry {test.retry + 1} of {test.spec.retries}",
            )
            round_.tests[index] = TestProgress(spec=test.spec, retry=test.retry + 1, message=test.message)


async def _confirm(ctx: PromotionRun, hop: Hop, round_: Round, source: SourceReader) -> State | None:
    """Read the source after the newest trigger: what it still runs confirms the round, what it left voids it."""
    moves = await source.moves(round_)
    if moves:
        return _leave_round(ctx, hop, round_, moves, why="; ".join(moves))
    round_.confirmed = moves is not None
    if round_.confirmed and rounds.begun(round_):
        names = ", ".join(test.spec.name for test in round_.tests)
        ctx.event(EventReason.TESTS_STARTED, f"round {round_.number} for {hop.policy.target}: {names}")
    return None


async def _judge(ctx: PromotionRun, hop: Hop, round_: Round, source: SourceReader) -> State | None:
    """Judge a finished round by what the source runs; None where that cannot be read, or a new round begins."""
    moves = await source.moves(round_)
    if moves is None:
        return None
    ctx.heed_commands()
    if moves and hop.policy.on_source_moved is SourceMoved.RETEST:
        return _leave_round(ctx, hop, round_, moves, why="the policy has `onSourceMoved: Retest`")
    _record(ctx, hop, moves)
    return _verdict(ctx, hop, round_)


def _leave_round(ctx: PromotionRun, hop: Hop, round_: Round, moves: list[str], *, why: str) -> State | None:
    """Cancel a round whose source moved, so that one begins with what that runs now.

    The tests have failed where it moved too often.
    """
    _record(ctx, hop, moves)
    cancel_round(ctx, round_)
    hop.source_moves += 1
    if hop.source_moves > SOURCE_MOVES_ALLOWED:
        message = f"{hop.policy.source} moved {hop.source_moves} times during the tests"
        ctx.event(EventReason.SOURCE_MOVED, message, warning=True)
        ctx.supersede(message, Verb.PROMOTE)
        return ctx.enter(State.TESTS_FAILED, reason=TrackerReason.SOURCE_MOVED, message=message)
    ctx.event(EventReason.SOURCE_MOVED, f"a new round begins: {why}")
    hop.round = None
    return None


def _note_move(ctx: PromotionRun, hop: Hop, round_: Round, now: tuple[Artifact, ...] | None) -> None:
    """Record moves of the source after the last trigger (onSourceMoved Accept)."""
    tested = {artifact.component: artifact for artifact in round_.artifacts}
    moves = [
        move(tested[one.component], one.revision)
        for one in now or ()
        if one.component in tested and one.revision != tested[one.component].revision
    ]
    _record(ctx, hop, moves)


def _record(ctx: PromotionRun, hop: Hop, moves: list[str]) -> None:
    if new := [line for line in moves if line not in hop.source_moved]:
        hop.source_moved += new
        ctx.changed()


async def keep_deadlines(ctx: PromotionRun, hop: Hop, round_: Round) -> bool:
    """End what is late, unless the CI system has its verdict. True where something was done.

    What people ask for while the CI systems are polled comes first.
    """
    now = workflow.now()
    round_.timed_out = rounds.is_timed_out(round_, hop.policy, now)
    act = rules.decide_late(round_, Facts(policy=hop.policy, last_look=ctx.timings.last_look), now)
    if act is not None:
        await end_late(ctx, hop, round_, act)
    return act is not None


async def end_late(ctx: PromotionRun, hop: Hop, round_: Round, act: Act) -> None:
    """End tests by their deadline, and cancel their runs; or look once more whether they have their verdict."""
    if act.step is Step.POLL_LATE:
        await poll_tests(ctx, round_)
        return
    for test in act.tests:
        rounds.time_out(test, hop.policy, workflow.now())
    ctx.changed()
    ctx.cancelling.begin(act.tests)


def _verdict(ctx: PromotionRun, hop: Hop, round_: Round) -> State:
    """Enter the state that the tests of a finished round lead to."""
    result = aggregate(round_.tests)
    if result.all_passed:
        required = any(test.spec.required for test in round_.tests)
        reason = EventReason.TESTS_PASSED if required else EventReason.NOTHING_REQUIRED
        ctx.event(reason, f"round {round_.number} for {hop.policy.target}: {verdict(round_.tests)}")
        return ctx.enter(State.READY_TO_PROMOTE)
    message = "; ".join(result.failure_reasons)
    ctx.event(EventReason.TESTS_FAILED, f"round {round_.number} for {hop.policy.target}: {message}", warning=True)
    ctx.supersede("the tests failed", Verb.PROMOTE)
    return ctx.enter(State.TESTS_FAILED, message=message)


async def void_round(ctx: PromotionRun) -> State:
    """Begin again after `retest`: earlier verdicts are void, and the policy's snapshot is taken again.

    An approval is kept, also one that was taken and by which nothing was written: it counts for the round to come, if
    that is about the same revisions.
    """
    story, hop = ctx.story, ctx.story.hop
    ctx.take(Verb.RETEST)
    story.inbox.done(Verb.RETRY)
    in_line = ctx.membership.phase is not Phase.WORKING
    if hop is not None:
        # What made the tests fail may be the declaration of the source, whose variables they get.
        ctx.views.pop(hop.policy.source, None)
        if hop.round is not None:
            cancel_round(ctx, hop.round)
            if hop.untouched and hop.approval is not None and story.inbox.get(Verb.PROMOTE) is None:
                story.inbox.offer(Verb.PROMOTE, replace(hop.approval, artifacts=hop.round.artifacts))
            hop.voided, hop.round = hop.round.artifacts, None
        hop.refusal, hop.refusal_message, hop.refused = Refusal.NONE, "", ()
    state = ctx.enter(State.SYNCED)
    if in_line:
        await ctx.membership.set_phase(Phase.WORKING)
    return state
