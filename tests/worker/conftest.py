"""Hosts that answer from memory, and spans that are kept instead of sent."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from activities.refusals import note_answer
from providers.http import HttpClients, HttpOptions

Opener = Callable[[Callable[[httpx.Request], httpx.Response]], HttpClients]


@pytest.fixture
async def open_http() -> AsyncIterator[Opener]:
    """Return a function that builds HTTP clients over a handler of requests."""
    opened: list[HttpClients] = []

    def build(handler: Callable[[httpx.Request], httpx.Response]) -> HttpClients:
        opened.append(HttpClients(HttpOptions(transport=httpx.MockTransport(handler), answered=note_answer)))
        return opened[-1]

    yield build
    for clients in opened:
        await clients.aclose()
