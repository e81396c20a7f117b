"""Places that namespaces share: who finds none waits in the turn of its namespace."""

import asyncio

from providers.shares import Shares, namespace_of
from providers.turns import Turns


class CallPlaces:
    """So many places of one event loop. One namespace never holds them all; one that becomes free goes to the next."""

    def __init__(self, limit: int) -> None:
        self._shares = Shares(limit)
        self._waiting: Turns[asyncio.Future[None]] = Turns()

    async def take(self, tenant: str) -> None:
        """Wait until the tenant, such as `namespace/repository`, has a place."""
        if self._shares.take(namespace_of(tenant)):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(tenant, turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.remove(tenant, turn)
            if turn.done() and not turn.cancelled():
                self.give_back(tenant)
            raise

    def give_back(self, tenant: str) -> None:
        """Give a place back, and hand it and what that opens over to those who wait."""
        self._shares.give_back(namespace_of(tenant))
        while found := self._waiting.next(self._shares.may):
            next_tenant, turn = found
            if not turn.done():
                self._shares.take(namespace_of(next_tenant))
                turn.set_result(None)
