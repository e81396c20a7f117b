"""The events of a tracker are its story: what happened, and what a person is asked for."""

from dataclasses import replace

from activities.models.promotion import Verb
from activities.models.testing import RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import promotion
from tests.worlds.played import Played

STORY = [
    "Merged",
    "Arrived",
    "TestsStarted",
    "TestsPassed",
    "Promoted",
    "TestsStarted",
    "TestsPassed",
    "WaitsForApproval",
    "CommandPromote",
    "Promoted",
    "Completed",
]


async def test_events_follow_a_change_from_its_merge_to_its_end(played: Played) -> None:
    async with promotion(played) as (world, start):
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await run.command(Verb.PROMOTE, target="prod")
        await run.end()

        assert world.events == STORY
        texts = dict(zip(world.events, world.sentences, strict=True))
        assert "#412" in texts["Merged"]
        assert "promote web-412" in texts["WaitsForApproval"]
        promoted = [text for reason, text in zip(world.events, world.sentences, strict=True) if reason == "Promoted"]
        assert ["by its policy" in text for text in promoted] == [True, False]
        assert "from staging to prod by ada" in promoted[1]


async def test_a_round_that_failed_and_the_one_that_follows_each_have_their_events(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["unit"] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        world.verdicts["unit"] = RunState.PASSED
        await run.command(Verb.RETEST, target="staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")

        tests = [one for one in world.events if one.startswith("Tests")]
        assert tests == ["TestsStarted", "TestsFailed", "TestsStarted", "TestsPassed", "TestsStarted", "TestsPassed"]
        failed = world.sentences[world.events.index("TestsFailed")]
        assert all(part in failed for part in ("round 1", "staging", "unit"))


async def test_whom_an_environment_names_is_mentioned_when_a_change_waits_for_approval(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environments["prod"] = replace(world.environments["prod"], notify=("grace", "acme/release"))
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await world.eventually(lambda: bool(world.presented[-1].mentions))
        (mention,) = world.presented[-1].mentions
        assert "@grace @acme/release" in mention.body
        await run.command(Verb.PROMOTE, target="prod")
        await run.end()


async def test_a_policy_without_tests_is_never_shown_as_tests_that_passed(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("dev", "staging", tests=())
        world.policy("staging", "prod", auto=False, tests=())
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await run.command(Verb.PROMOTE, target="prod")
        await run.end()
        shown = [f"{one.comment} {one.mentions} {one.statuses}" for one in world.presented]
        waits = [f"{one.waiting_for}" for one in world.statuses]
        assert not [text for text in (*world.sentences, *shown, *waits) if "passed" in text]
        assert "pilotage/testing" not in {one.state_label for one in world.presented}
        assert "NothingRequired" in world.events
