"""Whose call comes next at one host with one credential, and which calls are not sent at all."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta

import httpx
import pytest

from providers.call_admission import Admission
from providers.callers import calling_for, polling
from providers.errors import ProviderBusy, ProviderError, ProviderRateLimited, ProviderUnavailable
from providers.messages import Request
from providers.metrics import CALL_WAIT, CALLS_HELD
from tests.providers.hosts import FakeHost, answer
from tests.providers.test_endpoint import GET, endpoint

ENOUGH = timedelta(seconds=30)


def counted(reason: str) -> float:
    """Return how many calls were not sent for this reason."""
    return float(CALLS_HELD.labels(reason=reason)._value.get())


class Calls:
    """Calls that last until they are let go, and the order in which they were admitted."""

    def __init__(self, *, limit: int, waiting: int, patience: timedelta = ENOUGH) -> None:
        self.admission = Admission(host="host", limit=limit, waiting_limit=waiting, patience=patience)
        self.admitted: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._ends: list[asyncio.Event] = []

    async def begin(self, tenant: str, number: int = 1) -> list[asyncio.Task[None]]:
        begun = []
        for _ in range(number):
            with calling_for(tenant):
                begun.append(asyncio.create_task(self._call(tenant)))
        self.tasks += begun
        await settle()
        return begun

    async def end_oldest(self) -> None:
        self._ends.pop(0).set()
        await settle()

    async def finish(self) -> None:
        while self._ends:
            await self.end_oldest()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _call(self, tenant: str) -> None:
        async with self.admission.place():
            self.admitted.append(tenant)
            end = asyncio.Event()
            self._ends.append(end)
            await end.wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_call_that_finds_no_place_waits_for_one() -> None:
    calls = Calls(limit=1, waiting=5)
    await calls.begin("shop/web", 3)
    assert len(calls.admitted) == 1
    await calls.finish()
    assert len(calls.admitted) == 3


async def test_one_call_of_a_tenant_comes_next_whatever_another_one_has_waiting() -> None:
    calls = Calls(limit=2, waiting=100)
    await calls.begin("shop/big", 50)
    await calls.begin("shop/small")
    await calls.end_oldest()
    await calls.end_oldest()
    assert "shop/small" in calls.admitted[2:4]
    await calls.finish()


async def test_a_full_queue_takes_the_call_of_a_tenant_that_waits_for_less() -> None:
    calls = Calls(limit=1, waiting=4)
    big = await calls.begin("shop/big", 6)
    refused = [task for task in big if task.done()]
    assert [type(task.exception()) for task in refused] == [ProviderBusy]
    await calls.begin("shop/small")
    assert sum(task.done() for task in big) == 2
    assert not calls.tasks[-1].done()
    await calls.end_oldest()
    await calls.end_oldest()
    assert calls.admitted[2] == "shop/small"
    await calls.finish()


async def test_each_of_many_tenants_comes_before_anybody_comes_twice() -> None:
    calls = Calls(limit=1, waiting=1000)
    for tenant in "abcde":
        await calls.begin(tenant, 20)
    await calls.finish()
    # The first call had a place at once; a turn is one call of each.
    assert all(sorted(calls.admitted[at : at + 5]) == list("abcde") for at in range(1, 95, 5))


async def test_a_wait_that_lasts_too_long_ends_as_busy_and_leaves_no_trace() -> None:
    calls = Calls(limit=1, waiting=5, patience=timedelta(milliseconds=20))
    await calls.begin("shop/web")
    (late,) = await calls.begin("shop/web")
    with pytest.raises(ProviderBusy):
        await late
    await calls.finish()
    await calls.begin("shop/web")
    assert len(calls.admitted) == 2
    await calls.finish()


async def test_a_call_that_is_cancelled_while_its_place_is_handed_over_keeps_none() -> None:
    calls = Calls(limit=1, waiting=5)
    await calls.begin("shop/web")
    (next_one,) = await calls.begin("shop/web")
    calls._ends.pop(0).set()
    # The place is handed over within one turn of the loop; cancelling in each of the next ones must never lose it.
    for _ in range(2):
        await asyncio.sleep(0)
    next_one.cancel()
    await settle()
    await calls.begin("shop/web")
    assert not calls.tasks[-1].done()
    assert calls.admitted[-1] == "shop/web"
    await calls.finish()
    assert calls.admission.in_flight == 0


async def test_those_who_are_sent_away_come_back_as_far_apart_as_they_can_be_served() -> None:
    calls = Calls(limit=3, waiting=0)
    await calls.begin("shop/web", 2)
    await calls.begin("shop/web", 100)
    await calls.begin("shop/small", 1)
    delays = [delay_of(task) for task in calls.tasks[2:]]
    assert max(delays[:100]) > timedelta(seconds=8)
    assert len(set(delays)) == len(delays)
    assert all(timedelta(seconds=0.5) <= delay < timedelta(minutes=1) for delay in delays)
    # What one tenant has ordered does not put off another one.
    assert delays[100] <= timedelta(seconds=2)
    await calls.finish()


def delay_of(task: asyncio.Task[None]) -> timedelta:
    error = task.exception()
    assert isinstance(error, ProviderBusy)
    assert error.retry_after is not None
    return error.retry_after


async def test_no_call_is_sent_before_the_time_that_the_host_asked_for(host: FakeHost) -> None:
    host.always(answer({"message": "slow down"}, 429, retry_after="3600"))
    http = host.http()
    with pytest.raises(ProviderRateLimited):
        await endpoint(http).call(GET)
    texts = set()
    for _ in range(20):
        with pytest.raises(ProviderRateLimited) as caught:
            await endpoint(http).call(GET)
        assert caught.value.retry_after is not None
        assert timedelta(minutes=59) < caught.value.retry_after <= timedelta(hours=1)
        texts.add(str(caught.value))
    assert len(host.requests) == 1
    # A text that changed with each call would be news each time.
    assert len(texts) == 1


async def test_a_time_to_wait_holds_for_streams_and_not_for_another_credential(host: FakeHost) -> None:
    host.on("GET", "/ctx/x", answer({}, 503, retry_after="60"), answer({}))
    http = host.http()
    with pytest.raises(ProviderUnavailable):
        await endpoint(http).call(GET)
    with pytest.raises(ProviderRateLimited):
        async with aclosing(endpoint(http).lines(GET)) as lines:
            await anext(lines)
    assert len(host.requests) == 1
    await endpoint(http, token="another-credential").call(GET)


async def test_what_is_not_sent_is_counted_by_its_reason_and_waits_are_measured() -> None:
    before = counted("busy"), counted("asked_to_wait"), CALL_WAIT._sum.get()
    calls = Calls(limit=1, waiting=1)
    await calls.begin("shop/web", 3)
    await asyncio.sleep(0.01)
    await calls.finish()
    calls.admission.note(timedelta(hours=1))
    await calls.begin("shop/web", 2)
    assert counted("busy") - before[0] == 1
    assert counted("asked_to_wait") - before[1] == 2
    assert CALL_WAIT._sum.get() > before[2]


async def test_a_time_to_wait_ends(host: FakeHost) -> None:
    host.on("GET", "/ctx/x", answer({}, 429, retry_after="0"), answer({}))
    http = host.http()
    with pytest.raises(ProviderRateLimited):
        await endpoint(http).call(GET)
    admission = http.admission("host.example.com", endpoint(http).credential_id)
    admission._quiet_until -= 1
    await endpoint(http).call(GET)
    assert len(host.requests) == 2


@pytest.mark.parametrize(
    "refusal",
    [answer({}, 503), answer({"message": "branch `rate limit` is protected"}, 403), answer({}, 404, retry_after="60")],
)
async def test_a_refusal_that_asks_nothing_of_others_keeps_no_one_from_calling(
    host: FakeHost, refusal: httpx.Response
) -> None:
    host.on("GET", "/ctx/x", refusal, answer({}))
    http = host.http()
    with pytest.raises(ProviderError):
        await endpoint(http).call(GET)
    await endpoint(http).call(GET)


async def test_a_limit_without_a_time_asks_everybody_to_wait_a_minute(host: FakeHost) -> None:
    host.on("GET", "/ctx/x", answer({}, 429), answer({}))
    http = host.http()
    for _ in range(2):
        with pytest.raises(ProviderRateLimited) as refused:
            await endpoint(http).call(GET)
        assert refused.value.retry_after is not None
        assert timedelta(seconds=55) < refused.value.retry_after <= timedelta(minutes=1)
    assert len(host.requests) == 1


async def test_those_who_wait_in_line_are_not_sent_after_the_host_asked_for_quiet(host: FakeHost) -> None:
    host.always(answer({}, 429, retry_after="60"))
    http = host.http({"in_flight_limit": 1, "waiting_per_place": 10})
    asked = Request(method="GET", path="/x", operation="get")
    outcomes = await asyncio.gather(*(endpoint(http).call(asked) for _ in range(8)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ProviderRateLimited] * 8
    assert len(host.requests) == 1


@pytest.fixture(autouse=True)
async def _no_task_is_left() -> AsyncIterator[None]:
    yield
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


def _budget(remaining: int, *, reset: str = "") -> dict[str, str]:
    headers = {"x_ratelimit_limit": "5000", "x_ratelimit_remaining": str(remaining)}
    return headers | ({"x_ratelimit_reset": reset} if reset else {})


@pytest.mark.parametrize("since", [time.time, lambda: 0.0], ids=["since 1970", "from now on"])
async def test_polls_give_way_where_few_of_a_credential_s_calls_are_left_and_promotions_do_not(
    host: FakeHost, since: Callable[[], float]
) -> None:
    reset = str(int(since()) + 600)
    host.always(answer({}, 200, **_budget(4000, reset=reset)), answer({}, 200, **_budget(400, reset=reset)))
    port, held = endpoint(host.http()), counted("scarce")
    for _ in range(2):
        with polling():
            await port.call(GET)
    with polling(), pytest.raises(ProviderBusy) as later:
        await port.call(GET)
    assert later.value.retry_after is not None
    assert timedelta(seconds=20) < later.value.retry_after <= timedelta(seconds=60)
    assert (len(host.requests), counted("scarce") - held) == (2, 1)
    await port.call(GET)
    assert len(host.requests) == 3


@pytest.mark.parametrize("reset", ["", "1700000000", "nan", "-3", "inf"])
async def test_a_limit_whose_renewal_is_past_or_unknown_holds_up_no_poll(host: FakeHost, reset: str) -> None:
    host.always(answer({}, 200, **_budget(0, reset=reset)))
    port = endpoint(host.http())
    for _ in range(2):
        with polling():
            await port.call(GET)
    assert len(host.requests) == 2
