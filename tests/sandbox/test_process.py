"""The sandbox as a process of its own."""

import asyncio
import re
import signal
import sys

import httpx


async def test_it_reports_when_it_is_ready_and_stops_when_asked() -> None:
    command = [sys.executable, "-m", "deploy.local.sandbox", "--port", "0", "--list-lag", "2"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        ready = re.fullmatch(r"sandbox ready on (http://127\.0\.0\.1:\d+)\n", line)
        assert ready is not None
        async with httpx.AsyncClient(base_url=ready[1]) as client:
            assert (await client.get("/healthz")).status_code == 200
            assert "acme/web" in (await client.get("/_state")).json()["github"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
