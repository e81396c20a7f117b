"""A place that has just begun puts off what no one waits for, and nothing that somebody does."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from crds.reasons.vocabulary import Phase
from tests.workflows.environment.puppets import MAIN, eventually
from tests.workflows.environment.world import CALM, World, place
from tests.worlds.played import Played

SETTLING = timedelta(seconds=2)
MOMENT = 0.5
"""Less than a place settles for, in seconds of virtual time."""
LONG = timedelta(hours=1)


async def beginning(world: World) -> None:
    """Have a member join, and let a moment pass."""
    await world.joined(1, MAIN[1])
    await asyncio.sleep(MOMENT)


async def test_a_place_that_begins_answers_at_once_and_lists_and_publishes_a_moment_later(played: Played) -> None:
    async with place(played, timings=replace(CALM, settling=SETTLING)) as world:
        await beginning(world)
        assert "read_deployments" in world.calls
        assert ("list_trackers" in world.calls, world.statuses) == (False, [])
        await asyncio.sleep(SETTLING.total_seconds())
        assert world.calls.count("list_trackers") == 1
        assert [len(status.deployments) for status in world.statuses] == [1]


async def test_who_asks_for_the_lane_of_a_place_that_begins_gets_it_at_once(played: Played) -> None:
    async with place(played, timings=replace(CALM, settling=LONG)) as world:
        one = await world.joined(1, MAIN[1])
        await one.send(Phase.READY)
        granted = await one.receives(lambda signal: signal.grant is not None)
        assert granted.holder == one.name
        assert world.calls.count("list_trackers") == 1


async def test_what_the_last_one_leaves_is_published_at_once(played: Played) -> None:
    async with place(played, timings=replace(CALM, settling=LONG)) as world:
        one = await world.joined(1, MAIN[1])
        await one.send(Phase.GONE)
        await eventually(lambda: world.statuses)
        assert [len(status.lane.members) for status in world.statuses] == [0]


async def test_a_run_that_continues_another_one_does_not_settle_again(played: Played) -> None:
    timings = replace(CALM, settling=LONG, observe_initial=timedelta(seconds=1), observe_maximum=timedelta(seconds=1))
    async with place(played, timings=timings, history_limit=40) as world:
        await beginning(world)
        assert not world.statuses
        await eventually(lambda: world.statuses)
