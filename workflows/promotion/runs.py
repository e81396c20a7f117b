"""Runs at CI systems: trigger in parallel, poll in batches, cancel by key."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import TestRunActivities
from activities.models.failures import FailureKind
from activities.models.testing import CancelTestsInput, PollTestsInput, RunRef, RunState, TriggerTestInput
from workflows import policies
from workflows.failures import failure_of
from workflows.promotion import rounds
from workflows.promotion.context import Context, problem_of
from workflows.promotion.state import Hop, Round, TestProgress

LAST_LOOK = timedelta(seconds=5)


async def trigger_due(ctx: Context, hop: Hop, round_: Round) -> None:
    """Send all due triggers at once; a failed one is retried alone, later."""
    tests = rounds.due(round_, workflow.now())
    if not tests:
        return
    round_.confirmed = False
    ctx.flush()
    await asyncio.gather(*(_trigger(ctx, hop, round_, test) for test in tests))
    ctx.changed()


async def _trigger(ctx: Context, hop: Hop, round_: Round, test: TestProgress) -> None:
    now = workflow.now()
    test.started_at = test.started_at or now
    test.key = test.key or rounds.run_key(ctx.request, hop, round_, test)
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
    )
    try:
        result = await workflow.execute_activity_method(TestRunActivities.trigger_test, request, **config)
    except ActivityError as refusal:
        _refused(ctx, test, refusal)
        return
    test.run, test.url, test.state, test.error = result.run, result.run.url, RunState.QUEUED, ""
    test.next_trigger = None


def _refused(ctx: Context, test: TestProgress, refusal: ActivityError) -> None:
    """Show why a trigger failed and plan the next one; only a trigger that must not be repeated is final."""
    what, text = problem_of(refusal, f"TestRunner/{test.spec.runner}")
    failure = failure_of(refusal)
    now = workflow.now()
    if failure.kind is FailureKind.UNTRACEABLE:
        test.state, test.finished_at, test.message, test.untraceable = RunState.ERROR, now, text, True
        return
    test.unheard = test.unheard or not failure.surely_unsent
    if test.error != text:
        ctx.event("TriggerRefused", f"{test.spec.name}: {what}: {text}", warning=True)
    test.error = text
    test.attempts += 1
    pause = ctx.timings.reference_initial * 2.0 ** min(test.attempts - 1, 10)
    pause = max(ctx.timings.listing_lag, min(pause, ctx.timings.reference_maximum))
    test.next_trigger = now + max(pause, policies.asked_wait(refusal))


async def poll_tests(ctx: Context, round_: Round) -> None:
    """Read all open runs, one batched activity per runner; polls keep their gap, whatever pokes come."""
    if ctx.last_poll is not None and (gap := ctx.last_poll + ctx.timings.poll_gap - workflow.now()) > timedelta(0):
        await ctx.wait(lambda: False, at_most=gap, why="keep the gap between polls")
    ctx.last_poll = workflow.now()
    await _poll(ctx, round_)


async def look_once_more(ctx: Context, round_: Round) -> None:
    """Look for verdicts that nobody waits for before the record tells of them; the lane is kept for moments at most."""
    await _poll(ctx, round_, at_most=LAST_LOOK)


async def _poll(ctx: Context, round_: Round, *, at_most: timedelta | None = None) -> None:
    open_tests = [test for test in round_.tests if test.run is not None and not test.final]
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
    ctx: Context, runner: str, tests: list[TestProgress], *, at_most: timedelta | None = None
) -> None:
    runs = tuple(test.run for test in tests if test.run is not None)
    config = policies.ci_poll(ctx.queues, ctx.timings, summary=f"poll {runner}: {len(runs)} runs")
    if at_most is not None:
        config["schedule_to_close_timeout"] = at_most
    request = PollTestsInput(
        namespace=ctx.request.tracker.namespace, runner=runner, runs=runs, repository=ctx.request.spec.repository
    )
    try:
        answer = await workflow.execute_activity_method(TestRunActivities.poll_tests, request, **config)
    except ActivityError as refusal:
        for test in tests:
            rounds.miss_poll(test, problem_of(refusal, runner)[1])
        return
    reports = {report.key: report for report in answer.reports}
    for test in tests:
        report = reports.get(test.key)
        if report is not None and not test.final:
            rounds.take_report(test, report, workflow.now())


async def cancel_open(ctx: Context) -> None:
    """Cancel every run of the hop's round that still goes on, and those whose trigger may have been accepted."""
    hop = ctx.story.hop
    if hop is not None and hop.round is not None:
        await cancel(ctx, abandon(hop.round))


def abandon(round_: Round) -> list[TestProgress]:
    """Take the runs that still go on, and those whose trigger may have been accepted, for cancelled; `cancel` them."""
    open_tests = [test for test in round_.tests if test.key and not test.final]
    for test in open_tests:
        test.state, test.finished_at = RunState.CANCELLED, workflow.now()
    return open_tests


async def cancel(ctx: Context, tests: list[TestProgress]) -> None:
    """Cancel runs at their CI systems, found by key; what cannot be cancelled is only noted."""
    for runner in sorted({test.spec.runner for test in tests}):
        mine = [test for test in tests if test.spec.runner == runner and test.key]
        refs = tuple(test.run or RunRef(runner=runner, job=test.spec.job, key=test.key, id="") for test in mine)
        if not refs:
            continue
        perhaps = any(test.unheard if test.run is None else not test.run.id for test in mine)
        request = CancelTestsInput(
            namespace=ctx.request.tracker.namespace,
            runner=runner,
            runs=refs,
            repository=ctx.request.spec.repository,
            listing_lag=ctx.timings.listing_lag if perhaps else timedelta(0),
        )
        config = policies.ci_cancel(ctx.queues, ctx.timings, summary=f"cancel {len(refs)} runs at {runner}", attempts=3)
        try:
            await workflow.execute_activity_method(TestRunActivities.cancel_tests, request, **config)
        except ActivityError as refusal:
            ctx.event("CancelFailed", f"{runner}: {problem_of(refusal, runner)[1]}", warning=True)
        for test in mine:
            if not test.final:
                test.state, test.finished_at = RunState.CANCELLED, workflow.now()
