"""What machines and people read of a process: no credential in any of it, and no text that forges a line."""

import asyncio
import base64
import io
import json
import logging
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import httpx
import pytest
import structlog
from aiohttp import web
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from providers.errors import ProviderError
from providers.http import HttpOptions
from tests.providers.fuzzing.answers import answer_of
from tests.providers.fuzzing.mutations import sent
from tests.providers.fuzzing.operations import APP, OPERATIONS, kind_of
from tests.providers.hosts import TOKEN, MemoryClients
from worker.health import Health, HealthServer
from worker.logs import configure_logs
from worker.tracing import trace_call

ROOT = Path(__file__).parents[2]
STYLES: tuple[Literal["json", "console"], ...] = ("json", "console")
FORGED = "2026-01-01T00:00:00Z [error    ] the database is gone tracker=shop/web-1"
FORGED_JSON = json.dumps({"event": "the database is gone", "level": "error"})
LINE_ENDS = ("\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")


@dataclass(kw_only=True)
class Echo:
    """A host that answers well, but for one request, whose answer holds all that was sent with it."""

    kind: str
    status: int
    at: int = -1
    requests: int = 0
    credentials: set[str] = field(default_factory=set)
    """What was sent as one, as it was sent."""

    def handle(self, request: httpx.Request) -> httpx.Response:
        index, self.requests = self.requests, self.requests + 1
        for name in ("authorization", "private-token", "jenkins-crumb"):
            self.credentials |= {request.headers.get(name, "").rpartition(" ")[2]}
        self.credentials |= {pair.partition("=")[2] for pair in request.headers.get("cookie", "").split("; ")}
        if index != self.at:
            answer = answer_of(self.kind, request.method, request.url.raw_path.decode())
            if answer is None:
                # Where the odd answer led.
                return httpx.Response(404)
            good = sent(answer)
            headers = {name: value.decode() for name, value in good.headers}
            return httpx.Response(good.status, headers=headers, content=b"".join(good.chunks))
        request_text = f"{request.headers.multi_items()} {request.content!r} {request.url}"
        credentials = quote("".join(sorted(self.credentials)))
        headers = {"x-echo": credentials, "location": f"/login/{credentials}?{credentials}"}
        return httpx.Response(self.status, headers=headers, json={"message": request_text, "error": request_text})


def _written(style: Literal["json", "console"], level: str) -> io.StringIO:
    configure_logs(style=style, level=level)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream := io.StringIO())
    return stream


@pytest.mark.parametrize("style", STYLES)
async def test_to_read_credentials_from_debug_logs_traces_and_metrics(
    style: Literal["json", "console"], spans: InMemorySpanExporter
) -> None:
    log = _written(style, "debug")
    basic = base64.b64encode(f"bot:{TOKEN}".encode()).decode()
    canaries = {"trigger-token", *APP["privateKey"].splitlines()[1:-1]}
    sent_ones: set[str] = set()
    errors: list[str] = []
    for name, operation in OPERATIONS.items():
        for status in (302, 401, 500):
            echo = Echo(kind=kind_of(name), status=status)
            http = MemoryClients(HttpOptions(transport=httpx.MockTransport(echo.handle), trace=trace_call))
            with trace.get_tracer("test").start_as_current_span(f"RunActivity:{name}"):
                for at in range(2):
                    echo.requests, echo.at = 0, at
                    try:
                        await operation(http)
                    except ProviderError as error:
                        errors.append(str(error))
                        structlog.get_logger("activities").debug("refused", error=str(error), exc_info=True)
            await http.aclose()
            sent_ones |= {value for value in echo.credentials if len(value) > 8}
    canaries |= sent_ones
    read = {
        "errors": "\n".join(errors),
        "logs": log.getvalue(),
        "traces": "\n".join(str(span.to_json()) for span in spans.get_finished_spans()),
        "metrics": generate_latest().decode(),
    }
    # What is searched is proved by what must be found.
    assert sent_ones >= {TOKEN, basic, "minted-token"}
    assert any(value.count(".") == 2 for value in sent_ones), "no App signed a token"
    assert len(errors) > 200
    assert "API call" in read["logs"]
    assert "refused" in read["logs"]
    assert "GET github.example.com" in read["traces"]
    assert "scm_calls_total" in read["metrics"]
    leaks = {
        (place, text[max(0, found - 80) : found + 40])
        for place, text in read.items()
        for canary in canaries
        if (found := text.find(canary)) >= 0
    }
    assert leaks == set()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("end", LINE_ENDS)
def test_to_forge_a_line_of_the_log(style: Literal["json", "console"], end: str) -> None:
    log = _written(style, "debug")
    text = f"a title{end}{FORGED}{end}{FORGED_JSON}{end}"
    own, foreign = structlog.get_logger("a"), logging.getLogger("some.library")
    own.info(text, title=text, nested={text: [text]}, several=[text])
    foreign.warning("a library logs %s", text)
    foreign.warning(text)
    lines = log.getvalue().splitlines()
    assert len(lines) == 3
    if style == "json":
        assert [json.loads(line)["level"] for line in lines] == ["info", "warning", "warning"]
    assert not any(line.startswith((FORGED[:10], FORGED_JSON[:10])) and "gone" in line[:60] for line in lines)


@pytest.mark.parametrize("style", STYLES)
def test_to_forge_a_line_by_what_a_library_warns_of(style: str) -> None:
    program = (
        "import warnings; from worker.logs import configure_logs\n"
        f"configure_logs(style={style!r}, level='info')\n"
        f"warnings.warn('odd: a\\n' + {FORGED!r} + '\\n' + {FORGED_JSON!r})\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = ran.stderr.splitlines()
    assert "odd: a" in line


CANARY = "a-token-of-webhooks"
HEAD = "POST /hooks/shop/GitRepository/web HTTP/1.1\r\nHost: pilotage"
NO_HTTP = (
    f"{HEAD}\r\nX-Gitlab-Token: {CANARY}\x01\r\n\r\n",
    f"{HEAD}\r\nAuthorization: Bearer {CANARY}{'a' * 16_000}\r\n\r\n",
    f"{HEAD}\r\nX-Gitlab-Token : {CANARY}\r\n\r\n",
    f"{HEAD}\r\nX-Gitlab-Token: {CANARY}\r\nContent-Length: many\r\n\r\n",
    f"POST /hooks/shop/GitRepository/web?token={CANARY} HTTP/1.1 {FORGED}\r\n\r\n",
)


@pytest.mark.parametrize("sent_text", NO_HTTP)
async def test_to_fill_the_log_with_what_is_no_http(sent_text: str) -> None:
    async def fails(_request: web.Request) -> web.Response:
        raise ZeroDivisionError

    log = _written("json", "info")
    async with HealthServer(Health(), host="127.0.0.1", port=0, routes=[web.get("/fails", fails)]) as server:
        for _ in range(3):
            assert b" 400 " in await _answer_to(server.port, sent_text)
        lines = log.getvalue().splitlines()
        assert (len(lines), CANARY in log.getvalue()) == (1, False), lines
        # A defect of ours stays visible.
        assert b" 500 " in await _answer_to(server.port, "GET /fails HTTP/1.1\r\nHost: a\r\n\r\n")
    assert "ZeroDivisionError" in log.getvalue()


async def _answer_to(port: int, text: str) -> bytes:
    """Send a text to a server of this machine and return the beginning of what it answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text.encode())
        async with asyncio.timeout(10):
            return await reader.readline()
    finally:
        writer.close()
