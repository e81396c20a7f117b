"""Pure rules of a round's verdict."""

from collections.abc import Sequence

from activities.models.status import TestAggregateResult, TestStatus
from activities.models.testing import RunState
from workflows.promotion.state import TestProgress

RETRIED = (RunState.FAILED, RunState.ERROR, RunState.CANCELLED)
PENDING = "Pending"
"""Shown for a test whose trigger was not accepted yet."""


def aggregate(tests: Sequence[TestProgress]) -> TestAggregateResult:
    """Sum up the tests; optional ones never block, and a required one that timed out has failed."""
    required = [test for test in tests if test.spec.required]
    return TestAggregateResult(
        all_passed=all(test.state is RunState.PASSED for test in required),
        any_failed=any(_failed(test) for test in required),
        any_running=any(not test.final for test in tests),
        any_timeout=any(test.state is RunState.TIMED_OUT for test in required),
        results={test.spec.name: test.state or PENDING for test in tests},
        failure_reasons=tuple(_reason(test) for test in required if _failed(test)),
        optional_tests_failed=any(_failed(test) for test in tests if not test.spec.required),
    )


def round_over(tests: Sequence[TestProgress], *, timed_out: bool = False) -> bool:
    """Return whether the verdict stands: all required tests are final, or all tests where none is required.

    Once the round's own time is up nothing is retried: what failed has failed.
    """
    deciding = [test for test in tests if test.spec.required] or list(tests)
    return all(test.final and (timed_out or not may_retry(test)) for test in deciding)


def verdict(tests: Sequence[TestProgress]) -> str:
    """Return the text of what lets a round pass: no tests are never shown as tests that passed."""
    if not tests:
        return "the policy has no tests"
    if not any(test.spec.required for test in tests):
        return "no test is required"
    optional = "; an optional one failed" if aggregate(tests).optional_tests_failed else ""
    return f"the required tests passed{optional}"


def may_retry(test: TestProgress) -> bool:
    """Return whether a failed run is followed by another one of its own (`retries` of the policy)."""
    # Where a round goes on, no one of us has cancelled: somebody did at the CI system, or a newer run of the job.
    return test.state in RETRIED and test.retry < test.spec.retries and not test.untraceable


def test_status(test: TestProgress, *, round_number: int) -> TestStatus:
    """Show one test as the status and the records do."""
    return TestStatus(
        name=test.spec.name,
        runner=test.spec.runner,
        required=test.spec.required,
        state=test.state or PENDING,
        url=test.url,
        number=test.number,
        key=test.key,
        round=round_number,
        retry=test.retry,
        started_at=test.started_at,
        finished_at=test.finished_at,
        message=test.note,
        summary=test.summary,
    )


test_status.__test__ = False  # type: ignore[attr-defined]


def _failed(test: TestProgress) -> bool:
    return test.final and test.state is not RunState.PASSED


def _reason(test: TestProgress) -> str:
    detail = f": {test.message}" if test.message else ""
    return f"{test.spec.name} {test.state}{detail}"
