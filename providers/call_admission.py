"""Admit calls to one host with one credential: a few at a time, tenants in turn, none before the host's Retry-After."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from providers.call_budgets import Budget
from providers.callers import caller, polls
from providers.errors import ProviderBusy, ProviderRateLimited
from providers.metrics import CALL_WAIT, CALLS_HELD
from providers.shares import Horizons, Shares, namespace_of
from providers.turns import Turns

# An activity that comes back makes two calls on average.
_CALLS_EACH = 2
_SCARCE_PAUSE_SECONDS = 60.0
"""How long a poll stays away while little is left of a credential's calls, at the most."""

Turn = asyncio.Future[None]


def _now() -> float:
    return asyncio.get_running_loop().time()


class Admission:
    """Hold the places of one (host, credential) in one process and event loop.

    One namespace holds at most its share of the places (providers/shares.py). Who finds no place waits for `patience`
    at most, in a queue of `waiting_limit`; a place that becomes free goes to the namespaces in turn, and to the tenants
    of each in turn. In a full queue the namespace, and in it the tenant, with the most waiting calls loses its newest
    one to one with fewer, so that no one's thousand keeps out another's one. Who loses, or waits too long, gets
    ProviderBusy with a time to come back: as far apart as the calls of one namespace can be served.

    `everywhere` counts what is under way or waits at all hosts together.
    """

    def __init__(
        self, *, host: str, limit: int, waiting_limit: int, patience: timedelta, everywhere: Shares | None = None
    ) -> None:
        self._host = host
        self._limit = limit
        self._waiting_limit = waiting_limit
        self._patience_seconds = patience.total_seconds()
        self._shares = Shares(limit)
        self._everywhere = everywhere
        self._waiting: Turns[Turn] = Turns()
        self._horizons = Horizons(places=limit, uses_each=_CALLS_EACH)
        self._quiet_until = 0.0
        self._quiet_text = ""
        self._budget = Budget()

    @property
    def in_flight(self) -> int:
        """How many places are held."""
        return self._shares.taken

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost with this object."""
        now = _now()
        scarce = self._budget.scarce and self._budget.left(time.time()) > 0
        return not self._shares.taken and not self._horizons.known(now) and self._quiet_until <= now and not scarce

    @asynccontextmanager
    async def place(self, *, waits: bool = True) -> AsyncIterator[None]:
        """Hold a place. Raises ProviderBusy, or ProviderRateLimited while the host wants quiet: nothing was sent then.

        Who holds a place for minutes does not wait for another one either.
        """
        tenant = caller()
        namespace = namespace_of(tenant)
        self.refuse_while_quiet()
        self._refuse_polls_while_scarce()
        if self._everywhere is not None and not self._everywhere.take(namespace):
            raise self._busy(tenant)
        try:
            # A call that waits although a place is free may not take it: its namespace has its share.
            if not self._shares.take(namespace):
                if not waits:
                    raise self._busy(tenant)
                await self._wait(tenant)
            try:
                # The call before may have been answered with a time to wait.
                self.refuse_while_quiet()
                begun = _now()
                try:
                    yield
                finally:
                    self._horizons.note(_now() - begun)
            finally:
                self._leave(namespace)
        finally:
            if self._everywhere is not None:
                self._everywhere.give_back(namespace)

    def note(self, wait: timedelta | None) -> None:
        """Send no further call to the host with this credential for as long as it asked."""
        if wait is None or (until := _now() + wait.total_seconds()) <= self._quiet_until:
            return
        self._quiet_until = until
        moment = datetime.now(UTC) + wait
        # The same text each time: a countdown would be news with each call.
        self._quiet_text = f"{self._host} asked to be called again after {moment:%H:%M:%S} UTC"

    def note_budget(self, budget: Budget) -> None:
        """Take what the newest answer shows to be left of the credential's calls, if it shows anything."""
        if budget.remaining is not None:
            self._budget = budget

    def _refuse_polls_while_scarce(self) -> None:
        """Have polls come later while no more is left than promotions may need."""
        left = self._budget.left(time.time()) if polls() and self._budget.scarce else 0.0
        if left > 0:
            CALLS_HELD.labels(reason="scarce").inc()
            pause = min(left, _SCARCE_PAUSE_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311 -- keeps no secret
            text = f"few calls are left at {self._host} until its limit is renewed; they are kept for promotions"
            raise ProviderBusy(text, retry_after=timedelta(seconds=pause))

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
        self._waiting.add(tenant, turn)
        timer = loop.call_later(self._patience_seconds, self._send_away, tenant, turn)
        try:
            await turn
            CALL_WAIT.observe(_now() - begun)
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The place was handed over in the moment in which its receiver was cancelled.
                self._leave(namespace_of(tenant))
            raise
        finally:
            timer.cancel()
            self._waiting.remove(tenant, turn)

    def _make_room(self, tenant: str) -> None:
        if len(self._waiting) < self._waiting_limit:
            return
        loser = self._waiting.crowded_out_by(tenant)
        if loser is None:
            raise self._busy(tenant)
        self._send_away(*loser)

    def _send_away(self, tenant: str, turn: Turn) -> None:
        if not turn.done():
            turn.set_exception(self._busy(tenant))
        self._waiting.remove(tenant, turn)

    def _leave(self, namespace: str) -> None:
        """Hand the place, and what its return opens to others, over to those who wait and may take it."""
        self._shares.give_back(namespace)
        while found := self._waiting.next(self._shares.may):
            tenant, turn = found
            if not turn.done():
                self._shares.take(namespace_of(tenant))
                turn.set_result(None)

    def _busy(self, tenant: str) -> ProviderBusy:
        CALLS_HELD.labels(reason="busy").inc()
        return ProviderBusy(
            f"of {self._limit} of our own calls to {self._host}, as many are in flight as there may be, and more wait",
            retry_after=self._horizons.next(tenant, _now()),
        )
