"""A round's tests in one activity: each is found by its key, fails alone, and holds up none of the others."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import test_runs
from activities.failures import carried
from activities.models.configuration import TestSpec
from activities.models.delivery import ReadDeploymentsInput
from activities.models.testing import (
    PollTestsInput,
    PollTestsResult,
    RoundTest,
    RunRef,
    TriggerRoundInput,
    TriggerRoundResult,
)
from activities.slots import Slots, shared_by
from activities.test_runs import CiActivities
from crds.reasons.problems import FailureKind
from providers.errors import ProviderNotFound, ProviderRateLimited, ProviderUnavailable
from providers.models import RunPhase
from providers.ports import TestRuns
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import FakeDeployments, FakeOpener, FakeRuns
from tests.activities.test_deployments import SPEC, server
from tests.activities.test_trigger_attempts import UntraceableRuns

SOURCE = ReadDeploymentsInput(namespace="shop", repository="web", deployments=(SPEC,))


@dataclass
class HangingRuns(FakeRuns):
    """A CI system that accepts a trigger and never answers."""

    hangs: bool = True

    async def create(self, job: str, key: str, parameters: Any) -> Any:
        run = await super().create(job, key, parameters)
        if self.hangs:
            await asyncio.Event().wait()
        return run

    async def read(self, job: str, run: Any) -> Any:
        if self.hangs:
            await asyncio.Event().wait()
        return await super().read(job, run)


@dataclass
class Hosts(FakeOpener):
    """CI systems by runner."""

    hosts: dict[str, TestRuns] = field(default_factory=dict)

    async def ci_runs(self, namespace: str, runner: str) -> TestRuns:
        self.runs = self.hosts.get(runner)
        return await super().ci_runs(namespace, runner)


def a_test(name: str, runner: str, **changes: Any) -> RoundTest:
    spec = TestSpec(
        name=name, runner=runner, job="j", parameters={"R": "${revision}"}, required=True, timeout=timedelta(hours=1)
    )
    return RoundTest(spec=spec, key=f"key-{name}", variables={"promotion.key": f"key-{name}"}, **changes)


def a_round(*tests: RoundTest, source: ReadDeploymentsInput | None = None) -> TriggerRoundInput:
    return TriggerRoundInput(
        namespace="shop", repository="web", tests=tests, variables={"revision": "abc"}, source=source
    )


@dataclass
class Round:
    """Run one attempt after the other, handing on the heartbeats between them."""

    opener: Hosts
    details: tuple[Any, ...] = ()
    delivered: bool = True
    number: int = 0
    limit: timedelta = timedelta(minutes=1)

    def environment(self) -> ActivityEnvironment:
        self.number += 1
        environment = bounded_environment(attempt=self.number)
        environment.info = replace(
            environment.info,
            heartbeat_details=list(self.details),
            start_to_close_timeout=self.limit,
            started_time=environment.info.started_time + self.number * timedelta(minutes=1),
        )

        def noted(*details: Any) -> None:
            if self.delivered:
                converter = environment.payload_converter
                self.details = tuple(converter.from_payloads(converter.to_payloads(details)))

        environment.on_heartbeat = noted
        return environment

    async def trigger(self, request: TriggerRoundInput) -> TriggerRoundResult:
        return await self.environment().run(CiActivities(self.opener).trigger_round, request)


async def test_each_test_has_its_run_of_its_own_runner_with_what_all_have_in_common() -> None:
    one, two = FakeRuns(), FakeRuns()
    answer = await Round(Hosts(hosts={"one": one, "two": two})).trigger(a_round(a_test("a", "one"), a_test("b", "two")))
    assert [found.key for found in answer.tests] == ["key-a", "key-b"]
    assert all(found.result is not None and found.failure is None for found in answer.tests)
    assert one.parameters == {"key-a": {"R": "abc"}}
    assert two.parameters == {"key-b": {"R": "abc"}}
    assert answer.source is None


async def test_a_test_that_fails_hides_no_other_and_keeps_the_time_that_was_asked_for() -> None:
    asked = timedelta(minutes=7)
    limited = FakeRuns(errors={"find": [ProviderRateLimited("wait", retry_after=asked)]})
    refused = FakeRuns(errors={"create": [ProviderNotFound("no such job")]})
    hosts = Hosts(hosts={"fine": FakeRuns(), "limited": limited, "refused": refused})
    tests = (a_test("a", "limited"), a_test("b", "fine"), a_test("c", "refused"), a_test("d", "missing"))
    answer = await Round(hosts).trigger(a_round(*tests))
    failures = {one.key: one.failure for one in answer.tests if one.failure is not None}
    assert {key: one.kind for key, one in failures.items()} == {
        "key-a": FailureKind.RATE_LIMITED,
        "key-c": FailureKind.NOT_FOUND,
        "key-d": FailureKind.REFERENCE_MISSING,
    }
    assert failures["key-a"].wait >= asked
    assert {key: one.object for key, one in failures.items()} == {
        "key-a": "TestRunner/limited",
        "key-c": "TestRunner/refused",
        "key-d": "TestRunner/missing",
    }
    assert all(one.surely_unsent for one in failures.values())
    assert answer.tests[1].result is not None


@pytest.mark.parametrize("delivered", [True, False], ids=["heartbeats", "no heartbeats"])
async def test_an_attempt_after_a_lost_one_finds_what_was_begun_and_begins_the_rest(delivered: bool) -> None:
    done, lost, fresh = FakeRuns(), HangingRuns(), FakeRuns(errors={"find": [ProviderUnavailable("down")]})
    hosts = Hosts(hosts={"done": done, "lost": lost, "fresh": fresh})
    tests = (a_test("a", "done"), a_test("b", "lost"), a_test("c", "fresh"))
    round_ = Round(hosts, delivered=delivered)
    attempt = asyncio.create_task(round_.trigger(a_round(*tests)))
    while not (done.runs and lost.runs and "find" in fresh.calls):  # noqa: ASYNC110 -- the fakes know of no waiter
        await asyncio.sleep(0)
    # The worker ends between the calls and the record.
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    lost.hangs = False
    answer = await round_.trigger(a_round(*tests))
    assert [one.failure for one in answer.tests] == [None, None, None]
    assert [len(one.runs) for one in (done, lost, fresh)] == [1, 1, 1]
    assert answer.tests[1].result is not None
    assert answer.tests[1].result.found


async def test_a_run_that_cannot_be_found_is_known_by_the_heartbeat_of_the_attempt_that_began_it() -> None:
    blind, lost = UntraceableRuns(), HangingRuns()
    tests = (a_test("a", "blind"), a_test("b", "lost"))
    round_ = Round(Hosts(hosts={"blind": blind, "lost": lost}))
    attempt = asyncio.create_task(round_.trigger(a_round(*tests)))
    while not (blind.runs and lost.runs):  # noqa: ASYNC110 -- the fakes know of no waiter
        await asyncio.sleep(0)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    lost.hangs = False
    answer = await round_.trigger(a_round(*tests))
    assert answer.tests[0].result is not None
    assert (answer.tests[0].result.run.id, blind.created) == ("1", 1)

    # Without a heartbeat, it is unknown: a second run must not begin.
    killed = Round(Hosts(hosts={"blind": blind, "lost": lost}), number=1)
    answer = await killed.trigger(a_round(*tests))
    assert answer.tests[0].failure is not None
    assert (answer.tests[0].failure.kind, blind.created) == (FailureKind.UNTRACEABLE, 1)


async def test_a_note_from_before_a_run_began_is_no_proof_that_none_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_runs, "_NOTED_EACH_SECONDS", 0.001)
    looked = asyncio.Event()

    @dataclass
    class SlowlyLooking(UntraceableRuns):
        async def find(self, job: str, key: str, origin: Any = None) -> tuple[Any, ...]:
            await looked.wait()
            return await super().find(job, key, origin)

    blind = SlowlyLooking()
    round_ = Round(Hosts(hosts={"blind": blind}))
    attempt = asyncio.create_task(round_.trigger(a_round(a_test("a", "blind"))))
    while not round_.details:  # noqa: ASYNC110 -- the notes know of no waiter
        await asyncio.sleep(0.001)
    # Notes are delivered at intervals, and the worker is killed before the next one.
    round_.delivered = False
    looked.set()
    await attempt
    answer = await round_.trigger(a_round(a_test("a", "blind")))
    assert answer.tests[0].failure is not None
    assert (answer.tests[0].failure.kind, blind.created) == (FailureKind.UNTRACEABLE, 1)


async def test_a_test_that_surely_began_nothing_is_triggered_again_though_the_attempt_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(test_runs, "_NOTED_EACH_SECONDS", 0.001)
    blind, lost = UntraceableRuns(refuse=[ProviderNotFound("no such job")]), HangingRuns()
    tests = (a_test("a", "blind"), a_test("b", "lost"))
    round_ = Round(Hosts(hosts={"blind": blind, "lost": lost}))
    attempt = asyncio.create_task(round_.trigger(a_round(*tests)))
    while not (round_.details and "key-a" in round_.details[0]):  # noqa: ASYNC110 -- as above
        await asyncio.sleep(0.001)
    round_.delivered = False
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    lost.hangs = False
    answer = await round_.trigger(a_round(*tests))
    assert [one.failure for one in answer.tests] == [None, None]
    assert blind.created == 1


async def test_a_host_that_hangs_loses_its_own_test_alone() -> None:
    lost, fine = HangingRuns(), FakeRuns()
    round_ = Round(Hosts(hosts={"lost": lost, "fine": fine}), limit=timedelta(seconds=0.5))
    answer = await round_.trigger(a_round(a_test("a", "lost"), a_test("b", "fine")))
    failure = answer.tests[0].failure
    assert failure is not None
    assert (failure.kind, failure.began, failure.object) == (FailureKind.EXPIRED, True, "TestRunner/lost")
    assert answer.tests[1].result is not None


async def test_nothing_is_begun_after_the_deadline_of_a_test() -> None:
    fine, environment = FakeRuns(), bounded_environment()
    over = environment.info.started_time
    answer = await Round(Hosts(hosts={"fine": fine})).trigger(
        a_round(a_test("a", "fine", until=over), a_test("b", "fine", until=over + timedelta(hours=1)))
    )
    assert answer.tests[0].failure is not None
    assert answer.tests[0].failure.surely_unsent
    assert answer.tests[1].result is not None
    assert list(fine.parameters) == ["key-b"]


async def test_an_attempt_without_a_slot_begins_nothing_and_the_next_one_knows_that() -> None:
    blind, full = UntraceableRuns(), Slots(1)
    round_ = Round(Hosts(hosts={"blind": blind}))
    with full.held("somebody"), shared_by(full), pytest.raises(ApplicationError) as caught:
        await round_.trigger(a_round(a_test("a", "blind")))
    assert (carried(caught.value).kind, carried(caught.value).began) == (FailureKind.BUSY, False)
    assert (await round_.trigger(a_round(a_test("a", "blind")))).tests[0].result is not None
    assert blind.created == 1


async def test_the_source_is_read_after_the_last_trigger_and_not_reported_where_that_fails() -> None:
    order: list[str] = []

    @dataclass
    class Noting(FakeRuns):
        async def create(self, job: str, key: str, parameters: Any) -> Any:
            order.append("create")
            return await super().create(job, key, parameters)

    @dataclass
    class Reading(FakeDeployments):
        async def get(self, ref: Any, *, refresh: bool = False) -> Any:
            order.append("get")
            return await super().get(ref, refresh=refresh)

    argocd = Reading(applications=server().applications)
    hosts = Hosts(hosts={"one": Noting()}, argocd=argocd)
    request = a_round(a_test("a", "one"), a_test("b", "one"), source=SOURCE)
    answer = await Round(hosts).trigger(request)
    assert answer.source is not None
    assert [(one.component, one.problem) for one in answer.source] == [("web", "")]
    assert order[:3] == ["create", "create", "get"]
    hosts.argocd = None
    without = await Round(hosts).trigger(request)
    assert all(one.result is not None for one in without.tests)
    assert without.source is None or all(one.problem for one in without.source)


def ref(key: str, runner: str, number: str = "1") -> RunRef:
    return RunRef(runner=runner, job="j", key=key, id=number)


async def poll(hosts: Hosts, *runs: RunRef, limit: timedelta = timedelta(minutes=1)) -> PollTestsResult:
    request = PollTestsInput(namespace="shop", runs=runs, source=SOURCE)
    return await Round(hosts, limit=limit).environment().run(CiActivities(hosts).poll_tests, request)


async def test_a_runner_that_hangs_or_is_gone_hides_no_run_of_another_one() -> None:
    fine, lost = FakeRuns(), HangingRuns()
    fine.add("key-a", RunPhase.PASSED)
    hosts = Hosts(hosts={"fine": fine, "lost": lost}, argocd=server())
    runs = (ref("key-b", "lost"), ref("key-a", "fine"), ref("key-c", "gone"))
    answer = await poll(hosts, *runs, limit=timedelta(seconds=0.5))
    assert [one.key for one in answer.reports] == ["key-b", "key-a", "key-c"]
    kinds = [one.failure.kind if one.failure else None for one in answer.reports]
    assert kinds == [FailureKind.EXPIRED, None, FailureKind.REFERENCE_MISSING]
    assert answer.reports[1].state.final
    assert answer.source is None


async def test_each_run_keeps_the_time_that_its_own_host_asked_for() -> None:
    waits = [timedelta(minutes=2), timedelta(minutes=9)]
    hosts = Hosts(
        hosts={
            str(number): FakeRuns(errors={"read": [ProviderRateLimited("wait", retry_after=wait)]})
            for number, wait in enumerate(waits)
        }
    )
    answer = await poll(hosts, ref("key-a", "0"), ref("key-b", "1"))
    assert [one.failure.wait if one.failure else None for one in answer.reports] == waits


@pytest.mark.parametrize(("phase", "read"), [(RunPhase.FAILED, True), (RunPhase.RUNNING, False)])
async def test_the_source_is_read_with_the_runs_once_all_are_over(phase: RunPhase, read: bool) -> None:
    fine = FakeRuns()
    passed, other = fine.add("key-a", RunPhase.PASSED), fine.add("key-b", phase)
    argocd = server()
    hosts = Hosts(hosts={"fine": fine}, argocd=argocd)
    answer = await poll(hosts, ref("key-a", "fine", passed.id), ref("key-b", "fine", other.id))
    assert (answer.source is not None) is read
    assert bool(argocd.calls) is read
