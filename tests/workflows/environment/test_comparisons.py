"""What a place knows of commits of which its host compares only some."""

from dataclasses import replace
from datetime import timedelta

from activities.models.places import Role
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.puppets import MAIN, eventually
from tests.workflows.environment.world import CALM, place
from tests.worlds.played import Played


async def test_what_a_host_compared_is_known_although_it_cannot_compare_another_pair(played: Played) -> None:
    timings = replace(CALM, observe_initial=timedelta(seconds=1), observe_maximum=timedelta(seconds=1))
    async with place(played, timings=timings) as world:
        world.uncompared = {MAIN[2]}
        held = [await world.tracker(number, MAIN[number]) for number in (2, 3)]
        newer = await world.tracker(4, MAIN[4])
        for one in held:
            await one.send(Phase.WORKING, role=Role.AHEAD, held=True)
        await newer.send(Phase.WORKING)
        await newer.receives(lambda signal: signal.observed_at is not None)
        await newer.send(Phase.READY)
        await eventually(lambda: len(world.asked) > 2)
        assert [len(one) for one in world.asked[:3]] == [2, 1, 1]
        assert all(MAIN[2] in one[0] for one in world.asked[1:])
        world.uncompared = set()
        blocked = await newer.receives(lambda signal: signal.blocked_by is not None)
        assert blocked.blocked_by is not None
        assert blocked.blocked_by.reason == "is held"
