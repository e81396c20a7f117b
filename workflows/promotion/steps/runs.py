"""Runs at CI systems: trigger in parallel, poll in batches."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import TestRunActivities
from activities.models.bounds import cut
from activities.models.budgets import LINE_BYTES
from activities.models.failures import Failure, FailureKind
from activities.models.testing import PollTestsInput, RunReport, RunState, TriggerTestInput
from workflows import policies
from workflows.failures import failure_of
from workflows.promotion.rules import rounds
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, Round, TestProgress
from workflows.runtime.backoff import jittered, pause_after

FINAL_POLL_TIMEOUT = timedelta(seconds=5)


async def trigger_due(ctx: PromotionRun, hop: Hop, round_: Round) -> None:
    """Send all due triggers at once; a failed one is retried alone, later."""
    tests = rounds.due(round_, workflow.now())
    if not tests:
        return
    round_.confirmed = False
    ctx.flush()
    await asyncio.gather(*(_trigger(ctx, hop, round_, test) for test in tests))
    ctx.changed()


async def _trigger(ctx: PromotionRun, hop: Hop, round_: Round, test: TestProgress) -> None:
    now = workflow.now()
    test.started_at = test.started_at or now
    if not test.key:
        test.key, test.began = rounds.run_key(ctx.request, hop, round_, test), now
    remaining = rounds.deadline(round_, hop.policy, test) - now
    config = policies.ci_trigger(ctx.queues, ctx.timings, summary=f"trigger {test.spec.name} ({test.spec.runner})")
    config["schedule_to_close_timeout"] = max(remaining, timedelta(seconds=1))
    request = TriggerTestInput(
        namespace=ctx.request.tracker.namespace,
        runner=test.spec.runner,
        job=test.spec.job,
        key=test.key,
        parameters=test.spec.parameters,
        variables=rounds.variables(
            ctx.story,
            hop,
            number=ctx.request.spec.number,
            key=test.key,
            artifacts=round_.artifacts,
            source=ctx.views.get(hop.policy.source),
            target=ctx.views.get(hop.policy.target),
            components=test.spec.components,
        ),
        test=test.spec.name,
        again=test.unheard,
        listing_lag=ctx.timings.listing_lag,
        repository=ctx.request.spec.repository,
        began=test.began,
    )
    try:
        result = await workflow.execute_activity_method(TestRunActivities.trigger_test, request, **config)
    except ActivityError as refusal:
        _refused(ctx, test, refusal)
        return
    test.run, test.url, test.state = result.run, result.run.url, RunState.QUEUED
    note_foreign(ctx, test, result.foreign)
    rounds.answered(test)
    test.next_trigger = None


def note_foreign(ctx: PromotionRun, test: TestProgress, foreign: Sequence[str]) -> None:
    """Show runs that others have started with our key; nothing else is done about them."""
    if not foreign:
        return
    test.foreign = cut("; ".join(foreign), LINE_BYTES)
    for one in foreign:
        ctx.event("ForeignRun", f"{test.spec.name}: {one}", warning=True)


def _refused(ctx: PromotionRun, test: TestProgress, refusal: ActivityError) -> None:
    """Show why a trigger failed and plan the next one; only a trigger that must not be repeated is final."""
    failure = failure_of(refusal, f"TestRunner/{test.spec.runner}")
    now, known = workflow.now(), test.trouble
    if failure.kind is FailureKind.UNTRACEABLE:
        test.state, test.finished_at, test.message, test.untraceable = RunState.ERROR, now, failure.text, True
        return
    test.unheard = test.unheard or not failure.surely_unsent
    rounds.note_failure(test, failure, now, ctx.timings.passing)
    tell_refusal(ctx, test, known)
    pause = pause_after(test.attempts + 1, initial=ctx.timings.reference_initial, maximum=ctx.timings.reference_maximum)
    test.next_trigger = now + max(ctx.timings.listing_lag, jittered(pause), failure.wait)
    # What was refused to keep quiet was no attempt.
    test.attempts += not failure.kind.asks_to_wait


def reveal_failures(ctx: PromotionRun, round_: Round) -> None:
    """Have people know of refusals that have lasted."""
    for test in round_.tests:
        known = test.trouble
        rounds.reveal(test, workflow.now(), ctx.timings.passing)
        tell_refusal(ctx, test, known)


def tell_refusal(ctx: PromotionRun, test: TestProgress, known: Failure | None) -> None:
    """Note an event where people are to know of a refusal that they were not told of yet."""
    found = test.trouble
    if found is not None and test.run is None and (known is None or known.text != found.text):
        ctx.event("TriggerRefused", f"{test.spec.name}: {found.object}: {found.text}", warning=True)


async def poll_tests(ctx: PromotionRun, round_: Round) -> None:
    """Read all open runs, one batched activity per runner; polls keep their gap, and what was asked, whatever comes."""
    if not rounds.to_poll(round_, workflow.now()):
        return
    if ctx.last_poll is not None and (gap := ctx.last_poll + ctx.timings.poll_gap - workflow.now()) > timedelta(0):
        await ctx.wait(lambda: False, at_most=gap, why="keep the gap between polls")
    ctx.last_poll = workflow.now()
    await _poll(ctx, round_)


async def look_once_more(ctx: PromotionRun, round_: Round) -> None:
    """Look for verdicts that nobody waits for before the record tells of them; the lane is kept for moments at most."""
    await _poll(ctx, round_, at_most=FINAL_POLL_TIMEOUT)


async def _poll(ctx: PromotionRun, round_: Round, *, at_most: timedelta | None = None) -> None:
    open_tests = rounds.to_poll(round_, workflow.now())
    open_tests += rounds.to_read_again(round_, open_tests, workflow.now(), ctx.timings.poll_maximum)
    runners = sorted({test.spec.runner for test in open_tests})
    if not runners:
        return
    await asyncio.gather(
        *(
            _poll_runner(ctx, runner, [test for test in open_tests if test.spec.runner == runner], at_most=at_most)
            for runner in runners
        )
    )
    ctx.changed()


async def _poll_runner(
    ctx: PromotionRun, runner: str, tests: list[TestProgress], *, at_most: timedelta | None = None
) -> None:
    runs, began = tuple(test.run for test in tests if test.run is not None), workflow.now()
    ended = {test.key for test in tests if test.final}
    config = policies.ci_poll(ctx.queues, ctx.timings, summary=f"poll {runner}: {len(runs)} runs")
    if at_most is not None:
        config["schedule_to_close_timeout"] = at_most
    request = PollTestsInput(
        namespace=ctx.request.tracker.namespace, runner=runner, runs=runs, repository=ctx.request.spec.repository
    )
    try:
        answer = await workflow.execute_activity_method(TestRunActivities.poll_tests, request, **config)
    except ActivityError as refusal:
        failure = failure_of(refusal, f"TestRunner/{runner}")
        for test in (one for one in tests if not one.final):
            rounds.miss_poll(test, failure, workflow.now(), ctx.timings.passing)
        return
    reports = {report.key: report for report in answer.reports}
    for test in tests:
        report = reports.get(test.key)
        if test.final:
            if report is not None and test.key in ended:
                _note_later(ctx, test, report, began)
            continue
        if report is None:
            failure = Failure(kind=FailureKind.UNEXPECTED, message="the answer names no such run")
            rounds.miss_poll(test, failure, workflow.now(), ctx.timings.passing)
            continue
        rounds.take_report(test, report, workflow.now(), ctx.timings.passing)
        # The CI system was asked after this moment; when it answered says less.
        test.read_at = began if test.failure is None else test.read_at


def _note_later(ctx: PromotionRun, test: TestProgress, report: RunReport, began: datetime) -> None:
    test.read_at = began
    if rounds.take_later(test, report):
        ctx.event("RunAgain", f"{test.spec.name}: {test.later}", warning=True)


def cancel_open(ctx: PromotionRun) -> None:
    """Cancel what still goes on of the hop's round."""
    hop = ctx.story.hop
    if hop is not None and hop.round is not None:
        cancel_round(ctx, hop.round)


def cancel_round(ctx: PromotionRun, round_: Round) -> None:
    """Cancel the runs that still go on, and those whose trigger may have been accepted."""
    open_tests = [test for test in round_.tests if test.key and not test.final]
    for test in open_tests:
        test.state, test.finished_at = RunState.CANCELLED, workflow.now()
    ctx.cancelling.begin(open_tests)
