"""Each rule of the test aggregate as a property."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from activities.models.configuration import TestSpec
from activities.models.testing import RunState
from workflows.promotion.rules.aggregate import aggregate, may_retry, round_over
from workflows.promotion.state import TestProgress

STATES = st.none() | st.sampled_from(list(RunState))


@st.composite
def progress(draw: st.DrawFn, *, required: bool | None = None) -> TestProgress:
    retries = draw(st.integers(0, 2))
    spec = TestSpec(
        name=draw(st.text("abcdefgh", min_size=1, max_size=4)),
        runner="ci",
        job="job",
        parameters={},
        required=draw(st.booleans()) if required is None else required,
        timeout=timedelta(minutes=1),
        retries=retries,
    )
    return TestProgress(spec=spec, state=draw(STATES), retry=draw(st.integers(0, retries)), message=draw(st.text()))


rounds = st.lists(progress(), max_size=6)


@given(rounds)
def test_all_passed_counts_required_tests_only(tests: list[TestProgress]) -> None:
    required = [test for test in tests if test.spec.required]
    assert aggregate(tests).all_passed == all(test.state is RunState.PASSED for test in required)


@given(rounds, st.lists(progress(required=False), max_size=4))
def test_optional_tests_never_change_the_verdict(tests: list[TestProgress], optional: list[TestProgress]) -> None:
    alone, together = aggregate(tests), aggregate([*tests, *optional])
    assert (alone.all_passed, alone.any_failed, alone.any_timeout, alone.failure_reasons) == (
        together.all_passed,
        together.any_failed,
        together.any_timeout,
        together.failure_reasons,
    )


@given(rounds)
def test_a_timeout_of_a_required_test_is_a_failure(tests: list[TestProgress]) -> None:
    if any(test.spec.required and test.state is RunState.TIMED_OUT for test in tests):
        result = aggregate(tests)
        assert result.any_timeout
        assert result.any_failed
        assert not result.all_passed


@given(rounds)
def test_optional_failures_are_shown(tests: list[TestProgress]) -> None:
    failed = any(not test.spec.required and test.final and test.state is not RunState.PASSED for test in tests)
    assert aggregate(tests).optional_tests_failed == failed


@given(rounds)
def test_every_failure_of_a_required_test_has_its_reason(tests: list[TestProgress]) -> None:
    failed = [test for test in tests if test.spec.required and test.final and test.state is not RunState.PASSED]
    result = aggregate(tests)
    assert len(result.failure_reasons) == len(failed)
    assert result.any_failed == bool(failed)


@given(rounds)
def test_a_round_ends_when_all_required_tests_are_final(tests: list[TestProgress]) -> None:
    required = [test for test in tests if test.spec.required]
    deciding = required or tests
    assert round_over(tests) == all(test.final and not may_retry(test) for test in deciding)


@given(rounds)
def test_any_running_shows_whether_something_is_not_final(tests: list[TestProgress]) -> None:
    assert aggregate(tests).any_running == any(not test.final for test in tests)


def test_a_policy_without_tests_passes_at_once() -> None:
    assert round_over([])
    assert aggregate([]).all_passed


@given(progress())
def test_what_failed_or_was_cancelled_by_others_is_retried_while_retries_are_left(test: TestProgress) -> None:
    wanted = test.state in (RunState.FAILED, RunState.ERROR, RunState.CANCELLED) and test.retry < test.spec.retries
    assert may_retry(test) == wanted
