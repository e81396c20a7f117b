"""Thousands of looks that come due at once at one host, in virtual time: bounded calls, and room for others."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from activities.failures import BUSY_DELAY, spread
from providers.call_admission import Admission
from providers.callers import calling_for
from providers.errors import ProviderBusy, ProviderRateLimited
from tests.worlds.stage import VirtualTime

SLOTS = 200
LIMIT = 20
ATTEMPTS = 3
CALL_SECONDS = 0.15


@dataclass
class Herd:
    """Activities of one worker process: each holds a slot while it works, and none until its next attempt."""

    admission: Admission = field(
        default_factory=lambda: Admission(
            host="host", limit=LIMIT, waiting_limit=2 * LIMIT, patience=timedelta(seconds=5)
        )
    )
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SLOTS))
    outcomes: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    calls_at: list[float] = field(default_factory=list)
    lasted: dict[str, float] = field(default_factory=dict)

    async def look(self, tenant: str) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(ATTEMPTS):
            async with self.slots:
                try:
                    await self._call(tenant)
                except (ProviderBusy, ProviderRateLimited) as error:
                    self.outcomes[type(error).__name__] += 1
                    asked = error.retry_after or BUSY_DELAY
                else:
                    self.outcomes["answered"] += 1
                    self.answered[tenant] += 1
                    self.lasted[tenant] = loop.time() - begun
                    return
            await asyncio.sleep(spread(max(asked, BUSY_DELAY)).total_seconds())
        self.outcomes["given up"] += 1

    async def _call(self, tenant: str) -> None:
        with calling_for(tenant):
            async with self.admission.place():
                self.calls_at.append(asyncio.get_running_loop().time())
                await asyncio.sleep(CALL_SECONDS)


def in_virtual_time(story: Coroutine[Any, Any, None]) -> None:
    loop = VirtualTime()
    try:
        loop.run_until_complete(story)
    finally:
        loop.close()


@pytest.mark.parametrize("number", [200, 1000, 5000])
def test_a_thousand_looks_of_one_tenant_are_spread_and_another_s_one_is_answered_at_once(number: int) -> None:
    async def story() -> None:
        herd = Herd()
        begun = asyncio.get_running_loop().time()
        looks = [asyncio.create_task(herd.look("shop/big")) for _ in range(number)]
        await asyncio.sleep(CALL_SECONDS / 2)
        looks.append(asyncio.create_task(herd.look("shop/small")))
        await asyncio.gather(*looks)
        lasted = asyncio.get_running_loop().time() - begun
        assert herd.lasted["shop/small"] < 1
        assert herd.outcomes["answered"] > 0.97 * number
        # The host works at its full width nearly all the time, never beyond it.
        assert lasted < 4 * number * CALL_SECONDS / LIMIT + 5
        pairs = zip(herd.calls_at, herd.calls_at[LIMIT:], strict=False)
        assert all(later - sooner > 0.99 * CALL_SECONDS for sooner, later in pairs)

    in_virtual_time(story())


def test_after_a_time_that_the_host_asked_for_the_herd_does_not_come_at_once() -> None:
    async def story() -> None:
        herd, loop = Herd(), asyncio.get_running_loop()
        herd.admission.note(timedelta(hours=1))
        begun = loop.time()
        await asyncio.gather(*(herd.look("shop/web") for _ in range(1000)))
        assert herd.outcomes["ProviderRateLimited"] >= 1000
        assert min(herd.calls_at) - begun >= 3600
        assert max(herd.calls_at) - min(herd.calls_at) > 300
        assert herd.outcomes["answered"] == 1000

    in_virtual_time(story())


@pytest.mark.parametrize(("name", "factor"), [("shop/{}", 2.5), ("{}/web", 1.5)], ids=["repositories", "namespaces"])
@pytest.mark.parametrize("tenants", [2, 5, 20])
def test_tenants_that_ask_for_as_much_get_as_much(tenants: int, name: str, factor: float) -> None:
    async def story() -> None:
        herd = Herd(slots=asyncio.Semaphore(10_000))
        names = [name.format(number) for number in range(tenants)]
        looks = [asyncio.create_task(herd.look(name)) for name in names for _ in range(2000 // tenants)]
        await asyncio.sleep(10)
        assert set(herd.answered) == set(names)
        # Who came first had the places that were free.
        assert max(herd.answered.values()) - LIMIT <= factor * min(herd.answered.values())
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    in_virtual_time(story())
