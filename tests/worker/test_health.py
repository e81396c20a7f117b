"""The three paths that every process serves."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from worker import health
from worker.health import STALLED_SECONDS, Health, HealthServer
from worker.settings import InvalidSettings


@pytest.fixture
async def sdk_metrics() -> AsyncIterator[str]:
    """Serve what the SDK's core would."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="temporal_num_pollers 5\n")

    app = web.Application()
    app.add_routes([web.get("/metrics", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    await runner.cleanup()


async def fetch(server: HealthServer, path: str, address: str = "127.0.0.1") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}:{server.port}{path}") as response,
    ):
        return response.status, await response.text()


async def test_a_healthy_process_is_alive_and_ready() -> None:
    async with HealthServer(Health(), host="127.0.0.1", port=0) as server:
        assert (await fetch(server, "/healthz"))[0] == 200
        assert (await fetch(server, "/readyz"))[0] == 200


async def test_a_process_is_probed_at_addresses_of_both_families_unless_one_is_named() -> None:
    async with HealthServer(Health(), host="", port=0) as server:
        assert [(await fetch(server, "/healthz", address))[0] for address in ("127.0.0.1", "[::1]")] == [200, 200]
        with pytest.raises(InvalidSettings, match="PILOTAGE_HTTP_PORT"):
            await HealthServer(Health(), host="", port=server.port).__aenter__()


async def test_a_process_that_is_not_ready_yet_is_alive_and_names_what_it_waits_for() -> None:
    health = Health(ready={"list of trackers": lambda: False})
    async with HealthServer(health, host="127.0.0.1", port=0) as server:
        assert (await fetch(server, "/healthz"))[0] == 200
        status, text = await fetch(server, "/readyz")
    assert status == 503
    assert "list of trackers" in text


async def test_a_stopped_temporal_worker_is_neither_alive_nor_ready() -> None:
    health = Health(alive={"temporal worker": lambda: False})
    async with HealthServer(health, host="127.0.0.1", port=0) as server:
        assert (await fetch(server, "/healthz"))[0] == 503
        assert (await fetch(server, "/readyz"))[0] == 503


def test_a_loop_that_does_not_tick_is_not_alive() -> None:
    health = Health(last_tick=time.monotonic() - STALLED_SECONDS - 1)
    assert health.failing({}) == ("event loop",)


async def test_metrics_are_ours_and_the_sdks(sdk_metrics: str) -> None:
    registry = CollectorRegistry()
    Counter("promotions", "Promotions.", registry=registry).inc()
    server = HealthServer(Health(), host="127.0.0.1", port=0, sdk_metrics_url=sdk_metrics, registry=registry)
    async with server:
        status, text = await fetch(server, "/metrics")
    assert status == 200
    assert "promotions_total 1.0" in text
    assert "temporal_num_pollers 5" in text


async def test_metrics_survive_a_silent_sdk() -> None:
    server = HealthServer(Health(), host="127.0.0.1", port=0, sdk_metrics_url="http://127.0.0.1:1/metrics")
    async with server:
        status, text = await fetch(server, "/metrics")
    assert status == 200
    assert "scm_calls" in text or "python_info" in text


def test_what_is_awaited_keeps_a_process_from_being_ready_until_it_has_come() -> None:
    health = Health()
    with pytest.raises(ZeroDivisionError), health.awaiting("clock", lambda: "it is off"):
        raise ZeroDivisionError
    assert (health.failing(health.ready), health.details["clock"]()) == (("clock",), "it is off")
    with health.awaiting("clock", str):
        assert health.failing(health.ready) == ("clock",)
    assert (health.ready, health.details) == ({}, {})


@pytest.mark.parametrize(
    "head", ["", "GET /healthz HTTP/1.1\r\nHost: pilo", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"]
)
async def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    # https://cloud.google.com/load-balancing/docs/https#timeouts_and_retries: a backend closes after the balancer.
    assert 600 < health.IDLE_SECONDS < 1200
    monkeypatch.setattr(health, "IDLE_SECONDS", 0.2)
    async with HealthServer(Health(), host="127.0.0.1", port=0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head.encode())
        async with asyncio.timeout(10):
            answered = await reader.read()
        assert answered.startswith(b"HTTP/1.1 200") == head.endswith("\r\n\r\n")
        writer.close()
