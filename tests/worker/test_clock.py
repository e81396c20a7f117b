"""A worker compares its clock with Temporal's before it serves, and while it does."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from temporalio.client import Client

from worker.health import Health
from worker.serving.process import _Stopped, _unless
from worker.temporal.clock import ClockWatch, Offset, measure, read_clock

ALLOWED = timedelta(seconds=10)
PAUSE = timedelta(milliseconds=20)


class Clock:
    """A clock that is ahead of Temporal's, which runs on this machine."""

    def __init__(self, **ahead: float) -> None:
        self.ahead = timedelta(**ahead)

    def __call__(self) -> datetime:
        return read_clock() + self.ahead


@pytest.fixture
async def watching(temporal_server: str) -> Callable[[Clock], ClockWatch]:
    client = await Client.connect(temporal_server)
    installation = f"t{uuid.uuid4().hex[:8]}"
    return lambda clock: ClockWatch(client, installation=installation, allowed=ALLOWED, now=clock, look=PAUSE)


@pytest.mark.parametrize("seconds", [-3600, -20, 0, 20, 3600])
async def test_the_clock_of_temporal_is_known_to_a_second_or_two(temporal_server: str, seconds: int) -> None:
    client = await Client.connect(temporal_server)
    offset = await measure(client, f"t{uuid.uuid4().hex[:8]}", Clock(seconds=seconds))
    assert offset is not None
    assert offset.least <= timedelta(seconds=seconds) <= offset.most
    assert offset.most - offset.least < timedelta(seconds=5)


async def test_a_server_that_refuses_to_answer_shows_nothing_of_the_clock(temporal_server: str) -> None:
    client = await Client.connect(temporal_server, namespace="no-such-namespace")
    assert await measure(client, "t", Clock(hours=1)) is None


@pytest.mark.parametrize(
    ("least", "most", "excess"),
    [(9, 12, ""), (11, 12, "11 s ahead"), (-12, -9, ""), (-12, -11, "11 s behind"), (-100, 100, "")],
)
def test_only_a_clock_that_is_surely_off_is_refused(least: int, most: int, excess: str) -> None:
    offset = Offset(least=timedelta(seconds=least), most=timedelta(seconds=most))
    assert (excess in offset.excess(ALLOWED)) if excess else offset.excess(ALLOWED) == ""


async def test_a_worker_whose_clock_is_ahead_is_not_ready_shows_why_and_serves_once_it_is_right(
    watching: Callable[[Clock], ClockWatch],
) -> None:
    clock, health = Clock(seconds=95), Health()
    watch = watching(clock)
    serving = asyncio.create_task(watch.until_right(health))
    async with asyncio.timeout(20):
        while not (reason := health.details.get("clock", str)()):  # noqa: ASYNC110 a server is asked
            await asyncio.sleep(0.01)
    assert not serving.done()
    assert health.failing(health.ready) == ("clock",)
    assert reason.endswith("s ahead of Temporal's, where 10 s are allowed")
    clock.ahead = timedelta(0)
    await asyncio.wait_for(serving, timeout=20)
    assert (watch.problem, health.ready, health.details) == ("", {}, {})


async def test_a_worker_that_waits_for_its_clock_can_be_stopped(watching: Callable[[Clock], ClockWatch]) -> None:
    health, stop = Health(), asyncio.Event()
    serving = asyncio.create_task(_unless(stop, watching(Clock(hours=-1)).until_right(health)))
    stop.set()
    with pytest.raises(_Stopped):
        await asyncio.wait_for(serving, timeout=20)


async def test_a_clock_that_is_set_while_the_worker_serves_is_noticed(watching: Callable[[Clock], ClockWatch]) -> None:
    clock = Clock()
    watch = watching(clock)
    await watch.look()
    assert watch.problem == ""
    noticed = asyncio.create_task(watch.until_off())
    clock.ahead = timedelta(minutes=2)
    await asyncio.wait_for(noticed, timeout=20)
    assert "ahead of Temporal's" in watch.problem
