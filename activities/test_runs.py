"""TestRunActivities: exactly one counted run per key, whatever replies get lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.contracts import TestRunActivities
from activities.failures import application_error, bounded, failure_from, reported
from activities.metrics import Count, count
from activities.models.bounds import cut
from activities.models.budgets import LINE_BYTES
from activities.models.failures import Failure, FailureKind
from activities.models.testing import (
    CancelTestsInput,
    CancelTestsResult,
    PollTestsInput,
    PollTestsResult,
    RunRef,
    RunReport,
    RunState,
    TriggerTestInput,
    TriggerTestResult,
)
from activities.ports import Connections
from activities.sending import Sending, ServerClock
from crds.rules.substitution import SubstitutionError, render
from providers.errors import ProviderError, ProviderNotFound, ProviderUnavailable, TriggerUnknown
from providers.models import Origin, Run, RunReading
from providers.origins import own
from providers.ports import TestRuns

_ASKED_AT_ONCE = 10
_FINAL = frozenset(state.value for state in RunState if state.final)


class CiActivities(TestRunActivities):
    """Speak with CI systems through named runners."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    # Without `reported`: what its part below raises, a slot that it did not get included, is judged first.
    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        """Find our run of this key, else create it; of several of ours the oldest counts, the others are cancelled.

        A run that shows the key and is not ours is named, counts for nothing and is in nobody's way.

        Safe to retry: where runs cannot be found by key, only attempts that surely began none are followed by another.
        """
        sending, clock = Sending(), ServerClock()
        try:
            return await self._found_or_created(request, sending, clock)
        except ApplicationError as failure:
            raise sending.judged(failure) from None
        except asyncio.CancelledError:
            sending.note()
            raise

    @activity.defn
    @reported
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        """Read several runs, a few at a time; a run that cannot be read is reported as such, without a verdict."""
        clock = ServerClock()
        runs = await self._connections.runs_of(request.namespace, request.runner)
        gate = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def read(ref: RunRef) -> RunReport:
            async with gate:
                try:
                    report = _to_report(ref, await runs.read(ref.job, _to_run(ref, clock)))
                except ProviderError as error:
                    failure = failure_from(error)
                    failure = replace(failure, message=cut(failure.message, LINE_BYTES))
                    report = RunReport(
                        key=ref.key, run=ref, state=RunState.RUNNING, error=failure.text, failure=failure
                    )
            state = "error" if report.error else report.state.value
            count(Count.POLLS, namespace=request.namespace, runner=request.runner, state=state)
            return report

        return PollTestsResult(reports=tuple(await asyncio.gather(*map(read, request.runs))))

    @activity.defn
    @reported
    async def cancel_tests(self, request: CancelTestsInput) -> CancelTestsResult:
        """Cancel every run of ours of each key, a few at a time; all are tried before the first error is raised.

        A run that may have begun unheard is looked for until the lists must show it, by a later attempt.
        """
        clock = ServerClock()
        runs = await self._connections.runs_of(request.namespace, request.runner)
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
    async def _found_or_created(
        self, request: TriggerTestInput, sending: Sending, clock: ServerClock
    ) -> TriggerTestResult:
        parameters = _rendered(request)
        if hidden := sending.hidden_for(request.listing_lag):
            # The look would find nothing yet, and the wait for it must not hold a slot that others need.
            raise ProviderUnavailable(
                "an earlier trigger may have been accepted; its run is looked for once the lists must show it",
                retry_after=hidden,
            )
        runs = await self._connections.runs_of(request.namespace, request.runner)
        origin = Origin(began=clock.monotonic(request.began) if request.began else None, parameters=parameters)
        shown = await runs.find(request.job, request.key, origin)
        found, foreign = own(shown), tuple(_foreign(run) for run in shown if run.foreign)
        if not found:
            if request.again or sending.repeats:
                await _refuse_blind_repetition(runs, request.job)
            sending.begun = True
            created = await runs.create(request.job, request.key, parameters)
            count(Count.TRIGGERS, namespace=request.namespace, runner=request.runner, result="created")
            return TriggerTestResult(run=_started(request, created), foreign=foreign)
        for duplicate in found[1:]:
            await runs.cancel(request.job, duplicate)
            count(Count.DUPLICATE_RUNS, namespace=request.namespace, runner=request.runner)
        count(Count.TRIGGERS, namespace=request.namespace, runner=request.runner, result="found")
        run = _started(request, found[0])
        return TriggerTestResult(run=run, found=True, duplicates=len(found) - 1, foreign=foreign)


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


def _to_run(ref: RunRef, clock: ServerClock) -> Run:
    origin = Origin(began=clock.monotonic(ref.began)) if ref.began else None
    return Run(id=ref.id, key=ref.key, url=ref.url, origin=origin)


def _started(request: TriggerTestInput, run: Run) -> RunRef:
    return RunRef(runner=request.runner, job=request.job, key=request.key, id=run.id, url=run.url, began=request.began)


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
