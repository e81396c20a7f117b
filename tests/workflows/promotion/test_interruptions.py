"""What people and the outside do in the middle of things."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from temporalio import activity

from activities.models.configuration import FindPolicyResult, PolicyOutcome, SourceMoved
from activities.models.promotion import Verb
from activities.models.status import PublishStatusInput, PublishStatusResult
from activities.models.testing import PollTestsInput, PollTestsResult, RunState
from activities.models.tracking import PullRequestState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.test_continued import Length, continued
from tests.workflows.promotion.world import (
    FAST,
    LOOKS,
    MINE,
    NEWER,
    OLD,
    World,
    a_test,
    merged,
    promotion,
    promotion_in,
)
from tests.worlds.played import Played


@dataclass
class PolledWorld(World):
    """A world that counts how often its CI system is asked."""

    polls: int = 0

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        self.polls += 1
        return await super().poll_tests(request)


@dataclass
class UnwatchedWorld(World):
    """A world in which the tracker went, or went on, before anybody signalled the promotion."""

    reason: str = "Gone"

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        await super().publish_status(request)
        return PublishStatusResult(written=False, reason=self.reason)


async def test_a_policy_edited_or_deleted_while_testing_does_not_touch_the_snapshot(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        del world.policies["dev"]
        await run.handle.signal("poke")
        world.verdicts["unit"] = RunState.PASSED
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.status.promotions[0].policy.name == "dev-to-staging"


async def test_retest_takes_a_new_snapshot_of_the_policy(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["e2e"] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        world.policy("dev", "staging", tests=(a_test("unit"),))
        await run.command(Verb.RETEST, target="staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert [one.test for one in world.triggers[3:]] == ["unit", "smoke"]


async def test_an_invalid_policy_is_never_snapshotted(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policies["dev"] = FindPolicyResult(
            outcome=PolicyOutcome.INVALID,
            names=("dev-to-staging",),
            errors=("spec.targetEnvironment: TargetNotWritable",),
        )
        await start()
        status = await world.until(State.AWAITING_POLICY, reason="InvalidPolicy")
        assert "spec.targetEnvironment: TargetNotWritable" in status.message
        assert world.triggers == []


async def test_a_tracker_deleted_while_promoting_writes_nothing_further(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("staging", OLD, waves=2)
        world.slow_syncs = True
        run = await start()
        await world.eventually(lambda: world.writes == ["web-staging-0"])
        await run.handle.signal("deleted")
        assert await run.end() is State.ABORTED
        assert world.writes == ["web-staging-0"]
        assert [signal.phase for place, signal in world.members if place == "staging"][-1] == "Gone"


@pytest.mark.parametrize("reason", ["Gone", "Recreated", "OtherAttempt"])
async def test_an_attempt_that_was_not_signalled_its_end_learns_of_it_from_its_own_status(
    played: Played, reason: str
) -> None:
    async with promotion_in(UnwatchedWorld, played) as (world, start):
        world.reason = reason
        run = await start()
        assert await run.end() is State.ABORTED
        assert world.writes == []
        assert world.status.reason == "Deleted"


async def _confirmed(world: World) -> None:
    """Return once a round goes on: its source was read after the last trigger, and its runs were polled since."""
    await world.eventually(lambda: {one.name: one.state for one in world.status.tests}.get("unit") == "Running")


async def test_a_source_that_moves_after_the_triggers_is_recorded_and_accepted(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["unit"] = RunState.RUNNING
        await start()
        await _confirmed(world)
        await world.deploy("dev", NEWER)
        world.verdicts["unit"] = RunState.PASSED
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.status.promotions[0].source_moved == ("web aaaaaaaaaaaa -> bbbbbbbbbbbb",)
        assert world.runs["staging"] == {"web-0": MINE}


async def test_a_source_that_moves_under_retest_runs_the_round_again(played: Played) -> None:
    async with promotion(played) as (world, start):
        found = world.policies["dev"]
        assert found.policy is not None
        world.policies["dev"] = replace(found, policy=replace(found.policy, on_source_moved=SourceMoved.RETEST))
        world.verdicts["unit"] = RunState.RUNNING
        await start()
        await _confirmed(world)
        await world.deploy("dev", NEWER)
        world.verdicts["unit"] = RunState.PASSED
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert len(world.triggers) == 7
        assert world.runs["staging"] == {"web-0": NEWER}


def _not_merged(world: World) -> None:
    world.pull_request = merged(world.pull_request, PullRequestState.OPEN)


def _not_deployed(world: World) -> None:
    world.environment("dev", OLD)


def _no_policy(world: World) -> None:
    world.policies.clear()


def _still_running(world: World) -> None:
    world.verdicts["unit"] = RunState.RUNNING


def _failing(world: World) -> None:
    world.verdicts["unit"] = RunState.FAILED


def _not_granted(world: World) -> None:
    world.grants, world.blocked_by = False, "web-411"


def _failing_sync(world: World) -> None:
    world.sync_fails = "web-staging-0"


@pytest.mark.parametrize(
    ("arrange", "state"),
    [
        (_not_merged, State.AWAITING_MERGE),
        (_not_deployed, State.AWAITING_SYNC),
        (_no_policy, State.AWAITING_POLICY),
        (_still_running, State.TESTING),
        (_failing, State.TESTS_FAILED),
        (_not_granted, State.READY_TO_PROMOTE),
        (_failing_sync, State.PROMOTION_FAILED),
    ],
)
async def test_hold_remembers_the_state_and_release_goes_back_to_it(
    played: Played, arrange: object, state: State
) -> None:
    async with promotion(played) as (world, start):
        assert callable(arrange)
        arrange(world)
        run = await start()
        await world.until(state)
        await run.command(Verb.HOLD, reason="freeze")
        status = await world.until(State.HELD)
        assert status.held_state is state
        await run.command(Verb.RELEASE)
        await world.until(state)
        await run.command(Verb.ABORT)
        assert await run.end() is State.ABORTED


async def test_a_merge_is_seen_while_held(played: Played) -> None:
    async with promotion(played) as (world, start):
        _not_merged(world)
        run = await start()
        await world.until(State.AWAITING_MERGE)
        await run.command(Verb.HOLD)
        await world.until(State.HELD)
        world.pull_request = merged(world.pull_request, PullRequestState.MERGED)
        await world.eventually(lambda: world.status.held_state not in (None, State.AWAITING_MERGE))
        assert world.triggers == []
        await run.command(Verb.RELEASE)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_a_long_story_continues_as_new_and_forgets_nothing(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["smoke"] = RunState.RUNNING
        run = await start()
        await world.eventually(lambda: any(one.test == "smoke" for one in world.triggers))
        await continued(run, Length(monkeypatch))
        world.verdicts["smoke"] = RunState.PASSED
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert [one.target for one in world.status.promotions] == ["staging"]
        assert len(world.triggers) == 4
        await run.command(Verb.PROMOTE, target="prod")
        assert await run.end() is State.COMPLETED
        assert world.writes == ["web-staging-0", "web-prod-0"]
        sequences = [one.sequence for one in world.statuses]
        assert sequences == sorted(set(sequences))


async def test_a_run_that_has_grown_as_long_as_any_may_continues_as_new(played: Played) -> None:
    # With the limit as it is, so that what is recorded of it replays.
    async with promotion(played) as (world, start):
        world.verdicts["smoke"] = RunState.RUNNING
        run = await start()
        await world.eventually(lambda: any(one.test == "smoke" for one in world.triggers))
        first = (await run.handle.describe()).run_id
        for _ in range(LOOKS):
            await run.handle.signal("poke")
            await asyncio.sleep(0.1)
            if (await run.handle.describe()).run_id != first:
                break
        world.verdicts["smoke"] = RunState.PASSED
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert (await run.handle.describe()).run_id != first
        assert len(world.triggers) == 4


async def test_a_wave_without_progress_fails_at_the_delivery_timeout(played: Played) -> None:
    async with promotion(played) as (world, start):
        view = world.environments["staging"]
        world.environments["staging"] = replace(view, delivery_timeout=timedelta(seconds=2))
        world.slow_syncs = True
        await start()
        status = await world.until(State.PROMOTION_FAILED)
        assert "not delivered within 0:00:02" in status.message


async def test_a_long_wait_for_the_lane_repeats_nothing_at_each_poll(played: Played) -> None:
    timings = replace(FAST, poll_initial=timedelta(seconds=2.5), poll_maximum=timedelta(seconds=2.5))
    async with promotion_in(PolledWorld, played, timings=timings) as (world, start):
        world.verdicts["look"] = RunState.RUNNING
        world.grants, world.blocked_by = False, "web-411"
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="BlockedBy")
        polled, sent = world.polls, len(world.members)
        await world.eventually(lambda: world.polls >= polled + 2)
        assert len(world.members) == sent


async def test_a_change_held_between_waves_stays_held_when_its_run_continues_as_new(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with promotion(played) as (world, start):
        world.environment("staging", OLD, waves=2)
        world.at_sync["web-staging-0"] = lambda: run.command(Verb.HOLD)
        run = await start()
        held = await world.until(State.HELD)
        before = len(world.statuses)
        await continued(run, Length(monkeypatch), poked=False)
        await world.eventually(lambda: len(world.statuses) > before)
        await asyncio.sleep(0.5)
        assert {(one.state, one.state_since) for one in world.statuses[before:]} == {(State.HELD, held.state_since)}
        await run.command(Verb.RELEASE)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0", "web-staging-1"]
