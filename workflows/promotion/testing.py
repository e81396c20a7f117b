"""The Testing step: rounds of tests until one has its verdict, with deadlines, following the source."""

from temporalio import workflow

from activities.models.configuration import SourceMoved
from activities.models.places import Phase
from activities.models.promotion import Verb
from activities.models.status import State
from activities.models.tracking import Artifact
from workflows.promotion import rounds
from workflows.promotion.aggregate import aggregate, may_retry, round_over, verdict
from workflows.promotion.commands import outdated_approval
from workflows.promotion.context import Context
from workflows.promotion.hopping import ended_by_others
from workflows.promotion.merging import source_artifacts, source_with_change
from workflows.promotion.runs import cancel_round, poll_tests, reveal_failures, trigger_due
from workflows.promotion.source import SourceReader, move
from workflows.promotion.state import SOURCE_MOVES_ALLOWED, Hop, Refusal, Round, TestProgress
from workflows.runtime.backoff import Backoff, jittered


async def run_tests(ctx: Context) -> State:
    """Run rounds until one has its verdict, another change overtook us, or the source keeps moving."""
    hop = ctx.story.hop
    if hop is None:
        return State.SYNCED
    polls = Backoff(initial=ctx.timings.poll_initial, maximum=ctx.timings.poll_maximum, factor=1.5)
    poll_at = workflow.now() + polls.pause
    source = SourceReader(ctx, hop)
    while True:
        # Taken before anything is awaited: what changes meanwhile must wake the wait below.
        seen, pokes, held = ctx.look(hop.policy.target, commands=True, hold=True), ctx.pokes, ctx.held
        if ctx.command_waits:
            return await void_round(ctx)
        round_ = await _current_round(ctx, hop)
        if round_ is None:
            continue
        reveal_failures(ctx, round_)
        if (ended := await ended_by_others(ctx)) is not None:
            return ended
        ctx.heed_commands()
        if ctx.held:
            if source.unread:
                # A hold stops what we do, not what we see.
                await source.moves(round_)
        else:
            if await keep_deadlines(ctx, hop, round_):
                continue
            _plan_retries(ctx, round_)
            if rounds.due(round_, workflow.now()):
                if not source.declared and await source.declare():
                    # What was said meanwhile comes first.
                    continue
                if source.declared:
                    await trigger_due(ctx, hop, round_)
            if not round_.confirmed and await _source_left(ctx, hop, round_, source):
                cancel_round(ctx, round_)
                if hop.source_moves > SOURCE_MOVES_ALLOWED:
                    return _fail_moved(ctx, hop)
                hop.round = None
                polls.reset()
                continue
            over = round_.confirmed and round_over(round_.tests, timed_out=round_.timed_out)
            if over and (moves := await source.moves(round_)) is not None:
                ctx.heed_commands()
                state = await _verdict(ctx, hop, round_, moves)
                if state is not None:
                    return state
                polls.reset()
                continue
        now = workflow.now()
        ctx.changed()
        poll_at = min(poll_at, now + polls.pause)
        pause = poll_at - now
        if not held:
            pause = rounds.next_wake(round_, hop.policy, now, pause, triggers=source.declared)
        pause = rounds.until_shown(round_, now, pause, ctx.timings.passing)
        pause = source.at_most(pause)
        await ctx.wait(seen.changed, at_most=pause, why=rounds.wake_reason(round_))
        if ctx.pokes != pokes or workflow.now() >= poll_at:
            await poll_tests(ctx, round_)
            polls.grow()
            poll_at = workflow.now() + jittered(polls.pause)
        _note_move(ctx, hop, round_, source_artifacts(ctx))


async def _current_round(ctx: Context, hop: Hop) -> Round | None:
    """Return the open round, or begin one with what runs in the source; None after a wait for the source."""
    if hop.round is not None:
        return hop.round
    seen, known = ctx.look(hop.policy.source, commands=True), ctx.places.view(hop.policy.source)
    # A source may have been rolled back: without the change in it there is nothing to test or to promote.
    artifacts = await source_with_change(ctx) if known is None or known is not ctx.outdated else None
    ctx.heed_commands()
    if artifacts is not None:
        hop.round = rounds.new_round(ctx.story, hop, artifacts, workflow.now())
        ctx.story.inbox.done(Verb.RETEST)
        if outdated := outdated_approval(ctx.story):
            ctx.supersede(outdated, Verb.PROMOTE)
        return hop.round

    # A source that moved and came back shows its place nothing new.
    at_most = ctx.timings.observe_maximum if ctx.outdated is not None else ctx.until_known()
    ctx.changed()
    if not await ctx.wait(seen.changed, at_most=at_most, why=f"{hop.policy.source} settles"):
        ctx.forget_unknown()
    ctx.outdated = None
    return None


def _plan_retries(ctx: Context, round_: Round) -> None:
    if round_.timed_out:
        return
    for index, test in enumerate(round_.tests):
        if may_retry(test):
            ctx.event("TestRetried", f"{test.spec.name} {test.state}: retry {test.retry + 1} of {test.spec.retries}")
            round_.tests[index] = TestProgress(spec=test.spec, retry=test.retry + 1, message=test.message)


async def _source_left(ctx: Context, hop: Hop, round_: Round, source: SourceReader) -> bool:
    """Read the source after the newest trigger; True when it no longer runs what the round is about."""
    left = await source.moves(round_)
    if not left:
        round_.confirmed = left is not None
        return False
    hop.source_moved += left
    hop.source_moves += 1
    ctx.event("SourceMoved", f"a new round begins: {'; '.join(left)}")
    return True


def _note_move(ctx: Context, hop: Hop, round_: Round, now: tuple[Artifact, ...] | None) -> None:
    """Record moves of the source after the last trigger (onSourceMoved Accept)."""
    tested = {artifact.component: artifact for artifact in round_.artifacts}
    moves = [
        move(tested[one.component], one.revision)
        for one in now or ()
        if one.component in tested and one.revision != tested[one.component].revision
    ]
    _record(ctx, hop, moves)


def _record(ctx: Context, hop: Hop, moves: list[str]) -> None:
    if new := [line for line in moves if line not in hop.source_moved]:
        hop.source_moved += new
        ctx.changed()


async def keep_deadlines(ctx: Context, hop: Hop, round_: Round) -> bool:
    """End what is late, unless the CI system has its verdict: nobody may have been there to look in time.

    The last look must succeed once, which our own bounds or a busy host may refuse; `rounds.given_up` says for how
    long. True where something was done, since what people say while the CI systems are asked comes first.
    """
    now = workflow.now()
    round_.timed_out = now >= round_.started_at + hop.policy.timeout
    late = rounds.late(round_, hop.policy, now)
    if not late:
        return False
    over = [test for test in late if rounds.given_up(round_, hop.policy, test, now, ctx.timings.last_look)]
    if over:
        for test in over:
            rounds.time_out(test, hop.policy, now)
        ctx.changed()
        ctx.cancelling.begin(over)
        return True
    if any(rounds.next_look(test, rounds.deadline(round_, hop.policy, test)) <= now for test in late):
        await poll_tests(ctx, round_)
        return True
    return False


async def _verdict(ctx: Context, hop: Hop, round_: Round, moves: list[str]) -> State | None:
    """Judge a finished round; None when a new one must begin because the source moved and the policy says Retest."""
    _record(ctx, hop, moves)
    if moves and hop.policy.on_source_moved is SourceMoved.RETEST:
        hop.source_moves += 1
        cancel_round(ctx, round_)
        state = None
        if hop.source_moves > SOURCE_MOVES_ALLOWED:
            state = _fail_moved(ctx, hop)
        else:
            ctx.event("SourceMoved", "a new round begins: the policy says Retest")
            hop.round = None
        return state
    result = aggregate(round_.tests)
    if result.all_passed:
        required = any(test.spec.required for test in round_.tests)
        reason = "TestsPassed" if required else "NothingRequired"
        ctx.event(reason, f"round {round_.number} for {hop.policy.target}: {verdict(round_.tests)}")
        return ctx.enter(State.READY_TO_PROMOTE)
    message = "; ".join(result.failure_reasons)
    ctx.event("TestsFailed", message, warning=True)
    ctx.supersede("the tests failed", Verb.PROMOTE)
    return ctx.enter(State.TESTS_FAILED, message=message)


def _fail_moved(ctx: Context, hop: Hop) -> State:
    message = f"{hop.policy.source} moved {hop.source_moves} times during the tests"
    ctx.event("SourceMoved", message, warning=True)
    ctx.supersede(message, Verb.PROMOTE)
    return ctx.enter(State.TESTS_FAILED, reason="SourceMoved", message=message)


async def void_round(ctx: Context) -> State:
    """Begin again after `retest`: earlier verdicts are void, and the policy's snapshot is taken again.

    An approval that waits is kept: it counts for the round to come, if that is about the same revisions.
    """
    story, hop = ctx.story, ctx.story.hop
    ctx.take(Verb.RETEST)
    story.inbox.done(Verb.RETRY)
    in_line = ctx.places.phase is not Phase.WORKING
    if hop is not None:
        # What made the tests fail may be the declaration of the source, whose variables they get.
        ctx.views.pop(hop.policy.source, None)
        if hop.round is not None:
            cancel_round(ctx, hop.round)
            hop.voided, hop.round = hop.round.artifacts, None
        hop.refusal, hop.refusal_message, hop.refused = Refusal.NONE, "", ()
    state = ctx.enter(State.SYNCED)
    if in_line:
        await ctx.places.speak(Phase.WORKING)
    return state
