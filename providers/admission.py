"""Admit calls to one host with one credential: a few at a time, tenants in turn, none before the host's Retry-After."""

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from providers.callers import caller
from providers.errors import ProviderBusy, ProviderRateLimited
from providers.metrics import CALL_WAIT, CALLS_HELD

# What a place is held for, until calls have shown it; and how much a new call's time counts.
_ASSUMED_SECONDS = 0.2
_WEIGHT = 0.1
# An activity that comes back makes two calls on average.
_CALLS_EACH = 2
_SOONEST_SECONDS = 1.0
_LATEST_SECONDS = 55.0
_HORIZONS = 1000

Turn = asyncio.Future[None]


def _now() -> float:
    return asyncio.get_running_loop().time()


class Admission:
    """Hold the places of one (host, credential) in one process and event loop.

    Who finds no place waits for `patience` at most, in a queue of `waiting_limit`; a place that becomes free goes to
    the tenants in turn. In a full queue the tenant with the most waiting calls loses its newest one to a tenant with
    fewer, so that nobody's thousand keeps out another's one. Who loses, or waits too long, gets ProviderBusy with a
    time to come back: the times of one tenant are as far apart as its calls can be served.
    """

    def __init__(self, *, host: str, limit: int, waiting_limit: int, patience: timedelta) -> None:
        self._host = host
        self._limit = limit
        self._waiting_limit = waiting_limit
        self._patience_seconds = patience.total_seconds()
        self._in_flight = 0
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()
        self._horizons: OrderedDict[str, float] = OrderedDict()
        self._held_seconds = _ASSUMED_SECONDS
        self._quiet_until = 0.0
        self._quiet_text = ""

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost with this object."""
        now = _now()
        told = any(horizon > now for horizon in self._horizons.values())
        return not self._in_flight and not told and self._quiet_until <= now

    @asynccontextmanager
    async def place(self, *, waits: bool = True) -> AsyncIterator[None]:
        """Hold a place. Raises ProviderBusy, or ProviderRateLimited while the host wants quiet: nothing was sent then.

        Who holds a place for minutes does not wait for another one either.
        """
        tenant = caller()
        self.refuse_while_quiet()
        if self._in_flight < self._limit and not self._waiting:
            self._in_flight += 1
        elif waits:
            await self._wait(tenant)
        else:
            raise self._busy(tenant)
        try:
            # The call before may have been answered with a time to wait.
            self.refuse_while_quiet()
            begun = _now()
            try:
                yield
            finally:
                self._held_seconds += _WEIGHT * (_now() - begun - self._held_seconds)
        finally:
            self._leave()

    def note(self, wait: timedelta | None) -> None:
        """Send no further call to the host with this credential for as long as it asked."""
        if wait is None or (until := _now() + wait.total_seconds()) <= self._quiet_until:
            return
        self._quiet_until = until
        moment = datetime.now(UTC) + wait
        # The same text each time: a countdown would be news with each call.
        self._quiet_text = f"{self._host} asked to be called again after {moment:%H:%M:%S} UTC"

    def refuse_while_quiet(self) -> None:
        """Raise ProviderRateLimited with the time that is left of what the host asked for."""
        left = self._quiet_until - _now()
        if left > 0:
            CALLS_HELD.labels(reason="asked_to_wait").inc()
            raise ProviderRateLimited(self._quiet_text, retry_after=timedelta(seconds=left))

    async def _wait(self, tenant: str) -> None:
        self._make_room(tenant)
        loop, begun = asyncio.get_running_loop(), _now()
        turn: Turn = loop.create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        timer = loop.call_later(self._patience_seconds, self._send_away, tenant, turn)
        try:
            await turn
            CALL_WAIT.observe(_now() - begun)
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The place was handed over in the moment in which its receiver was cancelled.
                self._leave()
            raise
        finally:
            timer.cancel()
            self._forget(tenant, turn)

    def _make_room(self, tenant: str) -> None:
        waiting = sum(map(len, self._waiting.values()))
        if waiting < self._waiting_limit:
            return
        most = max(self._waiting, key=lambda name: len(self._waiting[name]), default=tenant)
        mine = len(self._waiting.get(tenant, ()))
        if len(self._waiting.get(most, ())) <= mine + 1:
            raise self._busy(tenant)
        self._send_away(most, self._waiting[most][-1])

    def _send_away(self, tenant: str, turn: Turn) -> None:
        if not turn.done():
            turn.set_exception(self._busy(tenant))
        self._forget(tenant, turn)

    def _forget(self, tenant: str, turn: Turn) -> None:
        turns = self._waiting.get(tenant)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[tenant]

    def _leave(self) -> None:
        """Hand the place over to the next tenant in turn, else free it."""
        while self._waiting:
            tenant, turns = next(iter(self._waiting.items()))
            turn = turns.popleft()
            if turns:
                self._waiting.move_to_end(tenant)
            else:
                del self._waiting[tenant]
            if not turn.done():
                turn.set_result(None)
                return
        self._in_flight -= 1

    def _busy(self, tenant: str) -> ProviderBusy:
        CALLS_HELD.labels(reason="busy").inc()
        now = _now()
        pace = _CALLS_EACH * self._held_seconds / max(self._limit, 1)
        at = max(self._horizons.pop(tenant, 0.0), now + _SOONEST_SECONDS)
        self._horizons[tenant] = min(at + pace, now + _LATEST_SECONDS)
        while len(self._horizons) > _HORIZONS:
            self._horizons.popitem(last=False)
        # Spread by half: what is told to many at the horizon's end must not make them come together either.
        seconds = (at - now) * random.uniform(0.5, 1.0) + random.uniform(0.0, _SOONEST_SECONDS)  # noqa: S311 -- keeps no secret
        return ProviderBusy(
            f"{self._limit} of our own calls to {self._host} are in flight, and more wait",
            retry_after=timedelta(seconds=seconds),
        )
