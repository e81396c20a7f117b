"""What a joining member has read of a place, with which the place answers in the call without reading by itself."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from activities.models.configuration import ReadEnvironmentInput
from activities.models.delivery import ReadDeploymentsInput
from activities.models.places import PlaceReading
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.puppets import MAIN, eventually
from tests.workflows.environment.world import CALM, World, place
from tests.worlds.played import Played
from tests.worlds.stage import now
from workflows.environment.workflow import EnvironmentWorkflow

READS = ("read_environment", "read_deployments")
LINGER = timedelta(hours=1)


async def read(world: World, *, age: timedelta = timedelta(0)) -> PlaceReading:
    """Return what a member reads, noted nowhere."""
    calls, world.calls = world.calls, []
    asked = ReadEnvironmentInput(namespace="shop", environment="staging", repository="web")
    declared = (await world.read_environment(asked)).environment
    assert declared is not None
    request = ReadDeploymentsInput(namespace="shop", repository="web", deployments=declared.deployments)
    found = await world.read_deployments(request)
    world.calls = calls
    return PlaceReading(environment=declared, deployments=replace(found, read_at=now() - age))


async def test_a_place_that_begins_with_a_call_answers_it_by_what_its_member_has_read(played: Played) -> None:
    async with place(played) as world:
        one = await world.tracker(1, MAIN[1])
        answer = await one.calls(Phase.WORKING, reading=await read(world))
        assert answer is not None
        assert [seen.runs for seen in answer.observed] == [MAIN[0]]
        # No lane is granted before the place knows who else may be under way.
        await eventually(lambda: "list_trackers" in world.calls)
        await asyncio.sleep(1)
        granted = await one.calls(Phase.READY, takes=True)
        assert granted is not None
        assert granted.grant is not None
        await eventually(lambda: "watch_deployments" in world.calls)
        assert [call for call in world.calls if call in READS] == []
        world.moves("web", MAIN[1])
        arrived = await one.receives(lambda signal: signal.observed[0].runs == MAIN[1])
        assert arrived.moved_by == {"web": one.name}


async def test_who_brought_what_runs_is_known_of_what_the_joining_member_has_read(played: Played) -> None:
    async with place(played) as world:
        world.runs["web"] = MAIN[1]
        one = await world.tracker(1, MAIN[1])
        answer = await one.calls(Phase.WORKING, reading=await read(world))
        assert answer is not None
        assert answer.moved_by == {"web": one.name}


async def test_a_place_that_was_left_takes_what_the_next_member_has_read(played: Played) -> None:
    async with place(played, linger=LINGER) as world:
        one = await world.joined(1, MAIN[1])
        await one.calls(Phase.GONE)
        await asyncio.sleep(CALM.observe_initial.total_seconds() + 1)
        world.runs["web"] = MAIN[1]
        before = list(world.calls)
        other = await world.tracker(2, MAIN[2])
        answer = await other.calls(Phase.WORKING, reading=await read(world))
        assert answer is not None
        assert [seen.runs for seen in answer.observed] == [MAIN[1]]
        await asyncio.sleep(1)
        assert [call for call in world.calls[len(before) :] if call in READS] == []


async def test_what_a_place_has_just_seen_itself_counts_more(played: Played) -> None:
    async with place(played) as world:
        await world.joined(1, MAIN[1])
        reading = await read(world)
        unlike = replace(reading.deployments.observations[0], runs=MAIN[5])
        other = await world.tracker(2, MAIN[2])
        found = replace(reading, deployments=replace(reading.deployments, observations=(unlike,)))
        answer = await other.calls(Phase.WORKING, reading=found)
        assert answer is not None
        assert [seen.runs for seen in answer.observed] == [MAIN[0]]


async def test_what_was_read_long_before_counts_for_nothing(played: Played) -> None:
    async with place(played) as world:
        one = await world.tracker(1, MAIN[1])
        old = await read(world, age=CALM.observe_initial + timedelta(seconds=1))
        assert await one.calls(Phase.WORKING, reading=old) is None
        await one.receives(lambda signal: signal.observed_at is not None)
        assert sorted(call for call in world.calls if call in READS) == sorted(READS)


async def test_a_place_that_is_poked_reads_by_itself(played: Played) -> None:
    async with place(played, linger=LINGER) as world:
        one = await world.joined(1, MAIN[1])
        await one.calls(Phase.GONE)
        await asyncio.sleep(CALM.observe_initial.total_seconds() + 1)
        await world.place.signal(EnvironmentWorkflow.poke)
        other = await world.tracker(2, MAIN[2])
        before = list(world.calls)
        assert await other.calls(Phase.WORKING, reading=await read(world)) is None
        await other.receives(lambda signal: signal.observed_at is not None)
        assert {call for call in world.calls[len(before) :] if call in READS} == set(READS)
