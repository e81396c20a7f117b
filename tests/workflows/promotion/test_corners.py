"""What stories meet off the road: components, pauses, targets that move, and activities that fail."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.configuration import ReadRepositoryInput, ReadRepositoryResult, SourceMoved
from activities.models.delivery import UpdateApplicationInput, WriteResult
from activities.models.promotion import Verb
from activities.models.revisions import ListChangedFilesInput, ListChangedFilesResult
from activities.models.testing import (
    CancelTestsInput,
    CancelTestsResult,
    PollTestsInput,
    PollTestsResult,
    RunState,
    TriggerTestInput,
    TriggerTestResult,
)
from activities.models.tracking import Component
from crds.reasons.trackers import WaitingReason
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import FAST, HOTFIX, MINE, NEWER, OLD, World, a_test, promotion_in
from tests.worlds.played import Played
from workflows.promotion.state import SOURCE_MOVES_ALLOWED


@dataclass
class OddWorld(World):
    """A world in which more can go wrong."""

    paths: tuple[str, ...] = ()
    touched: tuple[str, ...] = ("web",)
    failing: set[str] = field(default_factory=set)
    """Activities that fail, as if the host were down."""
    attempted: int = 0
    """How often a trigger was asked for."""
    restless: bool = False
    """Each trigger meets a new deployment of the source."""

    async def becomes(self, deployment: str, revision: str) -> None:
        """Have somebody else bring a revision to staging."""
        self.runs["staging"][deployment] = revision
        await self.publish("staging")

    def _fail(self, name: str) -> None:
        if name in self.failing:
            raise ApplicationError(f"{name}: the host is down", type="ProviderBusy", non_retryable=True)

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        found = await super().read_repository(request)
        if found.repository is None:
            return found
        return replace(
            found, repository=replace(found.repository, components=(Component(name="web", paths=self.paths),))
        )

    @activity.defn
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        return ListChangedFilesResult(components=self.touched, files=1)

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        self.attempted += 1
        found = await super().trigger_test(request)
        if self.restless:
            await self.deploy("dev", NEWER if self.runs["dev"]["web-0"] == MINE else MINE)
        return found

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        self._fail("poll_tests")
        return await super().poll_tests(request)

    @activity.defn
    async def cancel_tests(self, request: CancelTestsInput) -> CancelTestsResult:
        self._fail("cancel_tests")
        return await super().cancel_tests(request)

    async def update_application(self, request: UpdateApplicationInput) -> WriteResult:
        self._fail("update_application")
        return await super().update_application(request)


async def test_a_change_of_a_components_paths_is_promoted(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.paths = ("src/**",)
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0"]


async def test_a_change_of_no_components_paths_has_nothing_to_deploy(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.paths, world.touched = ("src/**",), ()
        run = await start()
        assert await run.end() is State.COMPLETED
        assert world.status.reason == "NothingToDeploy"
        assert world.members == []


async def test_a_source_without_the_component_is_named_and_awaited(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        deployments = world.environments["dev"].deployments
        world.environments["dev"] = replace(world.environments["dev"], deployments=())
        world.runs["dev"] = {}
        await start()
        status = await world.until(State.AWAITING_SYNC)
        await world.eventually(lambda: "no deployment of component web" in world.status.message)
        assert status.waiting_for is not None
        world.environments["dev"] = replace(world.environments["dev"], deployments=deployments)
        world.runs["dev"] = {one.name: MINE for one in deployments}
        await world.publish("dev")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_a_target_without_the_component_is_refused_until_it_has_one(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        view = world.environments["staging"]
        world.environments["staging"] = replace(view, deployments=())
        world.runs["staging"] = {}
        run = await start()
        status = await world.until(State.READY_TO_PROMOTE, reason="TargetUnreadable")
        assert "staging does not deploy web" in status.message
        world.environments["staging"] = view
        world.runs["staging"] = {one.name: OLD for one in view.deployments}
        await world.publish("staging")
        await run.command(Verb.RETEST)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0"]


async def test_a_hold_between_waves_keeps_the_next_wave_unwritten(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.environment("staging", OLD, waves=2)
        world.environments["staging"] = replace(world.environments["staging"], wave_pause=timedelta(seconds=0.2))
        world.at_sync["web-staging-0"] = lambda: run.command(Verb.HOLD, reason="freeze")
        run = await start()
        status = await world.until(State.HELD)
        assert status.held_state is State.PROMOTING
        await asyncio.sleep(1)
        assert world.writes == ["web-staging-0"]
        await run.command(Verb.RELEASE)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0", "web-staging-1"]


async def test_a_target_that_diverges_between_waves_stops_the_wave_and_asks_a_person(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.environment("staging", OLD, waves=2)
        world.environments["staging"] = replace(world.environments["staging"], wave_pause=timedelta(seconds=1))
        world.at_sync["web-staging-0"] = lambda: world.becomes("web-1", HOTFIX)
        run = await start()
        status = await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
        assert "web-1" in status.message
        assert world.writes == ["web-staging-0"]
        await run.command(Verb.PROMOTE, target="staging", reason="the hotfix is obsolete")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0", "web-staging-1"]


async def test_an_override_excuses_nothing_that_the_person_did_not_see(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.environment("staging", HOTFIX, waves=2)
        world.environments["staging"] = replace(world.environments["staging"], wave_pause=timedelta(seconds=1))
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
        world.at_sync["web-staging-0"] = lambda: world.becomes("web-1", "e" * 40)
        await run.command(Verb.PROMOTE, target="staging", reason="the hotfix is obsolete")
        await world.eventually(lambda: world.writes == ["web-staging-0"])
        status = await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
        assert "web-1" in status.message
        assert world.writes == ["web-staging-0"]


async def test_a_retry_brings_back_what_was_rolled_back_meanwhile(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.environment("staging", OLD, waves=2)
        world.sync_fails = "web-staging-1"
        run = await start()
        await world.until(State.PROMOTION_FAILED, reason="Partial")
        world.runs["staging"]["web-0"] = world.written["web-staging-0"] = OLD
        await world.publish("staging")
        world.sync_fails = ""
        await run.command(Verb.RETRY, target="staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.runs["staging"] == {"web-0": MINE, "web-1": MINE}
        assert world.writes.count("web-staging-0") == 2


async def test_what_was_written_and_did_not_arrive_is_distinguished_from_what_was_not_written(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.environment("staging", OLD, waves=2)
        # Long enough for the first write on a busy machine.
        world.environments["staging"] = replace(world.environments["staging"], delivery_timeout=timedelta(seconds=4))
        world.slow_syncs = True
        await start()
        status = await world.until(State.PROMOTION_FAILED)
        results = {one.application: one.result for one in status.promotions[-1].applications}
        assert results == {"web-staging-0": "NotArrived", "web-staging-1": "NotWritten"}


async def test_a_failed_operation_of_an_earlier_round_is_not_taken_for_the_one_of_this_round(
    played: Played,
) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.sync_fails = "web-staging-0"
        world.policy("dev", "staging", tests=(a_test("unit"),), auto=False)
        run = await start()
        await world.until(State.READY_TO_PROMOTE)
        await run.command(Verb.PROMOTE, target="staging")
        await world.until(State.PROMOTION_FAILED)
        world.grants, world.blocked_by = False, "web-411"
        await run.command(Verb.RETRY, target="staging")
        await world.until(State.READY_TO_PROMOTE, reason="BlockedBy")
        await run.command(Verb.RETEST)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        world.grants, world.sync_fails = True, ""
        await run.command(Verb.PROMOTE, target="staging")
        await world.eventually(lambda: [one.target for one in world.status.promotions if one.promoted] == ["staging"])
        assert [one.result for one in world.status.promotions if one.promoted] == ["Promoted"]


async def test_an_override_of_a_target_that_moved_since_is_judged_again(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        other = "e" * 40
        world.environment("staging", HOTFIX)
        world.grants, world.blocked_by = False, "web-411"
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
        await run.command(Verb.PROMOTE, target="staging", reason="the hotfix is obsolete")
        await world.until(State.READY_TO_PROMOTE, reason="BlockedBy")
        await world.deploy("staging", other)
        status = await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
        assert other[:7] in status.message
        assert world.writes == []
        await run.command(Verb.ABORT)
        assert await run.end() is State.ABORTED


def reason_code(world: World) -> str:
    return world.status.waiting_for.reason_code if world.status.waiting_for else ""


async def test_a_write_that_fails_is_shown_and_repeated_until_the_host_is_back(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.failing.add("update_application")
        await start()
        await world.eventually(lambda: "WriteFailed" in world.events)
        await world.eventually(lambda: reason_code(world) == WaitingReason.UNAVAILABLE)
        assert world.writes == []
        world.failing.clear()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0"]


async def test_a_poll_that_fails_is_shown_on_the_test_and_goes_on(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.failing.add("poll_tests")
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: any("host is down" in test.message for test in world.status.tests))
        world.failing.clear()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert not any("host is down" in test.message for test in world.status.tests)


async def test_a_cancel_that_fails_is_an_event_and_never_keeps_a_tracker(played: Played) -> None:
    timings = replace(FAST, present_deadline=timedelta(seconds=2))
    async with promotion_in(OddWorld, played, timings=timings) as (world, start):
        world.failing.add("cancel_tests")
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        await run.command(Verb.ABORT)
        assert await run.end() is State.ABORTED
        assert "CancelFailed" in world.events


async def test_a_trigger_whose_fate_is_unknown_is_final_and_never_sent_again(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit", retries=2),))
        world.trigger_error = "TriggerUnknown"
        await start()
        status = await world.until(State.TESTS_FAILED)
        assert [(test.name, test.state) for test in status.tests] == [("unit", RunState.ERROR)]
        assert world.attempted == 1


async def test_a_move_that_the_place_has_not_seen_yet_is_seen_at_the_verdict(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit"),))
        world.verdicts["unit"] = RunState.RUNNING
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: bool(world.status.tests) and world.status.tests[0].state == RunState.RUNNING)
        world.runs["dev"]["web-0"] = NEWER
        world.verdicts["unit"] = RunState.PASSED
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.status.promotions[0].source_moved == (f"web {MINE[:12]} -> {NEWER[:12]}",)
        assert world.runs["staging"] == {"web-0": MINE}


async def test_under_retest_a_move_that_the_place_has_not_seen_yet_begins_a_new_round(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit"),))
        found = world.policies["dev"]
        assert found.policy is not None
        world.policies["dev"] = replace(found, policy=replace(found.policy, on_source_moved=SourceMoved.RETEST))
        world.verdicts["unit"] = RunState.RUNNING
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: bool(world.status.tests) and world.status.tests[0].state == RunState.RUNNING)
        world.runs["dev"]["web-0"] = NEWER
        world.verdicts["unit"] = RunState.PASSED
        await world.eventually(lambda: "SourceMoved" in world.events)
        assert len(world.triggers) == 1
        await world.publish("dev")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert [one.test for one in world.triggers] == ["unit", "unit", "smoke"]
        assert world.runs["staging"] == {"web-0": NEWER}


async def test_a_source_that_never_rests_fails_the_tests_by_that_name(played: Played) -> None:
    async with promotion_in(OddWorld, played) as (world, start):
        world.restless = True
        await start()
        status = await world.until(State.TESTS_FAILED, reason="SourceMoved")
        assert "dev moved" in status.message
        assert world.writes == []
        begun = [one for one in world.sentences if one.startswith("a new round begins")]
        assert len(begun) == SOURCE_MOVES_ALLOWED
