"""Runs at CI systems: trigger in parallel, poll in batches."""

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import TestRunActivities
from activities.models.bounds import cut
from activities.models.budgets import LINE_BYTES
from activities.models.failures import Failure
from activities.models.testing import (
    PollTestsInput,
    RoundTest,
    RunReport,
    RunState,
    TriggerRoundInput,
    TriggerTestInput,
    TriggerTestResult,
)
from crds.reasons.events import EventReason
from crds.reasons.problems import FailureKind
from workflows import policies
from workflows.failures import failure_of
from workflows.promotion.rules import rounds
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, Round, TestProgress
from workflows.promotion.steps.source import SourceReader
from workflows.runtime.backoff import jittered, pause_after

FINAL_POLL_TIMEOUT = timedelta(seconds=5)


async def trigger_due(ctx: PromotionRun, hop: Hop, round_: Round, source: SourceReader) -> None:
    """Send all due triggers at once: new ones together, with a read of the source, and each that failed alone."""
    tests = rounds.due(round_, workflow.now())
    if not tests:
        return
    now = workflow.now()
    for test in tests:
        test.started_at = test.started_at or now
        if not test.key:
            test.key, test.began = rounds.run_key(ctx.request, hop, round_, test), now
    round_.confirmed = False
    # Published with the links that the answers bring, or without them where those take long.
    first = [test for test in tests if test.failure is None and not test.unconfirmed]
    again = [test for test in tests if test not in first]
    triggers = [_trigger(ctx, hop, round_, test) for test in again]
    if first:
        # A read before the last trigger would confirm nothing.
        triggers.append(_trigger_round(ctx, hop, round_, first, source if not again else None))
    await asyncio.gather(*triggers)
    ctx.changed()


async def _trigger_round(
    ctx: PromotionRun, hop: Hop, round_: Round, tests: Sequence[TestProgress], source: SourceReader | None
) -> None:
    now, until = workflow.now(), {test.key: rounds.deadline(round_, hop.policy, test) for test in tests}
    names = ", ".join(test.spec.name for test in tests)
    left = max(*until.values(), now + timedelta(seconds=1)) - now
    config = policies.ci_trigger(ctx.queues, ctx.timings, summary=f"trigger {names}", at_most=left)
    request = _round_input(ctx, hop, round_, tests, until)
    if source is not None:
        request = replace(request, source=source.alongside())
    try:
        answer = await workflow.execute_activity_method(TestRunActivities.trigger_round, request, **config)
    except ActivityError as refusal:
        for test in tests:
            _refused(ctx, test, failure_of(refusal, f"TestRunner/{test.spec.runner}"))
        return
    found = {one.key: one for one in answer.tests}
    for test in tests:
        one = found.get(test.key)
        if one is not None and one.result is not None:
            _accepted(ctx, test, one.result)
        else:
            missing = Failure(kind=FailureKind.UNEXPECTED, message="the answer names no such test")
            _refused(ctx, test, one.failure if one is not None and one.failure is not None else missing)
    if source is not None:
        source.take(answer.source)


def _round_input(
    ctx: PromotionRun, hop: Hop, round_: Round, tests: Sequence[TestProgress], until: Mapping[str, datetime]
) -> TriggerRoundInput:
    """Return what triggers tests together; variables that all of them have stand there once."""
    variables = {test.key: _variables(ctx, hop, round_, test) for test in tests}
    shared = rounds.shared_variables(list(variables.values()))
    parts = (
        RoundTest(
            spec=test.spec,
            key=test.key,
            variables={name: text for name, text in variables[test.key].items() if name not in shared},
            began=test.began,
            until=until[test.key],
        )
        for test in tests
    )
    return TriggerRoundInput(
        namespace=ctx.request.tracker.namespace,
        repository=ctx.request.spec.repository,
        tests=tuple(parts),
        variables=shared,
        listing_lag=ctx.timings.listing_lag,
    )


async def _trigger(ctx: PromotionRun, hop: Hop, round_: Round, test: TestProgress) -> None:
    remaining = rounds.deadline(round_, hop.policy, test) - workflow.now()
    config = policies.ci_trigger(
        ctx.queues,
        ctx.timings,
        summary=f"trigger {test.spec.name} ({test.spec.runner})",
        at_most=max(remaining, timedelta(seconds=1)),
    )
    request = TriggerTestInput(
        namespace=ctx.request.tracker.namespace,
        runner=test.spec.runner,
        job=test.spec.job,
        key=test.key,
        parameters=test.spec.parameters,
        variables=_variables(ctx, hop, round_, test),
        test=test.spec.name,
        again=test.unconfirmed,
        listing_lag=ctx.timings.listing_lag,
        repository=ctx.request.spec.repository,
        began=test.began,
    )
    try:
        result = await workflow.execute_activity_method(TestRunActivities.trigger_test, request, **config)
    except ActivityError as refusal:
        _refused(ctx, test, failure_of(refusal, f"TestRunner/{test.spec.runner}"))
        return
    _accepted(ctx, test, result)


def _variables(ctx: PromotionRun, hop: Hop, round_: Round, test: TestProgress) -> dict[str, str]:
    return rounds.variables(
        ctx.story,
        hop,
        number=ctx.request.spec.number,
        key=test.key,
        artifacts=round_.artifacts,
        source=ctx.views.get(hop.policy.source),
        target=ctx.views.get(hop.policy.target),
        components=test.spec.components,
    )


def _accepted(ctx: PromotionRun, test: TestProgress, result: TriggerTestResult) -> None:
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
        ctx.event(EventReason.FOREIGN_RUN, f"{test.spec.name}: {one}", warning=True)


def _refused(ctx: PromotionRun, test: TestProgress, failure: Failure) -> None:
    """Show why a trigger failed and plan the next one; only a trigger that must not be repeated is final."""
    now, known = workflow.now(), test.trouble
    if failure.kind is FailureKind.UNTRACEABLE:
        test.state, test.finished_at, test.message, test.untraceable = RunState.ERROR, now, failure.text, True
        return
    test.unconfirmed = test.unconfirmed or not failure.surely_unsent
    rounds.note_failure(test, failure, now, ctx.timings.passing)
    announce_refusal(ctx, test, known)
    pause = pause_after(test.attempts + 1, initial=ctx.timings.reference_initial, maximum=ctx.timings.reference_maximum)
    test.next_trigger = now + max(ctx.timings.listing_lag, jittered(pause), failure.wait)
    # What was refused to keep quiet was no attempt.
    test.attempts += not failure.asks_to_wait


def reveal_failures(ctx: PromotionRun, round_: Round) -> None:
    """Have people know of refusals that have lasted."""
    for test in round_.tests:
        known = test.trouble
        rounds.reveal(test, workflow.now(), ctx.timings.passing)
        announce_refusal(ctx, test, known)


def announce_refusal(ctx: PromotionRun, test: TestProgress, known: Failure | None) -> None:
    """Note an event where people are to know of a refusal that they have not seen yet."""
    found = test.trouble
    if found is not None and test.run is None and (known is None or known.text != found.text):
        ctx.event(EventReason.TRIGGER_REFUSED, f"{test.spec.name}: {found.object}: {found.text}", warning=True)


async def poll_tests(ctx: PromotionRun, round_: Round, *, source: SourceReader | None = None) -> None:
    """Read all open runs in one activity; polls keep their gap, and what was asked, whatever comes.

    With a `source`, that is read as well where all runs are over: the round is judged next.
    """
    if not rounds.to_poll(round_, workflow.now()):
        return
    await _keep_gap(ctx)
    ctx.last_poll, ctx.pokes_at_poll = workflow.now(), ctx.pokes
    await _poll(ctx, round_, source=source)


async def _keep_gap(ctx: PromotionRun) -> None:
    """Wait until the next poll may begin: sooner where a poke came since the last one, also while waiting."""
    if ctx.last_poll is None:
        return

    def poked() -> bool:
        return ctx.pokes != ctx.pokes_at_poll

    if not poked() and (gap := ctx.last_poll + ctx.timings.poll_gap - workflow.now()) > timedelta(0):
        await ctx.wait(poked, at_most=gap, why="keep the gap between polls")
    least = min(ctx.timings.poke_gap, ctx.timings.poll_gap)
    if poked() and (gap := ctx.last_poll + least - workflow.now()) > timedelta(0):
        await ctx.wait(lambda: False, at_most=gap, why="keep the gap between pokes")


async def look_once_more(ctx: PromotionRun, round_: Round) -> None:
    """Look for verdicts that no one waits for before the record is made; the lane is kept for moments at most."""
    await _poll(ctx, round_, at_most=FINAL_POLL_TIMEOUT)


async def _poll(
    ctx: PromotionRun, round_: Round, *, at_most: timedelta | None = None, source: SourceReader | None = None
) -> None:
    began = workflow.now()
    tests = rounds.to_poll(round_, began)
    tests += rounds.to_read_again(round_, tests, began, ctx.timings.poll_maximum)
    if not tests:
        return
    ended = {test.key for test in tests if test.final}
    whole = round_.confirmed and all(test.final or test in tests for test in round_.tests)
    names = ", ".join(test.spec.name for test in tests)
    config = policies.ci_poll(ctx.queues, ctx.timings, summary=f"poll {names}")
    if at_most is not None:
        config["schedule_to_close_timeout"] = at_most
    request = PollTestsInput(
        namespace=ctx.request.tracker.namespace,
        runs=tuple(test.run for test in tests if test.run is not None),
        repository=ctx.request.spec.repository,
        source=source.alongside() if source is not None and whole else None,
    )
    try:
        answer = await workflow.execute_activity_method(TestRunActivities.poll_tests, request, **config)
    except ActivityError as refusal:
        for test in (one for one in tests if not one.final):
            failure = failure_of(refusal, f"TestRunner/{test.spec.runner}")
            rounds.miss_poll(test, failure, workflow.now(), ctx.timings.passing)
    else:
        _take_reports(ctx, tests, ended, answer.reports, began)
        if source is not None:
            source.take(answer.source)
    ctx.changed()


def _take_reports(
    ctx: PromotionRun,
    tests: Sequence[TestProgress],
    ended: AbstractSet[str],
    answer: Sequence[RunReport],
    began: datetime,
) -> None:
    """Write into the tests what was read of their runs since `began`; `ended` had their verdict before."""
    reports = {report.key: report for report in answer}
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
        # The CI system was asked after this moment; when it answered is weaker evidence.
        test.read_at = began if test.failure is None else test.read_at


def _note_later(ctx: PromotionRun, test: TestProgress, report: RunReport, began: datetime) -> None:
    test.read_at = began
    if rounds.take_later(test, report):
        ctx.event(EventReason.RUN_AGAIN, f"{test.spec.name}: {test.later}", warning=True)


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
