"""What a report of the CI system writes into a test."""

from datetime import UTC, datetime, timedelta

from activities.models.configuration import TestSpec
from activities.models.testing import RunRef, RunReport, RunState
from workflows.promotion.rounds import QUEUED_LONG, take_report
from workflows.promotion.state import TestProgress

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def progress(state: RunState, after: timedelta, *, approval: bool = False) -> TestProgress:
    spec = TestSpec(name="e2e", runner="ci", job="e2e", parameters={}, required=True, timeout=timedelta(hours=1))
    test = TestProgress(spec=spec, key="k", started_at=NOON)
    run = RunRef(runner="ci", job="e2e", key="k", id="1")
    report = RunReport(key="k", run=run, state=state, message="pending", waiting_for_approval=approval)
    take_report(test, report, NOON + after)
    return test


def test_a_run_that_stays_in_the_queue_says_that_no_runner_takes_it() -> None:
    assert progress(RunState.QUEUED, QUEUED_LONG / 2).message == "pending"
    waited = progress(RunState.QUEUED, QUEUED_LONG).message
    assert waited == "in the queue since 12:00 UTC: no runner has taken it; pending"


def test_one_that_runs_or_waits_for_a_person_lacks_no_runner() -> None:
    assert progress(RunState.RUNNING, QUEUED_LONG * 2).message == "pending"
    assert progress(RunState.QUEUED, QUEUED_LONG * 2, approval=True).message == "pending"
