"""A source that was rolled back below the change: nothing of it is tested, promoted or called promoted."""

import pytest

from activities.models.promotion import Verb
from activities.models.testing import RunState
from crds.reasons.vocabulary import State, Waiting
from tests.workflows.promotion.world import MINE, OLD, World, promotion
from tests.worlds.played import Played

OTHER = "9" * 40
"""An older change that the target is without as well."""


def _waits_for_the_change(world: World) -> bool:
    waiting = world.status.waiting_for
    return (
        world.status.state is State.TESTING
        and waiting is not None
        and waiting.what is Waiting.SYNC
        and MINE[:8] in waiting.unblock_with
    )


async def test_a_retest_waits_until_the_source_runs_the_change_again(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["unit"] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        triggered = len(world.triggers)
        await world.deploy("dev", OLD)
        world.verdicts["unit"] = RunState.PASSED
        await run.command(Verb.RETEST)
        await world.eventually(lambda: _waits_for_the_change(world))
        assert (world.status.promotions, len(world.triggers)) == ((), triggered)
        await world.deploy("dev", MINE)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.runs["staging"] == {"web-0": MINE}


@pytest.mark.parametrize("rolled_back_to", [OLD, OTHER])
async def test_a_source_that_is_rolled_back_at_the_triggers_is_waited_for(played: Played, rolled_back_to: str) -> None:
    async with promotion(played) as (world, start):
        world.order = [OLD, OTHER, MINE]
        world.before_confirm.append(lambda: world.runs["dev"].update({"web-0": rolled_back_to}))
        await start()
        await world.eventually(lambda: "SourceMoved" in world.events)
        await world.publish("dev")
        await world.eventually(lambda: _waits_for_the_change(world))
        assert (world.status.promotions, world.writes) == ((), [])
        await world.deploy("dev", MINE)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.runs["staging"] == {"web-0": MINE}


async def test_a_source_whose_deployments_differ_is_what_a_retest_waits_for(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.verdicts["unit"] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        world.environment("dev", MINE, waves=2)
        world.runs["dev"]["web-1"] = OLD
        await world.publish("dev")
        await run.command(Verb.RETEST)
        await world.eventually(lambda: _waits_for_the_change(world))
        waiting = world.status.waiting_for
        assert waiting is not None
        assert f"web-1 runs {OLD[:8]}" in waiting.observed
        assert waiting.until is None
