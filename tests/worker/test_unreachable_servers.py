"""Servers that are away, or let no one in: a process names which and what to set, and stays alive and not ready."""

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from temporalio.runtime import Runtime

import worker.temporal.connect
from deploy.local.environment.certificates import write_certificates
from deploy.local.environment.ports import free_port
from tests.worker.test_wrong_settings import KUBECONFIG, NOT_OURS, ROOT
from worker.temporal.connect import TemporalUnavailable, TemporalWait, connect, connect_patiently

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# https://httpwg.org/specs/rfc9113.html: a frame is length (3), type (1), flags (1), stream (4), payload.
PREFACE_BYTES, HEAD_BYTES = 24, 9
HEADERS, SETTINGS = 1, 4
END_STREAM_AND_HEADERS = 0x5


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def literal(name: str, value: str) -> bytes:
    """Write a header field that no table knows (RFC 7541, 6.2.2)."""
    return b"\0" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))


def refusal(message: str) -> bytes:
    """Write the whole answer of gRPC's status UNAUTHENTICATED."""
    fields = [("content-type", "application/grpc"), ("grpc-status", "16"), ("grpc-message", message)]
    return b"\x88" + b"".join(literal(*field) for field in fields)


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every call as a frontend does whose client's key has expired."""
    with closing(writer):
        await reader.readexactly(PREFACE_BYTES)
        writer.write(frame(SETTINGS, 0, 0))
        while head := await reader.read(HEAD_BYTES):
            length, kind, flags, stream = (
                int.from_bytes(head[:3], "big"),
                head[3],
                head[4],
                int.from_bytes(head[5:], "big"),
            )
            await reader.readexactly(length)
            if kind == SETTINGS and not flags:
                writer.write(frame(SETTINGS, 1, 0))
            elif kind == HEADERS:
                writer.write(frame(HEADERS, END_STREAM_AND_HEADERS, stream, refusal("Request unauthorized.")))


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a busy machine's handshake take as long as it does."""
    monkeypatch.setattr(worker.temporal.connect, "CONNECT_TIMEOUT", timedelta(minutes=1))


@asynccontextmanager
async def serving(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.usefixtures("patient")
async def test_a_key_that_is_not_accepted_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(refuse) as address:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        monkeypatch.setenv("TEMPORAL_TLS", "false")
        monkeypatch.setenv("TEMPORAL_API_KEY", "expired")
        with pytest.raises(TemporalUnavailable, match="Renew TEMPORAL_API_KEY") as caught:
            await connect()
    assert "expired" not in str(caught.value)


@pytest.mark.usefixtures("patient")
async def test_a_certificate_of_an_unknown_authority_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    async with serving(hang_up, context) as address:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        monkeypatch.setenv("TEMPORAL_TLS", "true")
        with pytest.raises(TemporalUnavailable, match="TEMPORAL_TLS_SERVER_CA_CERT_PATH") as caught:
            await connect()
    assert address in str(caught.value)


async def test_a_namespace_that_is_missing_is_waited_for_and_named_by_its_variable(
    temporal_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "missing")
    waiting = TemporalWait()
    connecting = asyncio.create_task(connect_patiently(runtime=Runtime.default(), waiting=waiting))
    async with asyncio.timeout(60):
        while not waiting.problem:  # noqa: ASYNC110 the server's answer brings it about
            await asyncio.sleep(0.02)
    problem = waiting.problem
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "default")
    assert (await connecting).namespace == "default"
    assert ("TEMPORAL_NAMESPACE" in problem, waiting.problem) == (True, "")


@pytest.mark.parametrize("process", ["worker", "watcher", "receiver"])
async def test_without_servers_a_process_names_both_soon_and_is_alive_but_not_ready(
    process: str, tmp_path: Path
) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)},
        "PILOTAGE_INSTALLATION": "process",
        "PILOTAGE_HTTP_HOST": "127.0.0.1",
        "PILOTAGE_HTTP_PORT": str(port),
        "PILOTAGE_KUBECONFIG": str(tmp_path / "kubeconfig"),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
    }
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", process), cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert started.stderr is not None
    log = ""
    try:
        # The promise is ten seconds; what is in a machine's way, a suite's timeout judges.
        while not ("TEMPORAL_ADDRESS" in log and "the API server cannot be reached" in log):
            line = (await started.stderr.readline()).decode()
            assert line, f"it ended: {log}"
            log += line
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            ready, alive = await client.get("/readyz"), await client.get("/healthz")
    finally:
        started.send_signal(signal.SIGTERM)
        await asyncio.wait_for(started.communicate(), timeout=30)
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert {"temporal", "rights"} <= set(ready.json()["failing"])
    assert "TEMPORAL_ADDRESS" in ready.json()["details"]["temporal"]
    assert "the API server cannot be reached" in ready.json()["details"]["rights"]
    assert started.returncode == 0
