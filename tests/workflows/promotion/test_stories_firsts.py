"""Beginnings that nothing precedes: an empty target, an edited rule, a hold before anything is known."""

from dataclasses import replace

from activities.models.delivery import Observation
from activities.models.promotion import Verb
from activities.models.testing import RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import MINE, World, a_test, promotion, promotion_in
from tests.worlds.played import Played
from tests.worlds.refusals import missing

NOTHING = ""


class Unused(World):
    """A world with applications that were never synced: they run nothing, and want what no commit names."""

    def observations(self, environment: str) -> tuple[Observation, ...]:
        return tuple(
            one if one.runs else replace(one, runs=None, written=one.written or None, sync_status="OutOfSync")
            for one in super().observations(environment)
        )


async def test_the_first_pull_request_ever_is_promoted_to_places_that_run_nothing(played: Played) -> None:
    async with promotion_in(Unused, played) as (world, start):
        for place in ("staging", "prod"):
            world.environment(place, NOTHING, final=place == "prod")
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        # Nothing running counts as contained: no person had to override anything on the way.
        assert "TargetDiverged" not in {one.reason for one in world.statuses}
        await run.command(Verb.PROMOTE, target="prod")
        assert await run.end() is State.COMPLETED
        assert [(one.target, one.result) for one in world.status.promotions] == [
            ("staging", "Promoted"),
            ("prod", "Promoted"),
        ]
        assert world.writes == ["web-staging-0", "web-prod-0"]
        assert world.runs["prod"] == {"web-0": MINE}


async def test_a_policy_edited_while_testing_changes_nothing_of_the_running_hop(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        # One test more, another target, a person's command, and no time left: none was agreed to when the hop began.
        world.policy("dev", "prod", auto=False, tests=(a_test("unit", timeout=0.1), a_test("load")))
        edited = world.policies["dev"]
        assert edited.policy is not None
        world.policies["dev"] = replace(edited, policy=replace(edited.policy, generation=2))
        await run.handle.signal("poke")
        await world.until(State.TESTING)
        world.verdicts["unit"] = RunState.PASSED
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        (record,) = world.status.promotions
        assert (record.target, record.policy.generation, record.promoted_by) == ("staging", 1, "autoPromote")
        assert {one.name for one in record.tests} == {"unit", "e2e", "look"}
        assert "load" not in {one.test for one in world.triggers}


async def test_an_edited_policy_is_taken_by_the_next_change(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["unit"] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        _edit(world)
        assert len(world.triggers) == 3
        await run.command(Verb.RETEST, target="staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.status.promotions[0].policy.generation == 2
        assert [one.name for one in world.status.promotions[0].tests] == ["load"]


async def test_hold_in_pending_remembers_it_and_release_goes_back_to_it(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.repository_failure = missing("Secret/github-token")
        run = await start()
        await world.until(State.PENDING, reason="WaitingForReference")
        assert (await run.command(Verb.HOLD, reason="freeze")).accepted
        held = await world.until(State.HELD)
        assert held.held_state is State.PENDING
        world.repository_failure = None
        # What can be seen while held is seen, and nothing is begun.
        await world.eventually(lambda: world.status.held_state not in (None, State.PENDING))
        assert world.status.state is State.HELD
        assert (world.triggers, world.writes) == ([], [])
        assert (await run.command(Verb.RELEASE)).accepted
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0"]


async def test_a_release_before_anything_is_known_leaves_pending_as_it_was(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.repository_failure = missing("Secret/github-token")
        run = await start()
        await world.until(State.PENDING, reason="WaitingForReference")
        await run.command(Verb.HOLD, reason="freeze")
        await world.until(State.HELD)
        await run.command(Verb.RELEASE)
        again = await world.until(State.PENDING, reason="WaitingForReference")
        assert again.waiting_for is not None
        assert again.waiting_for.object == "Secret/github-token"


def _edit(world: World) -> None:
    world.policy("dev", "staging", tests=(a_test("load"),))
    edited = world.policies["dev"]
    assert edited.policy is not None
    world.policies["dev"] = replace(edited, policy=replace(edited.policy, generation=2))
