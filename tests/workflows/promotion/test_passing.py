"""What passes by itself is no fact about anybody: it is shown once it has lasted, and it ends no test."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from temporalio import activity

from activities.failures import to_application_error
from activities.models.configuration import FindPolicyInput, FindPolicyResult
from activities.models.promotion import Verb
from activities.models.revisions import PresentInput, PresentResult, ReadPullRequestInput, ReadPullRequestResult
from activities.models.testing import (
    CancelTestsInput,
    CancelTestsResult,
    PollTestsInput,
    PollTestsResult,
    RunReport,
    RunState,
    TriggerTestInput,
    TriggerTestResult,
)
from activities.models.tracking import PullRequestState
from crds.api.ports import ApiForbidden, ApiUnavailable
from crds.reasons.vocabulary import State
from providers.errors import ProviderBusy, ProviderRateLimited, ProviderUnauthorized, ProviderUnavailable
from tests.workflows.promotion.world import FAST, NEWER, World, a_test, merged, promotion_in
from tests.worlds.played import Played
from tests.worlds.stage import now

PASSING: list[Callable[[], Exception]] = [
    lambda: ProviderBusy("20 calls are in flight", retry_after=timedelta(seconds=1)),
    lambda: ProviderRateLimited("slow down", retry_after=timedelta(seconds=1)),
    lambda: ProviderUnavailable("no answer in time"),
    lambda: ApiUnavailable("no answer"),
]
NAMES = ["busy", "rate limit", "timeout", "kubernetes"]
PATIENT = replace(FAST, passing=timedelta(minutes=3))


@dataclass
class Refusing(World):
    """A world whose SCM host refuses to be read, and to be written to."""

    error: Callable[[], Exception] | None = None
    refusals: int = 0
    reads: int = 0
    tries: int = 0

    @activity.defn
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        self.reads += 1
        if self.error is not None and self.refusals > 0:
            self.refusals -= 1
            raise to_application_error(self.error())
        return await super().read_pull_request(request)

    @activity.defn
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        self.tries += 1
        return await super().present_on_pull_request(request)


@pytest.mark.parametrize("error", PASSING, ids=NAMES)
async def test_a_look_that_was_refused_in_passing_is_not_shown(played: Played, error: Callable[[], Exception]) -> None:
    async with promotion_in(Refusing, played, timings=PATIENT) as (world, start):
        world.pull_request = merged(world.pull_request, PullRequestState.OPEN)
        await start()
        await world.until(State.AWAITING_MERGE)
        # The first success of a presentation travels with the next status.
        await world.eventually(
            lambda: world.tries >= 1 and any(one.type == "Presented" for one in world.status.conditions)
        )
        before = (len(world.statuses), len(world.events), world.tries)
        # All attempts of one activity, so that the workflow gets to know it.
        world.error, world.refusals, looks = error, 3, world.reads
        await world.eventually(lambda: world.refusals == 0 and world.reads >= looks + 5)
        assert (len(world.statuses), len(world.events), world.tries) == before


@pytest.mark.parametrize("error", PASSING[:3], ids=NAMES[:3])
async def test_what_lasts_is_shown_also_while_the_host_asks_to_wait(
    played: Played, error: Callable[[], Exception]
) -> None:
    async with promotion_in(Refusing, played) as (world, start):
        world.pull_request = merged(world.pull_request, PullRequestState.OPEN)
        world.error, world.refusals = error, 1000
        await start()
        await world.eventually(lambda: bool(world.statuses) and world.status.reason == "WaitingForReference")
        assert world.events.count("WaitingForReference") == 1
        world.refusals = 0
        await world.until(State.AWAITING_MERGE, reason="AwaitingMerge")


async def test_what_only_a_person_can_fix_is_shown_at_once(played: Played) -> None:
    async with promotion_in(Refusing, played, timings=PATIENT) as (world, start):
        world.error, world.refusals = lambda: ProviderUnauthorized("bad token", status=401), 1000
        await start()
        await world.eventually(lambda: bool(world.statuses) and world.status.reason == "WaitingForReference")
        assert world.triggers == []


@dataclass
class LateWorld(World):
    """A world whose CI system has its verdict while no look is allowed."""

    error: Callable[[], Exception] | None = None
    refused_after: float = 0.5
    refused_for: float = 4.0
    triggered: float = 0.0
    polls: list[float] = field(default_factory=list)

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        self.triggered = self.triggered or asyncio.get_running_loop().time()
        return await super().trigger_test(request)

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        age = asyncio.get_running_loop().time() - self.triggered
        self.polls.append(age)
        if age < self.refused_after:
            state = RunState.RUNNING
        elif age < self.refused_after + self.refused_for and self.error is not None:
            raise to_application_error(self.error())
        else:
            state = RunState.PASSED
        return PollTestsResult(reports=tuple(RunReport(key=run.key, run=run, state=state) for run in request.runs))


@pytest.mark.parametrize("error", PASSING, ids=NAMES)
async def test_a_run_that_passed_in_time_is_not_timed_out_because_the_last_look_was_refused(
    played: Played, error: Callable[[], Exception]
) -> None:
    async with promotion_in(LateWorld, played, timings=PATIENT) as (world, start):
        world.error = error
        world.policy("dev", "staging", tests=(a_test("unit", timeout=2),))
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert [one.state for one in world.status.promotions[-1].tests] == ["Passed"]
        assert max(world.polls) > 4
        assert world.cancelled == []


async def test_a_ci_system_that_has_failed_for_long_ends_the_wait_for_its_verdict(played: Played) -> None:
    timings = replace(FAST, last_look=timedelta(seconds=1))
    async with promotion_in(LateWorld, played, timings=timings) as (world, start):
        world.error, world.refused_for = lambda: ProviderUnavailable("503"), 1000
        world.policy("dev", "staging", tests=(a_test("unit", timeout=2),))
        await start()
        status = await world.until(State.TESTS_FAILED)
        assert [one.state for one in status.tests] == ["TimedOut"]
        assert "503" in status.message


@dataclass
class QuietWorld(World):
    """A world whose CI system asks once to wait before it is polled again."""

    wait: timedelta = timedelta(seconds=3)
    asked_at: datetime | None = None
    early: int = 0

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        moment = now()
        if self.asked_at is None:
            self.asked_at = moment
            raise to_application_error(ProviderRateLimited("wait", retry_after=self.wait))
        self.early += moment - self.asked_at < self.wait
        return await super().poll_tests(request)


async def test_no_poll_comes_before_the_time_that_the_host_named_whatever_wakes_the_workflow(
    played: Played,
) -> None:
    async with promotion_in(QuietWorld, played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit"), a_test("e2e")))
        run = await start()
        await world.eventually(lambda: world.asked_at is not None)
        for _ in range(5):
            await run.handle.signal("poke")
            await world.publish("dev")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.early == 0


@dataclass
class ForbiddenWorld(World):
    """A world whose API server lets no one read policies, and answers so."""

    forbidden: bool = True
    asked: int = 0

    @activity.defn
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        self.asked += 1
        if self.forbidden:
            raise to_application_error(ApiForbidden("promotionpolicies is forbidden", status=403))
        return await super().find_policy(request)


async def test_a_right_that_is_missing_is_shown_and_asked_for_again(played: Played) -> None:
    async with promotion_in(ForbiddenWorld, played, timings=PATIENT) as (world, start):
        await start()
        await world.eventually(lambda: bool(world.statuses) and world.status.reason == "WaitingForReference")
        assert world.status.waiting_for is not None
        assert world.status.waiting_for.object == "PromotionPolicy"
        assert "let Pilotage's worker read" in world.status.waiting_for.unblock_with
        world.forbidden = False
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_a_tracker_without_a_policy_looks_again_at_a_poke_and_not_by_itself(played: Played) -> None:
    async with promotion_in(ForbiddenWorld, played) as (world, start):
        world.forbidden = False
        found = world.policies.pop("dev")
        run = await start()
        await world.until(State.AWAITING_POLICY)
        asked = world.asked
        # A poke is received, so that the looks that did not come before it are not merely late.
        await run.handle.signal("poke")
        await world.eventually(lambda: world.asked == asked + 1)
        world.policies["dev"] = found
        await run.handle.signal("poke")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.asked <= asked + 3


@dataclass
class StuckCancel(World):
    """A world whose CI system asks to wait for an hour before it cancels anything."""

    cancels: int = 0

    @activity.defn
    async def cancel_tests(self, request: CancelTestsInput) -> CancelTestsResult:
        self.cancels += 1
        raise to_application_error(ProviderRateLimited("budget spent", status=403, retry_after=timedelta(hours=1)))


async def test_a_cancel_that_has_to_wait_keeps_neither_the_lane_nor_the_next_hop(played: Played) -> None:
    timings = replace(FAST, present_deadline=timedelta(hours=24))
    async with promotion_in(StuckCancel, played, timings=timings) as (world, start):
        world.verdicts["look"] = RunState.RUNNING
        world.grants = False
        run = await start()
        await world.until(State.READY_TO_PROMOTE)
        await world.deploy("staging", NEWER)
        await world.eventually(lambda: world.cancels >= 1)
        # Another one brought the change: the hop ends, and the tracker goes on from there at once.
        await world.eventually(lambda: world.status.environment == "staging")
        answer = await run.command(Verb.ABORT)
        assert answer.accepted
        await world.until(State.ABORTED)
        await run.handle.signal("deleted")
        await run.handle.terminate()


@dataclass
class CancelledWorld(World):
    """A world in which somebody cancels the first run at the CI system."""

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        first = self.triggers[0].key
        return PollTestsResult(
            reports=tuple(
                RunReport(key=run.key, run=run, state=RunState.CANCELLED if run.key == first else RunState.PASSED)
                for run in request.runs
            )
        )


async def test_a_run_that_others_cancelled_is_covered_by_retries(played: Played) -> None:
    async with promotion_in(CancelledWorld, played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit", retries=1),))
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        (test,) = world.status.promotions[-1].tests
        assert (test.state, test.retry) == ("Passed", 1)


async def test_without_retries_a_run_that_others_cancelled_is_a_failure(played: Played) -> None:
    async with promotion_in(CancelledWorld, played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit"),))
        await start()
        await world.until(State.TESTS_FAILED)
        assert len(world.triggers) == 1
