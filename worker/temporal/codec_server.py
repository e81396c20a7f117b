"""The codec server's protocol: payloads in JSON, encrypted or decrypted.

https://docs.temporal.io/codec-server: POST /encode and /decode with `{"payloads": […]}`, answered alike; a browser asks
first whether its page may.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from worker.temporal.encryption import KeyMissing

_logger = structlog.get_logger(__name__)

BODY_LIMIT_BYTES = 16 * 1024 * 1024
"""More than a page of a history."""
_PORTS = {"http": 80, "https": 443}
_HEADERS = "content-type,x-namespace,authorization"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def origin_of(address: str) -> str:
    """Return what a browser names as the origin of a page at this address; empty where it is no address of a page."""
    try:
        parts = urlsplit(address.strip().lower())
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, _PORTS[parts.scheme]) else "")


def build_codec_server(codec: PayloadCodec, *, origins: Sequence[str]) -> web.Application:
    """Build the application; pages of these origins may ask."""

    @web.middleware
    async def allow(request: web.Request, handler: Handler) -> web.StreamResponse:
        preflight = request.method == "OPTIONS"
        response = web.Response(status=HTTPStatus.NO_CONTENT) if preflight else await handler(request)
        origin = request.headers.get("Origin", "")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Methods"] = "POST"
            response.headers["Access-Control-Allow-Headers"] = _HEADERS
            response.headers["Vary"] = "Origin"
        return response

    application = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[allow])
    for path, work in (("/encode", codec.encode), ("/decode", codec.decode)):
        application.router.add_post(path, _handler(work))
        application.router.add_route("OPTIONS", path, _nothing)
    return application


async def serve(codec: PayloadCodec, *, host: str, port: int, origins: Sequence[str]) -> None:
    """Serve until cancelled. Raises OSError where the address cannot be had."""
    runner = web.AppRunner(build_codec_server(codec, origins=origins), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        _logger.info("codec server listens", address=runner.addresses[0])
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _handler(work: Callable[[Sequence[Payload]], Awaitable[list[Payload]]]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            asked = json_format.Parse(await request.read(), Payloads())
        except (json_format.ParseError, UnicodeDecodeError):
            return web.Response(status=HTTPStatus.BAD_REQUEST, text="`payloads` in JSON are wanted")
        try:
            answer = Payloads(payloads=await work(asked.payloads))
        except (KeyMissing, ValueError) as error:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=str(error))
        return web.Response(text=json_format.MessageToJson(answer), content_type="application/json")

    return handle


async def _nothing(_request: web.Request) -> web.Response:
    return web.Response(status=HTTPStatus.NO_CONTENT)
