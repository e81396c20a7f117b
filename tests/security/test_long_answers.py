"""To stop everybody's work by how an answer is sent: as thousands of pieces, headers or lines in a few packets."""

import asyncio
import gzip
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import httpcore
import pytest

from providers.endpoint import Endpoint
from providers.errors import ProviderUnavailable
from providers.http import HttpClients, HttpOptions
from providers.messages import Request
from providers.models import Credential
from tests.security.measuring import is_short, longest_turn

pytestmark = pytest.mark.usefixtures("own_garbage_only")
GET = Request(method="GET", path="/x", operation="get")
PACKET_BYTES = 64 * 1024
"""What anyio takes from a socket at once."""
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
ANSWERS: Mapping[str, Callable[[], bytes]] = {
    "pieces of one byte": lambda: OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n1\r\n" * 30_000 + b"0\r\n\r\n",
    "answers before the answer": lambda: b"HTTP/1.1 103 x\r\n\r\n" * 8_000 + OK + b"Content-Length: 2\r\n\r\n{}",
}
TOO_LONG: Mapping[str, Callable[[], bytes]] = {
    "headers": lambda: OK + b"a:\r\n" * 24_000 + b"Content-Length: 2\r\n\r\n{}",
    "cookies": lambda: OK + b"Set-Cookie: a=b\r\n" * 5_500 + b"Content-Length: 2\r\n\r\n{}",
    "one header": lambda: OK + b"a: " + b"b" * 90_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
}
STREAMS: Mapping[str, Callable[[], bytes]] = {
    "compressed blank lines": lambda: OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"\n" * 5_000_000),
    "lines of one byte": lambda: OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n\n\r\n" * 30_000 + b"0\r\n\r\n",
}


class Canned(httpcore.AsyncNetworkStream):
    """A connection on which everything has arrived already.

    As one with TLS it waits for the next packet only, and not for each of the reads that the last one is enough for.
    """

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 -- the library's
        if self._at % PACKET_BYTES == 0:
            await asyncio.sleep(0)
        self._at += max_bytes
        return self._body[self._at - max_bytes : self._at]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- the library's
        """Take the request."""

    async def aclose(self) -> None:
        """Close nothing."""

    def get_extra_info(self, info: str) -> Any:
        return None


def endpoint(body: bytes, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    async def connect(*_arguments: Any, **_options: Any) -> Canned:
        return Canned(body)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    credential = Credential(data={"token": "a-token"})
    return Endpoint(http=clients, base_url="http://127.0.0.1", credential=credential, record=lambda _call: None)


async def is_short_of(work: Callable[[], Any]) -> bool:
    # The first call opens the client.
    await work()
    for _ in range(3):
        measured = await longest_turn(work)
        if is_short(partial(float, measured)):
            return True
    return False


@pytest.mark.parametrize("name", ANSWERS)
async def test_to_stop_everybodys_work_by_the_pieces_of_an_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = endpoint(ANSWERS[name](), monkeypatch)
    assert await is_short_of(lambda: host.call(GET))


@pytest.mark.parametrize("name", TOO_LONG)
async def test_to_stop_everybodys_work_by_headers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = endpoint(TOO_LONG[name](), monkeypatch)

    async def ask() -> None:
        with pytest.raises(ProviderUnavailable, match="RemoteProtocolError"):
            await host.call(GET)

    assert await is_short_of(ask)


@pytest.mark.parametrize("name", STREAMS)
async def test_to_stop_everybodys_work_by_the_pieces_of_a_stream(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = endpoint(STREAMS[name](), monkeypatch)

    async def listen() -> None:
        assert [line async for line in host.lines(GET)] == []

    assert await is_short_of(listen)
