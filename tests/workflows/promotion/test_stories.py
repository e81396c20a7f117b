"""Each state and exit of the tracker's table, walked on a real Temporal server."""

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.models.configuration import FindPolicyResult, PolicyOutcome
from activities.models.promotion import Verb
from activities.models.testing import RunState
from activities.models.tracking import PullRequestState
from crds.reasons.vocabulary import Phase, State, Waiting
from tests.workflows.promotion.world import HOTFIX, MINE, NEWER, OLD, a_test, merged, promotion
from tests.worlds.played import Played
from tests.worlds.refusals import missing
from tests.worlds.stage import now


async def test_a_merged_change_is_tested_promoted_and_completed(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["look"] = RunState.FAILED
        run = await start()
        status = await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert status.waiting_for is not None
        assert status.waiting_for.what is Waiting.PROMOTE_COMMAND
        assert (await run.command(Verb.PROMOTE, target="prod")).accepted
        assert await run.end() is State.COMPLETED
        assert [(one.target, one.promoted) for one in world.status.promotions] == [("staging", True), ("prod", True)]
        first = world.status.promotions[0]
        assert first.aggregate is not None
        assert first.aggregate.optional_tests_failed
        assert world.writes == ["web-staging-0", "web-prod-0"]
        assert world.runs["prod"] == {"web-0": MINE}
        assert {"promoted/staging", "promoted/prod"} == set(world.presented[-1].labels)


async def test_every_waiting_status_shows_what_it_waits_for(played: Played) -> None:
    async with promotion(played) as (world, start):
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await run.command(Verb.PROMOTE, target="prod")
        await run.end()
        assert all(one.waiting_for is not None for one in world.statuses if not one.state.terminal)
        assert world.status.waiting_for is None


async def test_a_pull_request_is_awaited_until_its_merge(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.pull_request = merged(world.pull_request, PullRequestState.OPEN)
        await start()
        status = await world.until(State.AWAITING_MERGE)
        assert status.waiting_for is not None
        assert status.waiting_for.what is Waiting.MERGE
        world.pull_request = merged(world.pull_request, PullRequestState.MERGED)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_a_pull_request_closed_without_a_merge_closes_the_tracker(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.pull_request = merged(world.pull_request, PullRequestState.CLOSED)
        run = await start()
        assert await run.end() is State.CLOSED
        assert world.triggers == []


async def test_a_change_that_is_not_deployed_yet_is_awaited(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("dev", OLD)
        await start()
        status = await world.until(State.AWAITING_SYNC)
        assert status.waiting_for is not None
        assert status.waiting_for.what is Waiting.SYNC
        assert world.triggers == []
        await world.deploy("dev", MINE)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_a_missing_policy_waits_and_is_never_the_end(played: Played) -> None:
    async with promotion(played) as (world, start):
        policies = dict(world.policies)
        world.policies.clear()
        run = await start()
        missing = await world.until(State.AWAITING_POLICY, reason="PolicyNotFound")
        world.policies["dev"] = FindPolicyResult(outcome=PolicyOutcome.AMBIGUOUS, names=("one", "two"))
        await run.handle.signal("poke")
        status = await world.until(State.AWAITING_POLICY, reason="AmbiguousPolicy")
        assert "one, two" in status.message
        # The wait begins again with its reason, the state does not.
        assert missing.waiting_for is not None
        assert status.waiting_for is not None
        assert missing.waiting_for.since != status.waiting_for.since
        assert missing.state_since == status.state_since == missing.waiting_for.since
        world.policies.update(policies)
        await run.handle.signal("poke")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_a_required_test_that_fails_stops_the_change_until_retest(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["e2e"] = RunState.FAILED
        run = await start()
        status = await world.until(State.TESTS_FAILED)
        assert "e2e Failed" in status.message
        assert world.writes == []
        world.verdicts["e2e"] = RunState.PASSED
        assert (await run.command(Verb.RETEST, target="staging")).accepted
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert len({one.key for one in world.triggers}) == len(world.triggers) == 7


async def test_a_failure_is_retried_as_a_run_of_its_own(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit", retries=2),))
        world.verdicts["unit"] = RunState.FAILED
        await start()
        await world.until(State.TESTS_FAILED)
        assert len({one.key for one in world.triggers}) == 3


async def test_a_run_without_a_verdict_times_out_and_is_cancelled(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit", timeout=1),))
        world.verdicts["unit"] = RunState.RUNNING
        await start()
        status = await world.until(State.TESTS_FAILED)
        assert status.aggregate is not None
        assert status.aggregate.any_timeout
        assert world.cancelled == [world.triggers[0].key]


async def test_a_trigger_that_people_can_fix_is_shown_and_goes_on(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.trigger_error = "ProviderNotFound"
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: bool(world.status.tests) and "job not found" in world.status.tests[0].message)
        world.trigger_error = ""
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert not any("job not found" in one.message for one in world.status.tests)


async def test_a_target_that_contains_the_change_ends_the_hop_without_tests(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("staging", NEWER)
        world.environment("prod", NEWER, final=True)
        run = await start()
        assert await run.end() is State.COMPLETED
        assert [one.result for one in world.status.promotions] == ["AlreadyContained", "AlreadyContained"]
        assert all(one.promoted for one in world.status.promotions)
        assert world.triggers == []
        assert world.writes == []


async def test_a_newer_change_that_arrives_first_brings_the_failed_one_along(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["unit"] = RunState.FAILED
        world.policy("staging", "prod", auto=False)
        await start()
        await world.until(State.TESTS_FAILED)
        await world.deploy("staging", NEWER)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.status.promotions[0].result == "AlreadyContained"
        assert world.writes == []


async def test_a_source_that_moves_between_triggers_and_confirmation_begins_a_new_round(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.before_confirm.append(lambda: world.runs["dev"].update({"web-0": NEWER}))
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: len(world.triggers) == 3)
        await world.deploy("dev", NEWER)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.status.promotions[0].source_moved
        assert world.runs["staging"] == {"web-0": NEWER}


async def test_a_diverged_target_waits_and_a_person_may_override_it_with_a_reason(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("staging", HOTFIX)
        run = await start()
        status = await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
        assert status.waiting_for is not None
        assert status.waiting_for.what is Waiting.TARGET
        assert world.writes == []
        await run.command(Verb.PROMOTE, target="staging", reason="the hotfix is obsolete")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0"]


async def test_a_blocked_lane_names_who_is_in_the_way(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.grants, world.blocked_by = False, "web-411"
        run = await start()
        status = await world.until(State.READY_TO_PROMOTE, reason="BlockedBy")
        assert status.waiting_for is not None
        assert status.waiting_for.object == "web-411"
        world.grants = True
        ready = [signal for place, signal in world.members if place == "staging"][-1]
        await world.publish("staging", answers=ready)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert (await run.command(Verb.ABORT)).accepted
        assert await run.end() is State.ABORTED


async def test_a_wave_that_fails_is_partial_and_retry_goes_on_where_it_stopped(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("staging", OLD, waves=3)
        world.sync_fails = "web-staging-1"
        run = await start()
        status = await world.until(State.PROMOTION_FAILED, reason="Partial")
        assert "image not found" in status.message
        assert world.writes == ["web-staging-0", "web-staging-1"]
        world.sync_fails = ""
        assert (await run.command(Verb.RETRY, target="staging")).accepted
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes.count("web-staging-0") == 1
        assert world.runs["staging"] == {"web-0": MINE, "web-1": MINE, "web-2": MINE}


async def test_a_refused_write_fails_the_wave_with_the_reason(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.refuse_writes = "OwnedBy ApplicationSet/web"
        await start()
        status = await world.until(State.PROMOTION_FAILED)
        assert "OwnedBy ApplicationSet/web" in status.message


async def test_hold_stops_deadlines_and_release_goes_on(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit", timeout=4),))
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: bool(world.triggers))
        late = now() + timedelta(seconds=4.5)
        assert (await run.command(Verb.HOLD, reason="freeze")).accepted
        status = await world.until(State.HELD)
        began = {one.state: one.state_since for one in world.statuses if one.state_since is not None}
        assert began[State.TESTING] < began[State.HELD]
        assert status.held_state is State.TESTING
        assert status.waiting_for is not None
        assert status.waiting_for.what is Waiting.RELEASE
        world.verdicts["unit"] = RunState.PASSED
        await world.eventually(lambda: now() > late)
        assert world.status.state is State.HELD
        assert world.writes == []
        assert (await run.command(Verb.RELEASE)).accepted
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0"]


async def test_hold_is_sent_to_every_place_ahead(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policies["dev"] = replace(world.policies["dev"], ahead=("staging", "prod"))
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.until(State.TESTING)

        def holds_sent() -> list[bool]:
            return [signal.held for place, signal in world.members if place == "prod"]

        await run.command(Verb.HOLD)
        await world.eventually(lambda: holds_sent() == [True])
        await run.command(Verb.RELEASE)
        await world.eventually(lambda: holds_sent() == [True, False])
        assert [signal.phase for place, signal in world.members if place == "prod"] == [Phase.WORKING, Phase.GONE]


async def test_abort_in_testing_cancels_the_runs_and_leaves_the_places(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: len(world.triggers) == 3)
        await run.command(Verb.ABORT, reason="wrong change")
        assert await run.end() is State.ABORTED
        unit = next(one.key for one in world.triggers if one.test == "unit")
        assert unit in world.cancelled
        assert {place for place, signal in world.members if signal.phase == "Gone"} == {"dev", "staging"}


async def test_a_deleted_tracker_ends_its_workflow(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("dev", OLD)
        run = await start()
        await world.until(State.AWAITING_SYNC)
        await run.handle.signal("deleted")
        assert await run.end() is State.ABORTED
        assert world.status.reason == "Deleted"


async def test_a_missing_reference_shows_what_is_missing_and_goes_on(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.repository_failure = missing("Secret/github-token")
        await start()
        status = await world.until(State.PENDING, reason="WaitingForReference")
        assert status.waiting_for is not None
        assert (status.waiting_for.what, status.waiting_for.object) == (Waiting.REFERENCE, "Secret/github-token")
        world.repository_failure = None
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_a_presentation_that_fails_never_fails_the_promotion(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.present_fails = True
        world.policy("dev", "prod", tests=(a_test("unit"),))
        run = await start()
        assert await run.end() is State.COMPLETED
        presented = next(one for one in world.status.conditions if one.type == "Presented")
        assert presented.status == "False"


async def test_a_command_for_another_hop_or_revision_is_refused_and_a_repeated_one_answered_alike(
    played: Played,
) -> None:
    async with promotion(played) as (world, start):
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await run.command(Verb.PROMOTE, target="staging")
        assert "prod" in str(refused.value.cause)
        first = await run.command(Verb.PROMOTE, target="prod", request_id="one")
        again = await run.command(Verb.PROMOTE, target="prod", request_id="one")
        assert first == again
        assert await run.end() is State.COMPLETED
        assert world.writes.count("web-prod-0") == 1
