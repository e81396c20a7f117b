"""The lane that is taken by the call which asks for it: no view follows, unless the call was given up."""

from crds.reasons.vocabulary import Phase
from tests.workflows.environment.puppets import MAIN, Tracker, eventually
from tests.workflows.environment.world import World, place
from tests.worlds.played import Played
from workflows.environment.workflow import EnvironmentWorkflow


async def holder(world: World) -> Tracker:
    """Return a tracker whose call has taken the free lane."""
    one = await world.joined(1, MAIN[1])
    assert await one.calls(Phase.READY, takes=True) is not None
    return one


async def test_a_free_lane_is_taken_with_the_answer_of_the_call(played: Played) -> None:
    async with place(played) as world:
        one = await world.joined(1, MAIN[1])
        granted = await one.calls(Phase.READY, takes=True)
        assert granted is not None
        assert granted.grant is not None
        assert granted.grant.answers == one.view.counter
        await eventually(lambda: world.statuses[-1].lane.holder == one.name)
        assert [(shown.tracker, shown.phase) for shown in world.statuses[-1].lane.members] == [(one.name, "Holder")]
        await eventually(lambda: "watch_deployments" in world.calls)


async def test_a_lane_that_is_not_free_is_granted_later_and_taken_by_a_view_of_its_own(played: Played) -> None:
    async with place(played) as world:
        one = await holder(world)
        await one.becomes(Phase.HOLDER, takes=False)
        other = await world.tracker(2, MAIN[2])
        await other.calls(Phase.WORKING)
        waits = await other.calls(Phase.READY, takes=True)
        assert waits is not None
        assert (waits.grant, waits.holder) == (None, one.name)
        await one.send(Phase.WORKING)
        granted = await other.receives(lambda signal: signal.grant is not None)
        assert all(status.lane.holder != other.name for status in world.statuses)
        await other.takes(granted)
        await eventually(lambda: world.statuses[-1].lane.holder == other.name)


async def test_who_repeats_the_view_that_took_the_lane_is_asked_and_granted_it_by_a_signal(played: Played) -> None:
    async with place(played) as world:
        one = await holder(world)
        await world.place.signal(EnvironmentWorkflow.member, one.view)
        granted = await one.receives(lambda signal: signal.grant is not None)
        assert granted.grant is not None
        assert granted.grant.answers.n > one.view.counter.n
        assert any(signal.asks for signal in await one.received())
        await one.send(Phase.WORKING, takes=False)
        await eventually(lambda: world.statuses[-1].lane.holder == "")


async def test_a_repeated_view_takes_no_lane_from_who_holds_it(played: Played) -> None:
    """A call was given up, its signal is late, and the call of another attempt took the lane."""
    async with place(played) as world:
        one = await holder(world)
        late = one.view
        await one.becomes(Phase.HOLDER, takes=False)
        other = await world.tracker(2, MAIN[2])
        await other.calls(Phase.WORKING)
        await other.calls(Phase.READY)
        await world.place.signal(EnvironmentWorkflow.member, late)
        await one.receives(lambda signal: signal.asks)
        await eventually(lambda: world.statuses[-1].lane.holder == one.name)
        assert all(signal.grant is None for signal in await other.received())


async def test_a_repeated_call_takes_no_lane(played: Played) -> None:
    async with place(played) as world:
        one = await holder(world)
        assert await one.repeats() is None
        assert (await one.receives(lambda signal: signal.grant is not None)).holder == one.name
