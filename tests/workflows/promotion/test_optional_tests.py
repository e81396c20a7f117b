"""Optional tests after the round's verdict: no one waits for them, and they are neither forgotten nor left running."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from temporalio import activity

from activities.models.promotion import Verb
from activities.models.testing import PollTestsInput, PollTestsResult, RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import MINE, World, a_test, promotion, promotion_in
from tests.worlds.played import Played


async def test_an_optional_test_ends_by_its_deadline_while_a_person_is_waited_for(played: Played) -> None:
    async with promotion(played) as (world, start):
        look = a_test("look", required=False, timeout=3)
        world.policy("dev", "staging", auto=False, tests=(a_test("unit"), look))
        world.verdicts["look"] = RunState.RUNNING
        run = await start()
        await world.until(State.READY_TO_PROMOTE)
        await world.eventually(lambda: {one.name: one.state for one in world.status.tests}["look"] == "TimedOut")
        [key] = [one.key for one in world.triggers if one.test == "look"]
        assert world.cancelled == [key]
        await run.command(Verb.PROMOTE)
        await world.eventually(lambda: bool(world.status.promotions))


async def test_a_verdict_during_the_delivery_stands_in_the_record(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit"), a_test("look", required=False)))
        world.verdicts["look"] = RunState.RUNNING
        world.slow_syncs = True
        await start()
        await world.until(State.PROMOTING)
        world.verdicts["look"] = RunState.FAILED
        world.runs["staging"]["web-0"] = MINE
        await world.publish("staging")
        await world.eventually(lambda: bool(world.status.promotions))
        record = world.status.promotions[0]
        assert {one.name: one.state for one in record.tests}["look"] == "Failed"
        assert record.aggregate is not None
        assert record.aggregate.optional_tests_failed


@dataclass
class SilentWorld(World):
    """A world whose CI system may stop answering."""

    answers: bool = True
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        if not self.answers:
            self.asked.set()
            await asyncio.Event().wait()
        return await super().poll_tests(request)


async def test_a_ci_system_that_does_not_answer_keeps_no_lane(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.promotion.steps.runs.FINAL_POLL_TIMEOUT", timedelta(seconds=0.5))
    async with promotion_in(SilentWorld, played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit"), a_test("look", required=False)))
        world.verdicts["look"] = RunState.RUNNING
        world.slow_syncs = True
        await start()
        await world.until(State.PROMOTING)
        world.answers = False
        world.runs["staging"]["web-0"] = MINE
        await world.publish("staging")
        await asyncio.wait_for(world.asked.wait(), 30)
        await world.eventually(lambda: bool(world.status.promotions))
        assert {one.name: one.state for one in world.status.promotions[0].tests}["look"] == "Running"
