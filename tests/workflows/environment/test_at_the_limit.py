"""A place at its history limit and among many members: it waits for nothing that may last, and always decides."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from temporalio import activity

from activities.models.configuration import ReadEnvironmentInput, ReadEnvironmentResult
from activities.models.revisions import Relation
from crds.reasons.vocabulary import Phase
from tests.workflows.environment import world as worlds
from tests.workflows.environment.puppets import MAIN
from tests.workflows.environment.world import CALM, World, place
from tests.worlds.played import Played
from tests.worlds.refusals import missing


@dataclass
class Away(World):
    """A world whose API server may be away: reads of what is declared then last."""

    away: bool = False
    back: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        if self.away:
            await self.back.wait()
        return await super().read_environment(request)


async def test_a_place_at_its_history_limit_decides_while_the_api_server_is_away(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worlds, "World", Away)
    timings = replace(CALM, activity_start_to_close=timedelta(seconds=60))
    async with place(played, history_limit=40, timings=timings) as world:
        assert isinstance(world, Away)
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        await one.receives(lambda signal: bool(signal.observed))
        first = (await world.place.describe()).run_id
        world.away = True
        await world.place.signal("poke")
        for _ in range(12):
            await one.send(Phase.WORKING)
        await one.send(Phase.READY)

        await one.receives(lambda signal: signal.grant is not None)

        assert (await world.place.describe()).run_id != first
        world.back.set()


async def test_forty_ready_members_get_the_lane(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    line = [f"{one:040x}" for one in range(1, 41)]

    def relation(base: str, head: str) -> Relation:
        places = [line.index(one) if one in line else -1 for one in (base, head)]
        return Relation.IDENTICAL if base == head else Relation.AHEAD if places[1] > places[0] else Relation.BEHIND

    monkeypatch.setattr(worlds, "relation", relation)
    async with place(played) as world:
        world.failure = missing("ArgoCDInstance/argocd")
        trackers = [await world.tracker(number, revision) for number, revision in enumerate(line, start=1)]
        world.live.clear()
        for one in trackers:
            await one.send(Phase.READY)
        world.failure = None
        await world.place.signal("poke")

        await trackers[-1].receives(lambda signal: signal.grant is not None)

        assert world.calls.count("compare_revisions") <= 8
