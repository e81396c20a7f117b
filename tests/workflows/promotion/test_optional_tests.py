"""Optional tests after the round's verdict: nobody waits for them, and they are neither forgotten nor left running."""

from activities.models.promotion import Verb
from activities.models.status import State
from activities.models.testing import RunState
from tests.workflows.promotion.world import MINE, a_test, promotion


async def test_an_optional_test_ends_by_its_deadline_while_a_person_is_waited_for(temporal_server: str) -> None:
    async with promotion(temporal_server) as (world, start):
        look = a_test("look", required=False, timeout=3)
        world.policy("dev", "staging", auto=False, tests=(a_test("unit"), look))
        world.verdicts["look"] = RunState.RUNNING
        run = await start()
        await world.until(State.READY_TO_PROMOTE)
        await world.eventually(lambda: {one.name: one.state for one in world.status.tests}["look"] == "TimedOut")
        [key] = [one.key for one in world.triggers if one.test == "look"]
        assert world.cancelled == [key]
        await run.say(Verb.PROMOTE)
        await world.eventually(lambda: bool(world.status.promotions))


async def test_a_verdict_during_the_delivery_stands_in_the_record(temporal_server: str) -> None:
    async with promotion(temporal_server) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit"), a_test("look", required=False)))
        world.verdicts["look"] = RunState.RUNNING
        world.slow_syncs = True
        await start()
        await world.until(State.PROMOTING)
        world.verdicts["look"] = RunState.FAILED
        world.runs["staging"]["web-0"] = MINE
        await world.say("staging")
        await world.eventually(lambda: bool(world.status.promotions))
        record = world.status.promotions[0]
        assert {one.name: one.state for one in record.tests}["look"] == "Failed"
        assert record.aggregate is not None
        assert record.aggregate.optional_tests_failed
