"""A trigger of a job whose runs cannot be found by key: repeated while nothing was sent, never after that."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from activities.failures import carried
from activities.models.testing import TriggerTestInput, TriggerTestResult
from activities.slots import Slots, shared_by
from activities.test_runs import CiActivities
from crds.api.ports import ApiForbidden, ApiUnavailable
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMalformed,
    ProviderRateLimited,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.ports import TestRuns
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import FakeOpener, FakeRuns
from worker.serving.deadlines import ActivityDeadline
from worker.temporal.conversion import DATA_CONVERTER

REQUEST = TriggerTestInput(namespace="shop", runner="gitlab", job="main", key="k1", parameters={}, variables={})
LIMIT = timedelta(seconds=1)
ATTEMPTS = 3


@dataclass
class UntraceableRuns(FakeRuns):
    """A CI system whose runs exist and are not found by key."""

    created: int = 0
    refuse: list[ProviderError] = field(default_factory=list)
    """What the host answers to the next requests for a run, which begins none."""

    async def find(self, job: str, key: str, origin: Any = None) -> tuple[Any, ...]:
        self.note("find")
        return ()

    async def create(self, job: str, key: str, parameters: Any) -> Any:
        if self.refuse:
            raise self.refuse.pop(0)
        self.created += 1
        return await super().create(job, key, parameters)

    async def traceable(self, job: str) -> bool:
        return False


@dataclass
class ListingRuns(UntraceableRuns):
    """A CI system whose runs are found by key."""

    async def find(self, job: str, key: str, origin: Any = None) -> tuple[Any, ...]:
        return await FakeRuns.find(self, job, key, origin)

    async def traceable(self, job: str) -> bool:
        return True


@dataclass
class FailingOpener(FakeOpener):
    """Connections that fail to be opened, as often as errors are queued."""

    failures: list[Exception] = field(default_factory=list)

    async def ci_runs(self, namespace: str, runner: str) -> TestRuns:
        if self.failures:
            raise self.failures.pop(0)
        return await super().ci_runs(namespace, runner)


@dataclass
class Attempts:
    """Run one attempt after the other, handing on what the SDK and the server do."""

    runs: UntraceableRuns = field(default_factory=UntraceableRuns)
    failures: list[Exception] = field(default_factory=list)
    delivered: bool = True
    number: int = 0
    details: tuple[Any, ...] = ()
    lag: timedelta = timedelta(0)
    passed: timedelta = timedelta(0)
    """Time that has passed for the server since the first attempt."""

    async def next(self) -> TriggerTestResult:
        self.number += 1
        self.passed += timedelta(seconds=1)
        environment = bounded_environment(attempt=self.number)
        started = environment.info.started_time + self.passed
        environment.info = replace(environment.info, heartbeat_details=list(self.details), started_time=started)

        def noted(*details: Any) -> None:
            if self.delivered:
                self.details = details

        environment.on_heartbeat = noted
        opener = FailingOpener(runs=self.runs, failures=self.failures)
        request = replace(REQUEST, listing_lag=self.lag)
        return await environment.run(CiActivities(opener).trigger_test, request)

    async def refused(self) -> tuple[str | None, bool | None]:
        with pytest.raises(ApplicationError) as caught:
            await self.next()
        return caught.value.type, carried(caught.value).began


@pytest.mark.parametrize(
    "error", [ProviderBusy("16 in flight"), ProviderRateLimited("wait"), ProviderUnavailable("down")]
)
async def test_a_trigger_that_failed_before_anything_was_sent_is_tried_again(error: ProviderError) -> None:
    attempts = Attempts(runs=UntraceableRuns(errors={"find": [error, error]}))
    assert await attempts.refused() == (type(error).__name__, False)
    assert await attempts.refused() == (type(error).__name__, False)
    assert not (await attempts.next()).found
    assert attempts.runs.created == 1


@pytest.mark.parametrize("error", [ApiUnavailable("no answer"), ApiForbidden("no", status=403)])
async def test_an_outage_of_kubernetes_before_the_trigger_is_no_trigger(error: Exception) -> None:
    attempts = Attempts(failures=[error])
    assert await attempts.refused() == (type(error).__name__, False)
    assert not (await attempts.next()).found
    assert attempts.runs.created == 1


async def test_an_attempt_that_got_no_slot_is_no_trigger_and_hides_none_before_it() -> None:
    attempts, full = Attempts(), Slots(1)
    with full.held("somebody"), shared_by(full):
        assert await attempts.refused() == ("ProviderBusy", False)
    assert not (await attempts.next()).found
    assert attempts.runs.created == 1
    lost = Attempts(runs=UntraceableRuns(lose_replies=[ProviderUnavailable("late")]))
    assert await lost.refused() == ("ProviderUnavailable", True)
    with full.held("somebody"), shared_by(full):
        assert await lost.refused() == ("ProviderBusy", True)
    assert await lost.refused() == ("TriggerUnknown", None)
    assert lost.runs.created == 1


@pytest.mark.parametrize("error", [ProviderRateLimited("wait"), ProviderUnauthorized("no"), ProviderBusy("16")])
async def test_a_request_that_the_host_refused_began_no_run(error: ProviderError) -> None:
    attempts = Attempts(runs=UntraceableRuns(refuse=[error]))
    assert await attempts.refused() == (type(error).__name__, False)
    assert not (await attempts.next()).found
    assert attempts.runs.created == 1


@pytest.mark.parametrize("error", [ProviderUnavailable("no answer in time"), ProviderMalformed("<html>")])
async def test_a_lost_reply_is_never_followed_by_another_request(error: ProviderError) -> None:
    attempts = Attempts(runs=UntraceableRuns(lose_replies=[error]))
    assert await attempts.refused() == (type(error).__name__, True)
    assert await attempts.refused() == ("TriggerUnknown", None)
    assert await attempts.refused() == ("TriggerUnknown", None)
    assert attempts.runs.created == 1


@pytest.mark.parametrize("error", [ProviderUnavailable("no answer in time"), ProviderMalformed("<html>")])
async def test_an_attempt_that_lost_its_reply_ends_at_once_and_the_first_look_comes_when_the_lists_must_show_the_run(
    error: ProviderError,
) -> None:
    lag = timedelta(hours=1)
    attempts = Attempts(runs=ListingRuns(lose_replies=[error]), lag=lag)
    async with asyncio.timeout(30):
        assert await attempts.refused() == (type(error).__name__, True)
        # At once, as a Temporal server does that was restarted: the look would find nothing, and begin another run.
        assert await attempts.refused() == ("ProviderUnavailable", True)
    assert attempts.runs.calls == ["find", "create"]
    attempts.passed = lag + timedelta(minutes=1)
    assert (await attempts.next()).found
    assert attempts.runs.created == 1


async def test_an_attempt_that_comes_too_early_waits_for_the_rest_of_the_lag_and_holds_no_slot() -> None:
    attempts = Attempts(runs=ListingRuns(lose_replies=[ProviderUnavailable("late")]), lag=timedelta(minutes=10))
    await attempts.refused()
    attempts.passed = timedelta(minutes=7)
    with pytest.raises(ApplicationError) as caught:
        await attempts.next()
    assert caught.value.next_retry_delay is not None
    assert timedelta(minutes=2.9) <= caught.value.next_retry_delay < timedelta(minutes=4)


async def test_what_is_refused_after_a_lost_reply_proves_nothing_about_it() -> None:
    attempts = Attempts(
        runs=UntraceableRuns(errors={"find": [ProviderBusy("16")]}, lose_replies=[ProviderMalformed("")])
    )
    assert await attempts.refused() == ("ProviderBusy", False)
    assert await attempts.refused() == ("ProviderMalformed", True)
    attempts.runs.errors = {"find": [ProviderBusy("16")]}
    assert await attempts.refused() == ("ProviderBusy", True)
    assert await attempts.refused() == ("TriggerUnknown", None)
    assert attempts.runs.created == 1


async def test_an_attempt_that_left_no_heartbeat_may_have_begun_a_run() -> None:
    attempts = Attempts(runs=UntraceableRuns(errors={"find": [ProviderBusy("16")]}))
    await attempts.refused()
    # The second was killed, or its heartbeat was lost: the first one's must not stand for it.
    attempts.number = 2
    assert (await attempts.refused())[0] == "TriggerUnknown"
    lost = Attempts(runs=UntraceableRuns(errors={"find": [ProviderBusy("16")]}), delivered=False)
    await lost.refused()
    assert (await lost.refused())[0] == "TriggerUnknown"
    assert attempts.runs.created + lost.runs.created == 0


async def test_what_an_earlier_activity_may_have_sent_is_not_forgotten_for_want_of_an_attempt() -> None:
    runs = UntraceableRuns()
    request = replace(REQUEST, again=True)
    with pytest.raises(ApplicationError) as caught:
        await bounded_environment().run(CiActivities(FakeOpener(runs=runs)).trigger_test, request)
    assert (caught.value.type, runs.created) == ("TriggerUnknown", 0)


@workflow.defn(sandboxed=False)
class Triggers:
    """Run the trigger as a promotion does: a few attempts, no heartbeat timeout."""

    @workflow.run
    async def run(self) -> int:
        retry = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=ATTEMPTS)
        await workflow.execute_activity(
            "trigger_test", REQUEST, start_to_close_timeout=LIMIT, retry_policy=retry, result_type=TriggerTestResult
        )
        return 1


@asynccontextmanager
async def triggering(
    server: str, runs: FakeRuns, *, failures: list[Exception] | None = None
) -> AsyncIterator[Callable[[], Any]]:
    """Serve the trigger from a real worker."""
    client, queue = await Client.connect(server, data_converter=DATA_CONVERTER), f"sending-{uuid.uuid4()}"
    activities = CiActivities(FailingOpener(runs=runs, failures=failures or []))
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Triggers],
        activities=[activities.trigger_test],
        interceptors=[ActivityDeadline()],
    ):
        yield lambda: client.execute_workflow(Triggers.run, id=queue, task_queue=queue)


async def test_temporal_hands_the_heartbeat_of_a_failed_attempt_to_the_next_one(temporal_server: str) -> None:
    runs = UntraceableRuns(errors={"find": [ProviderUnavailable("down")]}, refuse=[ProviderRateLimited("wait")])
    async with triggering(temporal_server, runs) as execute:
        assert await execute() == 1
    assert runs.created == 1


@dataclass
class SlowRuns(UntraceableRuns):
    """A CI system that begins a run and answers after the attempt's time."""

    async def create(self, job: str, key: str, parameters: Any) -> Any:
        run = await super().create(job, key, parameters)
        await asyncio.sleep(3 * LIMIT.total_seconds())
        return run


# Its cancellation may arrive just after the attempt ended by itself: the SDK warns of it, and goes on.
@pytest.mark.filterwarnings("ignore:Cannot find activity to cancel:UserWarning")
async def test_temporal_hands_on_no_heartbeat_of_an_attempt_that_ran_out_of_time_while_it_sent(
    temporal_server: str,
) -> None:
    runs = SlowRuns(errors={"find": [ProviderUnavailable("down")]})
    async with triggering(temporal_server, runs) as execute:
        with pytest.raises(WorkflowFailureError) as caught:
            await execute()
    refusal = caught.value.cause
    assert isinstance(refusal, ActivityError)
    assert isinstance(refusal.cause, ApplicationError)
    assert (refusal.cause.type, runs.created) == ("TriggerUnknown", 1)
