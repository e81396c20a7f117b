"""A place whose reads are refused in passing grants nothing meanwhile, and troubles no one until that has lasted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from activities.failures import to_application_error
from activities.models.places import PlaceSignal
from crds.reasons.vocabulary import Phase
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


def is_a_reason(signal: PlaceSignal) -> bool:
    return bool(signal.problem) or (signal.blocked_by is not None and "cannot be" in signal.blocked_by.reason)


@pytest.mark.parametrize("error", PASSING, ids=["busy", "rate limit"])
async def test_a_place_that_cannot_be_read_for_a_moment_gives_no_reason_and_no_lane(
    played: Played, error: Callable[[], Exception]
) -> None:
    async with place(played, timings=HASTY) as world:
        one = await world.joined(1, MAIN[1])
        refuse(world, error)
        await world.place.signal("poke")
        # All attempts of one activity, so that the workflow gets to know it.
        await eventually(lambda: world.calls.count("refused") >= 4)
        await one.send(Phase.READY)
        refused = world.calls.count("refused")
        await eventually(lambda: world.calls.count("refused") >= refused + 4)
        assert not any(signal.grant is not None or is_a_reason(signal) for signal in await one.received())
        world.refuse = None
        await one.takes(await one.receives(lambda signal: signal.grant is not None))
        assert not any(is_a_reason(signal) for signal in await one.received())


async def test_who_becomes_ready_while_reads_fail_learns_which_hold_it_waits_for_and_when_that_ends(
    played: Played,
) -> None:
    async with place(played, timings=HASTY) as world:
        held, late = [await world.tracker(number, MAIN[number]) for number in (1, 2)]
        for one in (held, late):
            await one.send(Phase.WORKING)
            await one.receives(lambda signal: signal.observed_at is not None)
        world.lost.add("web")
        await world.place.signal("poke")
        reads = world.calls.count("read_deployments")
        await eventually(lambda: world.calls.count("read_deployments") > reads)
        await held.send(Phase.WORKING, held=True)
        await late.send(Phase.READY)
        waits = await late.receives(lambda signal: signal.blocked_by is not None)
        assert waits.blocked_by is not None
        assert (waits.blocked_by.tracker, waits.blocked_by.reason) == (held.name, "is held")
        await held.send(Phase.GONE, held=False)
        await late.receives(lambda signal: signal.blocked_by is None and signal.counter.n > waits.counter.n)
        assert not any(signal.grant is not None or is_a_reason(signal) for signal in await late.received())
        world.lost.clear()
        await late.receives(lambda signal: signal.grant is not None)


async def test_what_only_a_person_can_fix_is_sent_at_once(played: Played) -> None:
    async with place(played, timings=HASTY) as world:
        one = await world.joined(1, MAIN[1])
        refuse(world, lambda: ProviderUnauthorized("bad token", status=401))
        await world.place.signal("poke")
        sent = await one.receives(lambda signal: bool(signal.problem))
        assert "bad token" in sent.problem


async def test_a_place_that_cannot_be_read_answers_when_it_tries_again_and_else_nothing(played: Played) -> None:
    async with place(played, timings=replace(HASTY, observe_initial=timedelta(seconds=10))) as world:
        one = await world.joined(1, MAIN[1])
        assert (await world.progress()).again_at is None
        refuse(world, lambda: ProviderUnauthorized("bad token", status=401))
        await world.place.signal("poke")
        sent = await one.receives(lambda signal: bool(signal.problem))
        again_at = await eventually(world.next_try)
        world.refuse = None
        seen = await one.receives(lambda signal: signal.counter.n > sent.counter.n and not signal.problem)
        assert seen.observed_at is not None
        assert again_at <= seen.observed_at
        assert (await world.progress()).again_at is None


async def test_while_the_live_trackers_may_not_be_listed_who_is_ready_learns_that(played: Played) -> None:
    async with place(played, timings=replace(HASTY, reference_initial=SOON, reference_maximum=SOON)) as world:
        world.forbidden = "pullrequesttrackers is forbidden"
        one = await world.joined(1, MAIN[1])
        await one.send(Phase.READY)
        waits = await one.receives(
            lambda signal: signal.blocked_by is not None and world.forbidden in signal.blocked_by.reason
        )
        assert waits.grant is None
        world.forbidden = ""
        await one.receives(lambda signal: signal.grant is not None)
