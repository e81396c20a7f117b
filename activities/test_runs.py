"""TestRunActivities: exactly one counted run per key, whatever replies get lost.

A CI system offers no compare-and-set: a reply may get lost after a run began, its list may lag, and anybody may start
a run that shows our key. So each attempt looks for the key before it creates, and what is found is checked against
what was sent (`_find_or_create`). What an attempt has begun for certain, or surely not, it leaves as a note for the
next one (`trigger_attempts.py`); only where that is unknown and nothing can be found a trigger ends as untraceable.

The tests of a round are triggered side by side, and each answers for itself (`parts.py`); the activity as a whole fails
only where it was held up. Which run counts, and what a verdict means, is decided by `workflows/promotion/rules/`.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.contracts import TestRunActivities
from activities.deployment_reads import DeploymentReads
from activities.failures import application_error, bounded, carried, failure_from, reported
from activities.metrics import Count, count
from activities.models.bounds import cut
from activities.models.budgets import FOREIGN_KEPT, LINE_BYTES
from activities.models.failures import Failure
from activities.models.testing import (
    CancelTestsInput,
    CancelTestsResult,
    PollTestsInput,
    PollTestsResult,
    RoundTest,
    RunRef,
    RunReport,
    RunState,
    TriggeredTest,
    TriggerRoundInput,
    TriggerRoundResult,
    TriggerTestInput,
    TriggerTestResult,
)
from activities.parts import Parts
from activities.ports import MissingReason, ReferenceMissing, ResourceOpener
from activities.refusals import share_no_secrets
from activities.spans import poll_span, trigger_span
from activities.trigger_attempts import RoundSending, ServerClock, TriggerAttempts
from crds.reasons.problems import FailureKind
from crds.rules.substitution import SubstitutionError, render
from providers.callers import polling
from providers.errors import ProviderError, ProviderNotFound, ProviderUnavailable, TriggerUnknown
from providers.models import Origin, Run, RunReading
from providers.origins import digests_of, own
from providers.ports import TestRuns

_ASKED_AT_ONCE = 10
_NOTED_EACH_SECONDS = 2
_FINAL = frozenset(state.value for state in RunState if state.final)


class CiActivities(TestRunActivities):
    """Call CI systems by way of named runners."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener
        self._reads = DeploymentReads(opener)

    # Without `reported`: what its part below raises, a slot that it did not get included, is judged first.
    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        """Find our run of this key, else create it; of several of ours the oldest counts, the others are cancelled.

        A run that shows the key and is not ours is named, counts for nothing and is in no one's way.

        Safe to retry: where runs cannot be found by key, only attempts that surely began none are followed by another.
        """
        share_no_secrets()
        sending = TriggerAttempts()
        with _noting(sending):
            return await self._trigger_alone(request, sending)

    # Without `reported`, for the same reason.
    @activity.defn
    async def trigger_round(self, request: TriggerRoundInput) -> TriggerRoundResult:
        """Trigger each test as `trigger_test` does, side by side, then read the source.

        Safe to retry: what an attempt before has begun is found by its key, or known by the note that it left.
        """
        share_no_secrets()
        sending = RoundSending([one.key for one in request.tests])
        with _noting(sending):
            return await self._trigger_all(request, sending)

    @activity.defn
    @reported
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        """Read several runs, a few at a time; a run that cannot be read is reported as such, without a verdict."""
        parts, clock = Parts(), ServerClock()

        async def poll(runner: str) -> list[RunReport]:
            refs = [ref for ref in request.runs if ref.runner == runner]
            try:
                runs = await parts.bounded(self._opener.ci_runs(request.namespace, runner))
            except ApplicationError as refusal:
                return [_unread(ref, _of_runner(carried(refusal), runner)) for ref in refs]
            gate = asyncio.Semaphore(_ASKED_AT_ONCE)

            async def read(ref: RunRef) -> RunReport:
                async with gate:
                    try:
                        with polling():
                            return await parts.bounded(_read(runs, ref, clock))
                    except ApplicationError as refusal:
                        return _unread(ref, _of_runner(carried(refusal), runner))

            return list(await asyncio.gather(*map(read, refs)))

        polled = await asyncio.gather(*map(poll, dict.fromkeys(ref.runner for ref in request.runs)))
        reports = {report.key: report for runner in polled for report in runner}
        for report in reports.values():
            state = "error" if report.failure else report.state.value
            count(Count.POLLS, namespace=request.namespace, runner=report.run.runner, state=state)
        over = all(report.state.final for report in reports.values())
        return PollTestsResult(
            reports=tuple(reports[ref.key] for ref in request.runs),
            source=await parts.alongside(self._reads, request.source) if over else None,
        )

    @activity.defn
    @reported
    async def cancel_tests(self, request: CancelTestsInput) -> CancelTestsResult:
        """Cancel every run of ours of each key, a few at a time; all are tried before the first error is raised.

        A run that may have begun without an answer is looked for until the lists must show it, by a later attempt.
        """
        share_no_secrets()
        clock = ServerClock()
        runs = await self._opener.ci_runs(request.namespace, request.runner)
        gate = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def cancel(ref: RunRef) -> bool | None:
            async with gate:
                return await _cancel(runs, ref, clock)

        outcomes = await asyncio.gather(*map(cancel, request.runs), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        if None in outcomes and (hidden := _hidden_for(request.listing_lag)):
            raise ProviderUnavailable("a run that may have begun is not listed yet", retry_after=hidden)
        cancelled = (ref.key for ref, going in zip(request.runs, outcomes, strict=True) if going is True)
        return CancelTestsResult(cancelled=tuple(cancelled))

    @reported
    async def _trigger_all(self, request: TriggerRoundInput, sending: RoundSending) -> TriggerRoundResult:
        parts, clock = Parts(), ServerClock()
        gates = {one.spec.runner: asyncio.Semaphore(_ASKED_AT_ONCE) for one in request.tests}

        async def ask(one: RoundTest) -> TriggerTestResult:
            async with gates[one.spec.runner]:
                if one.until is not None and clock.now() >= one.until:
                    raise application_error(Failure(kind=FailureKind.EXPIRED, message="the test's time is over"))
                return await self._trigger(of_round(request, one), sending[one.key], clock)

        async def trigger(one: RoundTest) -> TriggeredTest:
            result = sending.done(one.key)
            if result is None:
                try:
                    result = await parts.bounded(ask(one))
                except ApplicationError as refusal:
                    failure = carried(sending[one.key].judged(refusal))
                    sending.give_up(one.key)
                    return TriggeredTest(key=one.key, failure=_of_runner(failure, one.spec.runner))
                sending.finish(one.key, result)
            return TriggeredTest(key=one.key, result=result)

        triggering = [asyncio.create_task(trigger(one)) for one in request.tests]
        try:
            # A worker that is killed while one host hangs leaves a note of what the others have begun.
            while (await asyncio.wait(triggering, timeout=_NOTED_EACH_SECONDS))[1]:
                sending.note_meanwhile()
        finally:
            for one in triggering:
                one.cancel()
        tests = tuple(one.result() for one in triggering)
        return TriggerRoundResult(tests=tests, source=await parts.alongside(self._reads, request.source))

    @reported
    async def _trigger_alone(self, request: TriggerTestInput, sending: TriggerAttempts) -> TriggerTestResult:
        return await self._trigger(request, sending, ServerClock())

    async def _trigger(
        self, request: TriggerTestInput, sending: TriggerAttempts, clock: ServerClock
    ) -> TriggerTestResult:
        with trigger_span(request) as span:
            result = await self._find_or_create(request, sending, clock)
            span.started(result.run)
        return result

    async def _find_or_create(
        self, request: TriggerTestInput, sending: TriggerAttempts, clock: ServerClock
    ) -> TriggerTestResult:
        if request.repository and (name := await self._opener.observed(request.namespace, request.repository)):
            text = "it has `mode: Observe`, so that no test is started: set `mode: Act`"
            raise ReferenceMissing(f"GitRepository/{name}", MissingReason.INVALID, text)
        parameters = _rendered(request)
        if hidden := sending.hidden_for(request.listing_lag):
            # The look would find nothing yet, and the wait for it must not hold a slot that others need.
            raise ProviderUnavailable(
                "an earlier trigger may have been accepted; its run is looked for once the lists must show it",
                retry_after=hidden,
            )
        runs = await self._opener.ci_runs(request.namespace, request.runner)
        origin = Origin(began=clock.monotonic(request.began) if request.began else None, parameters=parameters)
        shown = await runs.find(request.job, request.key, origin)
        found = own(shown)
        foreign = tuple(map(_foreign, islice((run for run in shown if run.foreign), FOREIGN_KEPT)))
        if not found:
            if request.again or sending.repeats:
                await _refuse_blind_repetition(runs, request.job)
            sending.begun = True
            created = await runs.create(request.job, request.key, parameters)
            count(Count.TRIGGERS, namespace=request.namespace, runner=request.runner, result="created")
            return TriggerTestResult(run=_started(request, created, parameters), foreign=foreign)
        for duplicate in found[1:]:
            await runs.cancel(request.job, duplicate)
            count(Count.DUPLICATE_RUNS, namespace=request.namespace, runner=request.runner)
        count(Count.TRIGGERS, namespace=request.namespace, runner=request.runner, result="found")
        run = _started(request, found[0], parameters)
        return TriggerTestResult(run=run, found=True, duplicates=len(found) - 1, foreign=foreign)


@contextmanager
def _noting(sending: TriggerAttempts | RoundSending) -> Iterator[None]:
    """Leave the next attempt a note where this one fails, whose failure is judged by what it has sent."""
    try:
        yield
    except ApplicationError as failure:
        judged = sending.judged(failure)
        sending.note()
        raise judged from None
    except asyncio.CancelledError:
        sending.note()
        raise


async def _refuse_blind_repetition(runs: TestRuns, job: str) -> None:
    """Refuse a second trigger of a job whose runs cannot be found by key: the first may be running unseen."""
    if not await runs.traceable(job):
        raise TriggerUnknown(
            f"an earlier trigger of `{job}` may have been accepted, and its runs do not show the promotion key"
        )


def _hidden_for(lag: timedelta) -> timedelta:
    """Return how long the lists may still hide what began before this activity was asked for, by the server's time."""
    info = activity.info()
    return max(lag - (info.started_time - info.scheduled_time), timedelta(0))


async def _cancel(runs: TestRuns, ref: RunRef, clock: ServerClock) -> bool | None:
    """Return whether any run of ours of the key was still going; None where there is none."""
    known = _to_run(ref, clock)
    found: Sequence[Run] = own(await runs.find(ref.job, ref.key, known.origin))
    if ref.id and all(run.id != ref.id for run in found):
        found = (*found, known)
    if not found:
        return None
    going = False
    for run in found:
        try:
            reading = await runs.read(ref.job, run)
        except ProviderNotFound:
            continue
        if reading.phase.value not in _FINAL:
            await runs.cancel(ref.job, reading.run)
            going = True
    return going


def _rendered(request: TriggerTestInput) -> dict[str, str]:
    rendered: dict[str, str] = {}
    for name, template in request.parameters.items():
        try:
            rendered[name] = render(template, request.variables)
        except SubstitutionError as error:
            message = bounded(f"parameters.{name}: {error}")
            failure = Failure(kind=FailureKind.INVALID_PARAMETERS, message=message)
            raise application_error(failure, final=True) from None
    return rendered


async def _read(runs: TestRuns, ref: RunRef, clock: ServerClock) -> RunReport:
    with poll_span(ref) as span:
        try:
            report = _to_report(ref, await runs.read(ref.job, _to_run(ref, clock)))
        except ProviderError as error:
            report = _unread(ref, failure_from(error))
        span.read(report)
    return report


def _unread(ref: RunRef, failure: Failure) -> RunReport:
    failure = replace(failure, message=cut(failure.message, LINE_BYTES))
    return RunReport(key=ref.key, run=ref, state=RunState.RUNNING, failure=failure)


def _of_runner(failure: Failure, runner: str) -> Failure:
    return failure if failure.object else replace(failure, object=f"TestRunner/{runner}")


def of_round(request: TriggerRoundInput, one: RoundTest) -> TriggerTestInput:
    """Return one test of a round as a trigger of its own."""
    return TriggerTestInput(
        namespace=request.namespace,
        runner=one.spec.runner,
        job=one.spec.job,
        key=one.key,
        parameters=one.spec.parameters,
        variables=request.variables | one.variables,
        test=one.spec.name,
        listing_lag=request.listing_lag,
        repository=request.repository,
        began=one.began,
    )


def _to_run(ref: RunRef, clock: ServerClock) -> Run:
    origin = Origin(began=clock.monotonic(ref.began) if ref.began else None, digests=ref.digests)
    return Run(id=ref.id, key=ref.key, url=ref.url, origin=origin)


def _started(request: TriggerTestInput, run: Run, parameters: Mapping[str, str]) -> RunRef:
    return RunRef(
        runner=request.runner,
        job=request.job,
        key=request.key,
        id=run.id,
        url=run.url,
        began=request.began,
        digests=digests_of(parameters),
    )


def _foreign(run: Run) -> str:
    return bounded(f"{run.url or f'run {run.id}'} shows the promotion key and is not ours: {run.foreign}")


def _to_report(ref: RunRef, reading: RunReading) -> RunReport:
    return RunReport(
        key=ref.key,
        run=replace(ref, id=reading.run.id, url=reading.run.url),
        state=RunState(reading.phase),
        message=bounded(reading.message),
        number=reading.number,
        summary=bounded(reading.summary),
        waiting_for_approval=reading.waiting_for_approval,
    )
