"""A place whose reads are refused in passing grants nothing meanwhile, and troubles nobody until that has lasted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from activities.failures import to_application_error
from activities.models.places import Phase, PlaceSignal
from providers.errors import ProviderBusy, ProviderRateLimited, ProviderUnauthorized
from tests.workflows.environment.puppets import MAIN, eventually
from tests.workflows.environment.world import CALM, World, place
from tests.worlds.played import Played

SOON = timedelta(milliseconds=200)
HASTY = replace(CALM, observe_initial=SOON, observe_maximum=timedelta(seconds=1), passing=timedelta(minutes=3))

PASSING: list[Callable[[], Exception]] = [
    lambda: ProviderBusy("20 calls are in flight", retry_after=timedelta(milliseconds=100)),
    lambda: ProviderRateLimited("wait", retry_after=timedelta(seconds=1)),
]


def refuse(world: World, error: Callable[[], Exception]) -> None:
    world.refuse = lambda: to_application_error(error())


def is_a_reason(said: PlaceSignal) -> bool:
    return bool(said.problem) or (said.blocked_by is not None and "cannot be" in said.blocked_by.reason)


@pytest.mark.parametrize("error", PASSING, ids=["busy", "rate limit"])
async def test_a_place_that_cannot_be_read_for_a_moment_gives_no_reason_and_no_lane(
    played: Played, error: Callable[[], Exception]
) -> None:
    async with place(played, timings=HASTY) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        await one.hears(lambda said: said.observed_at is not None)
        refuse(world, error)
        await world.place.signal("poke")
        # All attempts of one activity, so that the workflow hears of it.
        await eventually(lambda: world.calls.count("refused") >= 4)
        await one.send(Phase.READY)
        refused = world.calls.count("refused")
        await eventually(lambda: world.calls.count("refused") >= refused + 4)
        assert not any(said.grant is not None or is_a_reason(said) for said in await one.received())
        world.refuse = None
        await one.takes(await one.hears(lambda said: said.grant is not None))
        assert not any(is_a_reason(said) for said in await one.received())


async def test_who_becomes_ready_while_reads_fail_learns_which_hold_it_waits_for_and_when_that_ends(
    played: Played,
) -> None:
    async with place(played, timings=HASTY) as world:
        held, late = [await world.tracker(number, MAIN[number]) for number in (1, 2)]
        for one in (held, late):
            await one.send(Phase.WORKING)
            await one.hears(lambda said: said.observed_at is not None)
        world.lost.add("web")
        await world.place.signal("poke")
        reads = world.calls.count("read_deployments")
        await eventually(lambda: world.calls.count("read_deployments") > reads)
        await held.send(Phase.WORKING, held=True)
        await late.send(Phase.READY)
        waits = await late.hears(lambda said: said.blocked_by is not None)
        assert waits.blocked_by is not None
        assert (waits.blocked_by.tracker, waits.blocked_by.reason) == (held.name, "is held")
        await held.send(Phase.GONE, held=False)
        await late.hears(lambda said: said.blocked_by is None and said.counter.n > waits.counter.n)
        assert not any(said.grant is not None or is_a_reason(said) for said in await late.received())
        world.lost.clear()
        await late.hears(lambda said: said.grant is not None)


async def test_what_only_a_person_can_fix_is_told_at_once(played: Played) -> None:
    async with place(played, timings=HASTY) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        await one.hears(lambda said: said.observed_at is not None)
        refuse(world, lambda: ProviderUnauthorized("bad token", status=401))
        await world.place.signal("poke")
        told = await one.hears(lambda said: bool(said.problem))
        assert "bad token" in told.problem


async def test_a_place_that_cannot_be_read_answers_when_it_tries_again_and_else_nothing(played: Played) -> None:
    async with place(played, timings=replace(HASTY, observe_initial=timedelta(seconds=10))) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        await one.hears(lambda said: said.observed_at is not None)
        assert (await world.progress()).again_at is None
        refuse(world, lambda: ProviderUnauthorized("bad token", status=401))
        await world.place.signal("poke")
        told = await one.hears(lambda said: bool(said.problem))
        again_at = await eventually(world.next_try)
        world.refuse = None
        seen = await one.hears(lambda said: said.counter.n > told.counter.n and not said.problem)
        assert seen.observed_at is not None
        assert again_at <= seen.observed_at
        assert (await world.progress()).again_at is None


async def test_while_nobody_may_list_the_live_trackers_who_is_ready_learns_that(played: Played) -> None:
    async with place(played, timings=replace(HASTY, reference_initial=SOON, reference_maximum=SOON)) as world:
        world.forbidden = "pullrequesttrackers is forbidden"
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        await one.hears(lambda said: said.observed_at is not None)
        await one.send(Phase.READY)
        waits = await one.hears(lambda said: said.blocked_by is not None and world.forbidden in said.blocked_by.reason)
        assert waits.grant is None
        world.forbidden = ""
        await one.hears(lambda said: said.grant is not None)
