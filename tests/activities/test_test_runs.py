"""Exactly one counted run per key."""

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.failures import carried
from activities.models.testing import (
    CancelTestsInput,
    PollTestsInput,
    RunRef,
    RunState,
    TriggerTestInput,
    TriggerTestResult,
)
from activities.refusals import following
from activities.test_runs import CiActivities
from crds.reasons.problems import FailureKind
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.models import RunPhase
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import FakeOpener, FakeRuns, Slots

REQUEST = TriggerTestInput(
    namespace="shop",
    runner="jenkins",
    job="web/integration",
    key="k1",
    parameters={"REVISION": "${revision}", "LITERAL": "$${x}"},
    variables={"revision": "abc"},
)


def ref(key: str, number: str = "") -> RunRef:
    return RunRef(runner="jenkins", job="web/integration", key=key, id=number)


async def trigger(runs: FakeRuns, environment: ActivityEnvironment) -> TriggerTestResult:
    return await environment.run(CiActivities(FakeOpener(runs=runs)).trigger_test, REQUEST)


async def test_a_run_is_created_with_rendered_parameters(environment: ActivityEnvironment) -> None:
    runs = FakeRuns()
    result = await trigger(runs, environment)
    assert not result.found
    assert result.run.id == "1"
    assert runs.parameters["k1"] == {"REVISION": "abc", "LITERAL": "${x}"}


async def test_a_lost_reply_is_found_again_instead_of_triggered_twice(environment: ActivityEnvironment) -> None:
    runs = FakeRuns(lose_replies=[ProviderUnavailable("no answer in time")])
    with pytest.raises(ApplicationError):
        await trigger(runs, environment)
    result = await trigger(runs, environment)
    assert result.found
    assert len(runs.runs) == 1


async def test_a_refused_trigger_is_reported_at_once(environment: ActivityEnvironment) -> None:
    runs = FakeRuns(errors={"create": [ProviderUnauthorized("no")]})
    request = replace(REQUEST, listing_lag=timedelta(hours=1))
    with pytest.raises(ApplicationError, match="no"):
        await environment.run(CiActivities(FakeOpener(runs=runs)).trigger_test, request)


async def test_of_two_runs_with_one_key_the_oldest_counts(environment: ActivityEnvironment) -> None:
    runs = FakeRuns()
    oldest = runs.add("k1", RunPhase.RUNNING)
    runs.add("k1", RunPhase.QUEUED)
    result = await trigger(runs, environment)
    assert (result.run.id, result.duplicates) == (oldest.id, 1)
    assert [reading.phase for reading in runs.runs] == [RunPhase.RUNNING, RunPhase.CANCELLED]


async def test_a_template_that_cannot_be_rendered_is_final_and_names_the_parameter(
    environment: ActivityEnvironment,
) -> None:
    runs = FakeRuns()
    activities = CiActivities(FakeOpener(runs=runs))
    request = TriggerTestInput(
        namespace="shop", runner="jenkins", job="j", key="k", parameters={"X": "${pullRequest.url}"}, variables={}
    )
    with pytest.raises(ApplicationError, match=r"parameters\.X") as caught:
        await environment.run(activities.trigger_test, request)
    assert caught.value.non_retryable
    assert runs.calls == []


async def test_one_unreadable_run_does_not_hide_the_others(environment: ActivityEnvironment) -> None:
    runs = FakeRuns()
    passed = runs.add("k1", RunPhase.PASSED)
    request = PollTestsInput(namespace="shop", runs=(ref("k1", passed.id), ref("k2", "99")))
    result = await environment.run(CiActivities(FakeOpener(runs=runs)).poll_tests, request)
    assert [(report.state.final, report.failure is not None) for report in result.reports] == [
        (True, False),
        (False, True),
    ]
    assert result.reports[0].state is RunState.PASSED
    # The kind stands in front as in a failure: by it people see what to fix.
    assert result.reports[1].failure is not None
    assert result.reports[1].failure.kind is FailureKind.NOT_FOUND


async def test_cancelling_finds_every_run_by_key_and_leaves_finished_ones(environment: ActivityEnvironment) -> None:
    runs = FakeRuns()
    runs.add("k1", RunPhase.RUNNING)
    runs.add("k1", RunPhase.QUEUED)
    runs.add("k2", RunPhase.PASSED)
    request = CancelTestsInput(namespace="shop", runner="jenkins", runs=(ref("k1"), ref("k2"), ref("unknown")))
    result = await environment.run(CiActivities(FakeOpener(runs=runs)).cancel_tests, request)
    assert result.cancelled == ("k1",)
    assert [reading.phase for reading in runs.runs] == [RunPhase.CANCELLED, RunPhase.CANCELLED, RunPhase.PASSED]


async def test_runs_are_cancelled_with_no_secret_that_was_read_before(environment: ActivityEnvironment) -> None:
    """A refusal is final: it would leave the runs to themselves."""
    request = CancelTestsInput(namespace="shop", runner="jenkins", runs=(ref("k1"),))
    with following() as reached:
        await environment.run(CiActivities(FakeOpener(runs=FakeRuns())).cancel_tests, request)
    assert reached.shares_none


@pytest.mark.parametrize("lag", [timedelta(0), timedelta(seconds=10)])
async def test_a_run_that_may_have_begun_is_looked_for_until_the_lists_must_show_it_and_in_no_slot(
    lag: timedelta,
) -> None:
    runs = FakeRuns()
    request = CancelTestsInput(namespace="shop", runner="jenkins", runs=(ref("k1"), ref("k2")), listing_lag=lag)
    runs.add("k2", RunPhase.RUNNING)
    cancel_tests = CiActivities(FakeOpener(runs=runs)).cancel_tests
    first = bounded_environment(attempts=10, initial=2)
    if not lag:
        assert (await first.run(cancel_tests, request)).cancelled == ("k2",)
        return
    with pytest.raises(ApplicationError) as caught:
        await first.run(cancel_tests, request)
    assert not caught.value.non_retryable
    assert caught.value.next_retry_delay is not None
    assert caught.value.next_retry_delay >= lag
    assert runs.runs[0].phase is RunPhase.CANCELLED
    runs.add("k1", RunPhase.RUNNING)
    second = bounded_environment(attempt=2, attempts=10, initial=2)
    second.info = replace(second.info, started_time=first.info.scheduled_time + lag)
    assert (await second.run(cancel_tests, request)).cancelled == ("k1",)
    third = bounded_environment(attempt=3, attempts=10, initial=2)
    third.info = second.info
    assert (await third.run(cancel_tests, replace(request, runs=(ref("never"),)))).cancelled == ()


async def test_one_key_that_cannot_be_cancelled_does_not_spare_the_others(environment: ActivityEnvironment) -> None:
    runs = FakeRuns(errors={"find": [ProviderUnavailable("down")]})
    runs.add("k2", RunPhase.RUNNING)
    request = CancelTestsInput(namespace="shop", runner="jenkins", runs=(ref("k1"), ref("k2")))
    with pytest.raises(ApplicationError, match="down"):
        await environment.run(CiActivities(FakeOpener(runs=runs)).cancel_tests, request)
    assert runs.runs[0].phase is RunPhase.CANCELLED


async def test_more_runs_than_calls_may_be_in_flight_are_all_cancelled(environment: ActivityEnvironment) -> None:
    runs = FakeRuns(slots=Slots(free=20))
    keys = [f"k{number}" for number in range(50)]
    for key in keys:
        runs.add(key, RunPhase.RUNNING)
    request = CancelTestsInput(namespace="shop", runner="jenkins", runs=tuple(map(ref, keys)))
    result = await environment.run(CiActivities(FakeOpener(runs=runs)).cancel_tests, request)
    assert list(result.cancelled) == keys


async def test_a_missing_runner_is_named(environment: ActivityEnvironment) -> None:
    with pytest.raises(ApplicationError, match="TestRunner/jenkins"):
        await environment.run(CiActivities(FakeOpener()).trigger_test, REQUEST)


@pytest.mark.parametrize(
    ("kind", "final"),
    [
        (ProviderRateLimited, False),
        (ProviderBusy, False),
        (ProviderUnavailable, False),
        (ProviderUnauthorized, True),
        (ProviderNotFound, True),
        (ProviderRejected, True),
    ],
)
@pytest.mark.parametrize(("attempt", "began"), [(1, False), (2, True)])
async def test_a_refusal_of_a_repetition_shows_that_it_proves_nothing_about_the_attempts_before(
    kind: type[ProviderError], final: bool, attempt: int, began: bool
) -> None:
    runs = FakeRuns(errors={"find": [kind("no")]})
    with pytest.raises(ApplicationError) as caught:
        await trigger(runs, bounded_environment(attempt=attempt))
    assert (caught.value.type, caught.value.non_retryable) == (kind.__name__, final)
    assert carried(caught.value).began is began


@pytest.mark.parametrize(("attempt", "began"), [(1, False), (2, True)])
async def test_a_runner_that_is_gone_shows_as_little_about_the_attempts_before(attempt: int, began: bool) -> None:
    with pytest.raises(ApplicationError, match="TestRunner/jenkins") as caught:
        await bounded_environment(attempt=attempt).run(CiActivities(FakeOpener()).trigger_test, REQUEST)
    failure = carried(caught.value)
    assert (failure.kind, failure.began) == (FailureKind.REFERENCE_MISSING, began)
    assert failure.object == "TestRunner/jenkins"
