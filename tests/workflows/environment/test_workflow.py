"""The place on a real Temporal server, with puppets for trackers."""

from activities.models.places import Phase
from tests.workflows.environment.world import MAIN, eventually, place


async def test_a_member_is_told_what_the_place_runs_and_gets_a_free_lane(temporal_server: str) -> None:
    async with place(temporal_server) as world:
        one = await world.tracker(1, MAIN[1])
        await one.tell(Phase.WORKING)
        first = await one.hears(lambda said: said.observed_at is not None)
        assert [seen.runs for seen in first.observed] == [MAIN[0]]
        ready = await one.tell(Phase.READY)
        granted = await one.hears(lambda said: said.grant is not None)
        assert granted.grant is not None
        assert granted.grant.answers == ready.counter
        assert granted.holder == one.name
        await one.takes(granted)
        await eventually(lambda: "watch_deployments" in world.calls)
        world.moves("web", MAIN[1])
        arrived = await one.hears(lambda said: said.observed[0].runs == MAIN[1])
        assert arrived.moved_by == {"web": one.name}
        await one.tell(Phase.ARRIVED)
        await eventually(lambda: world.statuses and not world.statuses[-1].lane.members)
        assert world.statuses[-1].lane.holder == ""
        assert [(kept.artifacts[0].revision, kept.tracker) for kept in world.statuses[-1].history] == [
            (MAIN[1], one.name),
            (MAIN[0], ""),
        ]
        sequences = [status.sequence for status in world.statuses]
        assert sequences == sorted(set(sequences))
