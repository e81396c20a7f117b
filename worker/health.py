"""`/healthz`, `/readyz` and `/metrics` of every process, on the event loop of its work, with what else it serves."""

import asyncio
import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from worker.settings import InvalidSettings, refused

_logger = structlog.get_logger(__name__)

TICK_SECONDS = 1.0
STALLED_SECONDS = 15.0
"""A loop that did not tick for so long hangs; the probe's own timeout catches one that hangs entirely."""
LINGERING_SECONDS = 1.0
"""How long the rest of a refused body is dropped: its sender reads the answer, and no broken connection."""
IDLE_SECONDS = 620.0
"""How long a connection may be open without a request, or with one whose head does not end. A load balancer keeps one
that it does not use for up to ten minutes, and must not find it closed; the library's hour would let a stranger keep
any number of them."""
_SDK_TIMEOUT = aiohttp.ClientTimeout(total=3)

Check = Callable[[], bool]


@dataclass(kw_only=True)
class Health:
    """Hold what makes a process alive and ready; each check is named in a failing answer."""

    alive: dict[str, Check] = field(default_factory=dict)
    ready: dict[str, Check] = field(default_factory=dict)
    details: dict[str, Callable[[], str]] = field(default_factory=dict)
    """What `/readyz` shows with its answer, by name; an empty text is left out."""
    last_tick: float = field(default_factory=time.monotonic)

    @contextmanager
    def awaiting(self, name: str, why: Callable[[], str]) -> Iterator[None]:
        """Be not ready until the block has succeeded; `/readyz` shows why."""
        self.ready[name], self.details[name] = (lambda: False), why
        yield
        del self.ready[name], self.details[name]

    def failing(self, checks: Mapping[str, Check]) -> tuple[str, ...]:
        """Name the checks that fail, the loop's own included."""
        names = [name for name, check in checks.items() if not check()]
        if time.monotonic() - self.last_tick > STALLED_SECONDS:
            names.append("event loop")
        return tuple(names)


class _NotHttp(logging.Filter):
    """Leave out of the log what arrived and is no HTTP: anybody can send it, and it is quoted with what it holds."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is about anything else."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


_REQUESTS = logging.getLogger("aiohttp.server")
_NOT_HTTP = _NotHttp()


class HealthServer:
    """Serve the three paths, and the routes of the process, while the context lasts.

    Bodies are handed to routes as they were sent, compressed or not.

    The SDK's core serves its own metrics on a loopback port (worker/temporal/connect.py); `/metrics` appends them, so
    that one scrape sees both.
    """

    def __init__(
        self,
        health: Health,
        *,
        host: str,
        port: int,
        sdk_metrics_url: str = "",
        registry: CollectorRegistry = REGISTRY,
        routes: Sequence[web.RouteDef] = (),
    ) -> None:
        self.health = health
        self.port = port
        self._host = host
        self._sdk_metrics_url = sdk_metrics_url
        self._registry = registry
        self._routes = tuple(routes)
        self._runner: web.AppRunner | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to serve. Raises InvalidSettings where address or port cannot be had."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                *self._routes,
            ]
        )
        _REQUESTS.addFilter(_NOT_HTTP)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            lingering_time=LINGERING_SECONDS,
            keepalive_timeout=IDLE_SECONDS,
        )
        await self._runner.setup()
        try:
            await self._site(self._runner).start()
        except OSError as error:
            await self._runner.cleanup()
            raise InvalidSettings((self._unusable(error),)) from None
        self.port = self._runner.addresses[0][1]
        self._ticker = asyncio.create_task(self._tick())
        _logger.info("serving health and metrics", host=self._host, port=self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    def _site(self, runner: web.AppRunner) -> web.BaseSite:
        """Return where to listen. Raises OSError."""
        return (
            web.TCPSite(runner, self._host, self.port) if self._host else web.SockSite(runner, _everywhere(self.port))
        )

    def _unusable(self, error: OSError) -> str:
        unknown = isinstance(error, socket.gaierror)
        reason = str(error.strerror if unknown else os.strerror(error.errno or 0)).lower()
        if unknown or error.errno == errno.EADDRNOTAVAIL:
            return refused("http_host", self._host, f"no address of this machine ({reason})")
        return refused("http_port", str(self.port), f"this port cannot be opened ({reason})")

    async def _tick(self) -> None:
        while True:
            self.health.last_tick = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _answer(self.health.failing(self.health.alive))

    async def _readyz(self, _request: web.Request) -> web.Response:
        details = {name: text for name, read in self.health.details.items() if (text := read())}
        return _answer(self.health.failing({**self.health.alive, **self.health.ready}), details)

    async def _metrics(self, _request: web.Request) -> web.Response:
        body = generate_latest(self._registry) + await self._sdk_metrics()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _sdk_metrics(self) -> bytes:
        if not self._sdk_metrics_url:
            return b""
        try:
            async with (
                aiohttp.ClientSession(timeout=_SDK_TIMEOUT) as session,
                session.get(self._sdk_metrics_url) as response,
            ):
                return await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            # Our own metrics are worth a scrape without the SDK's.
            _logger.warning("the SDK's metrics cannot be read", error=str(error))
            return b""


def _everywhere(port: int) -> socket.socket:
    """Return a socket on every address of this machine, of IPv6 where it knows that. Raises OSError."""
    if not socket.has_dualstack_ipv6():
        return socket.create_server(("", port))
    return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)


def _answer(failing: tuple[str, ...], details: Mapping[str, str] | None = None) -> web.Response:
    shown = {"details": dict(details)} if details else {}
    if failing:
        return web.json_response({"status": "failing", "failing": list(failing), **shown}, status=503)
    return web.json_response({"status": "ok", **shown})
