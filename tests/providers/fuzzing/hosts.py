"""A host that answers one request oddly and all others well, and counts what it is asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import httpx

from providers.github.auth import AppKey
from providers.http import HttpClients, HttpOptions
from providers.models import Route
from tests.providers.fuzzing.answers import answer_of
from tests.providers.fuzzing.mutations import Sent, mutated, sent
from tests.providers.hosts import UNUSED

REQUESTS_LIMIT = 120
"""More than any list has pages; who asks on and on would never end."""


class AskedTooOften(BaseException):
    """End an operation that asks without end; no error of a provider, and nothing that code could catch as one."""


class _Stream(httpx.AsyncByteStream):
    def __init__(self, answer: Sent) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._answer.chunks:
            yield chunk
        if self._answer.cut:
            raise httpx.ReadError("the connection was cut")


@dataclass(kw_only=True)
class OddHost:
    """Answer requests of one kind; from the `odd_at`-th request on, or that one alone, with changed answers."""

    kind: str
    random: Random | None = None
    odd_at: int = -1
    goes_on: bool = False
    requests: int = 0
    changes: list[str] = field(default_factory=list)
    sent_bytes: int = 0

    def handle(self, request: httpx.Request) -> httpx.Response:
        index, self.requests = self.requests, self.requests + 1
        if self.requests > REQUESTS_LIMIT:
            raise AskedTooOften(self.changes)
        answer = answer_of(self.kind, request.method, request.url.raw_path.decode())
        if answer is None:
            # An odd answer had led there.
            assert self.random is not None, f"the {self.kind} host has no answer to {request.method} {request.url}"
            return httpx.Response(404)
        odd = self.random is not None and (index == self.odd_at or (self.goes_on and index > self.odd_at))
        made = mutated(answer, self.random) if odd and self.random is not None else sent(answer)
        if odd:
            self.changes.append(f"{request.method} {request.url.path}: {made.changes}")
        self.sent_bytes += made.body_bytes + sum(len(value) for _, value in made.headers)
        return httpx.Response(made.status, headers=list(made.headers), stream=_Stream(made))  # type: ignore[arg-type]


class SharedClients(HttpClients):
    """Lend one HTTP client to all, since making one takes longer than all that is tried with it."""

    def __init__(self) -> None:
        options = HttpOptions(transport=httpx.MockTransport(self._handle), settled_within=timedelta(0))
        super().__init__(options)
        self.host = OddHost(kind="github")
        self._shared = self._make_client(UNUSED, None)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        return self.host.handle(request)

    def forget(self, *, memory: bool = True) -> None:
        """Forget who is to be called later, and all that was learned about hosts."""
        self._admissions.clear()
        if memory:
            # Reading a key takes longer than a hundred inputs, and no answer changes it.
            self._learned.forget(lambda key: key[0] is not AppKey)

    @asynccontextmanager
    async def client(self, route: Route) -> AsyncIterator[httpx.AsyncClient]:
        assert route == Route()
        yield self._shared

    async def aclose(self) -> None:
        await self._shared.aclose()
