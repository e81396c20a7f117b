"""An API server that misbehaves on purpose: each watch and list follows a script, then the ordinary rules."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiResource, Document

WIDGETS = ApiResource(group="example.com", version="v1", plural="widgets", kind="Widget")

Act = Callable[[web.Request], Awaitable[web.StreamResponse]]


def widget(name: str, version: int, value: str = "") -> Document:
    """One object of the collection."""
    metadata = {"name": name, "namespace": "shop", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"value": value}}


def line(kind: str, subject: Document) -> bytes:
    """One line of a watch."""
    return json.dumps({"type": kind, "object": subject}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    """A line that only shows how far the watch is."""
    return line("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def gone() -> bytes:
    """The line with which the server ends a watch whose version is too old."""
    return line("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})


class OddServer:
    """Serve `widgets`; `lists` and `watches` are acted out in order before the ordinary rules apply."""

    def __init__(self) -> None:
        self.items: list[Document] = []
        self.version = 1
        self.page_size = 0
        self.lists: deque[Act] = deque()
        self.watches: deque[Act] = deque()
        self.list_count = 0
        self.watched_from: list[str] = []

    async def collection(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            self.watched_from.append(request.query["resourceVersion"])
            act = self.watches.popleft() if self.watches else stay_open
            return await act(request)
        self.list_count += 1
        if self.lists:
            return await self.lists.popleft()(request)
        start = int(request.query.get("continue") or 0)
        size = self.page_size or len(self.items) or 1
        metadata: dict[str, Any] = {"resourceVersion": str(self.version)}
        if start + size < len(self.items):
            metadata["continue"] = str(start + size)
        return web.json_response({"metadata": metadata, "items": self.items[start : start + size]})


async def stay_open(request: web.Request) -> web.StreamResponse:
    """Send nothing, forever: what a half-open connection looks like."""
    response = web.StreamResponse()
    await response.prepare(request)
    await asyncio.sleep(30)
    return response


def answer(status: int, text: str = "", reason: str = "") -> Act:
    """Answer with a Status, or with any text."""

    async def act(_request: web.Request) -> web.StreamResponse:
        if text:
            return web.Response(status=status, text=text)
        return web.json_response({"kind": "Status", "code": status, "reason": reason, "message": "no"}, status=status)

    return act


def stream(*chunks: bytes, drop: bool = False, wait_seconds: float = 0.0) -> Act:
    """Send these bytes and end the watch, in good order or by dropping the connection."""

    async def act(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        await asyncio.sleep(wait_seconds)
        if drop and request.transport is not None:
            request.transport.abort()
        return response

    return act


@asynccontextmanager
async def serving(server: OddServer) -> AsyncIterator[KubernetesApi]:
    """Serve on a free loopback port, and connect to it."""
    app = web.Application()
    app.router.add_get("/apis/example.com/v1/widgets", server.collection)
    app.router.add_get("/apis/example.com/v1/namespaces/shop/widgets", server.collection)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api = KubernetesApi.at(f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        async with api:
            yield api
    finally:
        await runner.cleanup()
