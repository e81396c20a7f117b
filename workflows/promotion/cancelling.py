"""Cancel runs in the background: a CI system may ask to wait for an hour, and nothing else may wait with it.

Steps only note which runs are to be cancelled. One task for each round and runner tries until the CI system has
answered or there is no use any more; what is open is carried, so that continuing as new ends the tasks and the next run
begins them again. A deleted tracker hurries them, since its finalizer waits.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.contracts import TestRunActivities
from activities.models.failures import Failure
from activities.models.promotion import PromotionInput
from activities.models.testing import CancelTestsInput, RunRef
from activities.models.tracking import Timings
from crds.reasons.events import EventReason
from workflows import policies
from workflows.failures import failure_of
from workflows.identity import Queues
from workflows.promotion.state import OpenCancel, PromotionState, TestProgress
from workflows.runtime.background import CarriedTasks
from workflows.runtime.backoff import Backoff, jittered
from workflows.runtime.snapshot import Snapshot
from workflows.runtime.timers import wait_until

CANCEL_WITHIN = timedelta(hours=2)
"""Longer than any host asks to wait; runs end by themselves, too."""
CANCEL_BRIEFLY = timedelta(minutes=2)
"""Once the tracker is gone: well within the ten minutes that its finalizer waits."""
KEPT = 20
"""Cancels that are carried at most, the newest: each names the runs of one round at one runner."""


class Run(Protocol):
    """What cancelling needs of the run."""

    request: PromotionInput
    story: PromotionState
    timings: Timings
    queues: Queues

    def event(self, reason: EventReason, message: str, *, warning: bool = False) -> None:
        """Note a Kubernetes event."""

    def flush(self) -> None:
        """Offer what changed for publishing."""


class Cancelling:
    """Ask until the CI system has answered; what cannot be cancelled is only noted.

    What is open is kept in the story, so that continuing as new waits for nothing: the next run asks again.
    """

    def __init__(self, run: Run) -> None:
        self.tasks = CarriedTasks()
        self._run = run
        self._gone_at: datetime | None = None

    def begin(self, tests: Sequence[TestProgress]) -> None:
        """Cancel the runs of these tests, found by key, also those whose trigger may have been accepted."""
        story = self._run.story
        for runner in sorted({test.spec.runner for test in tests}):
            mine = [test for test in tests if test.spec.runner == runner and test.key]
            refs = tuple(
                RunRef(
                    runner=runner,
                    job=test.spec.job,
                    key=test.key,
                    id=test.run.id if test.run else "",
                    began=test.began,
                    # Not known of a trigger whose answer got lost: what it sent may be rendered otherwise by now.
                    digests=test.run.digests if test.run else None,
                )
                for test in mine
            )
            if refs:
                perhaps = any(test.unconfirmed if test.run is None else not test.run.id for test in mine)
                one = OpenCancel(runner=runner, runs=refs, since=workflow.now(), perhaps=perhaps)
                story.cancels = [*story.cancels, one][-KEPT:]
                self.tasks.start(self._cancel(one))

    def resume(self) -> None:
        """Go on with what an earlier run has left."""
        for one in self._run.story.cancels:
            self.tasks.start(self._cancel(one))

    def hurry(self) -> None:
        """Ask only briefly from now on: the tracker is gone, and its deletion waits for us."""
        self._gone_at = self._gone_at or workflow.now()

    async def _cancel(self, one: OpenCancel) -> None:
        run = self._run
        pauses = Backoff(initial=run.timings.reference_initial, maximum=run.timings.reference_maximum)
        if one.again_at is not None:
            await self._pause(one, one.again_at)
        while (failure := await self._try(one)) is not None:
            wait = max(jittered(pauses.next()), failure.wait)
            if not failure.passing or workflow.now() + wait > self._until(one):
                run.event(EventReason.CANCEL_FAILED, f"{failure.object}: {failure.text}", warning=True)
                run.flush()
                break
            again = replace(one, again_at=workflow.now() + wait)
            run.story.cancels = [again if other is one else other for other in run.story.cancels]
            one = again
            await self._pause(one, workflow.now() + wait)
        run.story.cancels = [other for other in run.story.cancels if other is not one]

    async def _pause(self, one: OpenCancel, until: datetime) -> None:
        """Wait until then, or until the tracker is gone."""
        seen, left = Snapshot(lambda: self._gone_at), until - workflow.now()
        if left > timedelta(0):
            await wait_until(seen.changed, at_most=left, why=f"cancel at {one.runner} again")

    def _until(self, one: OpenCancel) -> datetime:
        # What is left of an ended promotion keeps its workflow no longer than its last presentation may.
        longest = self._run.timings.present_deadline
        if self._gone_at is not None:
            return self._gone_at + min(CANCEL_BRIEFLY, longest)
        return one.since + min(CANCEL_WITHIN, longest)

    async def _try(self, one: OpenCancel) -> Failure | None:
        run = self._run
        request = CancelTestsInput(
            namespace=run.request.tracker.namespace,
            runner=one.runner,
            runs=one.runs,
            repository=run.request.spec.repository,
            listing_lag=run.timings.listing_lag if one.perhaps else timedelta(0),
        )
        config = policies.ci_cancel(run.queues, run.timings, summary=f"cancel runs at {one.runner}: {len(one.runs)}")
        try:
            await workflow.execute_activity_method(TestRunActivities.cancel_tests, request, **config)
        except ActivityError as refusal:
            if is_cancelled_exception(refusal):
                raise
            return failure_of(refusal, f"TestRunner/{one.runner}")
        return None
