"""A proxy in front of the API server that can hold one request, so that a kill meets it in flight."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})
# The client library would ask for compression in the name of a client that did not.
_NEVER_ADDED = ("Accept-Encoding", "Accept", "User-Agent", "Content-Type")
_BODY_LIMIT_BYTES = 16 * 1024 * 1024
_SHUTDOWN_SECONDS = 0.5


class Moment(StrEnum):
    """When a request is held."""

    BEFORE = "before"
    """It has not reached the API server, and never will."""
    AFTER = "after"
    """The API server has carried it out, and its answer is lost."""


@dataclass(kw_only=True)
class Hold:
    """Hold the first request that matches; `caught` shows that it is held, and it is dropped once released."""

    method: str
    path: re.Pattern[str]
    moment: Moment
    taken: bool = False
    caught: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Proxy:
    """Forward every request to the API server, streams included."""

    def __init__(self, target: str, authority: Path) -> None:
        self._target = URL(target)
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._holds: list[Hold] = []
        self._session: aiohttp.ClientSession | None = None

    def hold(self, method: str, path: str, moment: Moment) -> Hold:
        """Hold the next such request."""
        hold = Hold(method=method, path=re.compile(path), moment=moment)
        self._holds.append(hold)
        return hold

    def release(self, hold: Hold) -> None:
        """Drop what is held, or hold nothing any more."""
        self._holds.remove(hold)
        hold.released.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        body = await request.read()
        hold = next((one for one in self._holds if _matches(one, request)), None)
        if hold is not None:
            hold.taken = True
            if hold.moment is Moment.BEFORE:
                return await _dropped(hold, request)
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if _passes(name))
        url = self._target.join(URL(request.raw_path, encoded=True))
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                data=body or None,
                skip_auto_headers=_NEVER_ADDED,
                allow_redirects=False,
            ) as answer:
                if hold is not None:
                    await answer.read()
                    return await _dropped(hold, request)
                return await _stream(request, answer)
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            # What a client sees of a server that is gone: no answer at all.
            return _cut(request)

    @asynccontextmanager
    async def serving(self, *, certificate: Path, key: Path, port: int) -> AsyncIterator[None]:
        """Serve until the block ends, under the API server's own certificate."""
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        app = web.Application(client_max_size=_BODY_LIMIT_BYTES)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, handler_cancellation=True)
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        # Watches last for minutes; their client bounds them.
        timeout = aiohttp.ClientTimeout(total=None, connect=10)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as self._session:
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
                yield
            finally:
                for hold in self._holds:
                    hold.released.set()
                await runner.cleanup()


def _matches(hold: Hold, request: web.Request) -> bool:
    return not hold.taken and hold.method == request.method and hold.path.search(request.path) is not None


async def _dropped(hold: Hold, request: web.Request) -> web.StreamResponse:
    hold.caught.set()
    await hold.released.wait()
    return _cut(request)


async def _stream(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status)
    response.headers.update((name, value) for name, value in answer.headers.items() if _passes(name))
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


def _passes(name: str) -> bool:
    return name.lower() not in _HOP_BY_HOP and name.lower() != "host"
