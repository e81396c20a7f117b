"""The proxy that holds one request in flight, in front of a server with a certificate of its own."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from deploy.local.environment.certificates import write_certificates
from deploy.local.environment.ports import free_port
from tests.chaos.proxy import Moment, Proxy


@asynccontextmanager
async def proxied(directory: Path) -> AsyncIterator[tuple[Proxy, str, aiohttp.ClientSession, list[str]]]:
    """Serve an echo behind the proxy; yields what reached it too."""
    write_certificates(directory)
    certificate, key = directory / "apiserver.crt", directory / "apiserver.key"
    reached: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        reached.append(f"{request.method} {request.path_qs} {request.headers.get('X-Asked', '')}")
        return web.Response(text=await request.text() or "nothing", status=201)

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port, front = free_port(), free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    proxy = Proxy(f"https://127.0.0.1:{port}", directory / "ca.crt")
    trusted = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    try:
        async with (
            proxy.serving(certificate=certificate, key=key, port=front),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as client,
        ):
            yield proxy, f"https://127.0.0.1:{front}", client, reached
    finally:
        await runner.cleanup()


async def test_requests_and_answers_pass_unchanged(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (_, url, client, reached):
        async with client.patch(f"{url}/a%2Fb/status?force=true", data="body", headers={"X-Asked": "yes"}) as answer:
            assert (answer.status, await answer.text()) == (201, "body")
        assert reached == ["PATCH /a%2Fb/status?force=true yes"]


@pytest.mark.parametrize(("moment", "arrived"), [(Moment.BEFORE, []), (Moment.AFTER, ["PATCH /x/status "])])
async def test_a_held_request_is_never_answered(tmp_path: Path, moment: Moment, arrived: list[str]) -> None:
    async with proxied(tmp_path) as (proxy, url, client, reached):
        hold = proxy.hold("PATCH", "/status$", moment)
        asked = asyncio.create_task(client.patch(f"{url}/x/status", data="body"))
        await asyncio.wait_for(hold.caught.wait(), 60)
        assert not asked.done()
        proxy.release(hold)
        with pytest.raises(aiohttp.ClientError):
            await asked
        assert reached == arrived


async def test_only_one_request_is_held(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, url, client, reached):
        hold = proxy.hold("PATCH", "/status$", Moment.BEFORE)
        asked = asyncio.create_task(client.patch(f"{url}/x/status"))
        await asyncio.wait_for(hold.caught.wait(), 60)
        async with client.patch(f"{url}/y/status") as answer:
            assert answer.status == 201
        proxy.release(hold)
        with pytest.raises(aiohttp.ClientError):
            await asked
        assert reached == ["PATCH /y/status "]
