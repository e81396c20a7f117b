"""Traces: off without an endpoint, exported and carried to hosts with one."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from providers.endpoint import Endpoint
from providers.errors import ProviderUnavailable
from providers.http import HttpClients, HttpOptions
from providers.messages import Request
from providers.models import Credential
from worker.tracing import client_interceptors, configure_tracing, trace_call, tracing_enabled

ROOT = Path(__file__).parents[2]
TOKEN = "s3cr3t-of-the-host"
# The provider of traces can be set once in a process, so that this one is a process of its own.
TRACED = """
from opentelemetry import trace
from worker.tracing import client_interceptors, configure_tracing, trace_call
configure_tracing("worker")
with trace.get_tracer("test").start_as_current_span("promote web-412"):
    with trace_call("GET", "api.github.com") as span:
        print(span.headers["traceparent"], len(client_interceptors()))
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Serve an OTLP endpoint that keeps what it is sent."""
    received: list[tuple[str, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
            """Stay silent."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_nothing_is_traced_without_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    configure_tracing("worker")
    assert not tracing_enabled()
    with trace_call("GET", "api.github.com") as span:
        span.answered(200)
        assert (client_interceptors(), span.headers) == ((), {})


def test_spans_are_exported_and_carried_to_hosts(collector: tuple[str, list[tuple[str, bytes]]]) -> None:
    endpoint, received = collector
    done = subprocess.run(
        [sys.executable, "-c", TRACED],
        cwd=ROOT,
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    header, interceptors = done.stdout.split()
    assert (header.count("-"), interceptors) == (3, "1")
    assert [path for path, _ in received] == ["/v1/traces"]
    assert b"promote web-412" in received[0][1]
    assert b"GET api.github.com" in received[0][1]


def endpoint(http: HttpClients) -> Endpoint:
    """Open a host whose credential is in the header, and in whatever a test puts it."""
    return Endpoint(
        http=http,
        base_url="https://host.example.com/ctx",
        credential=Credential(data={"token": TOKEN}),
        record=lambda _: None,
        headers={"Authorization": f"Bearer {TOKEN}"},
    )


def text_of(span: ReadableSpan) -> str:
    """Return everything that is exported of a span."""
    return str(span.to_json())


async def test_a_call_to_a_host_is_a_client_span_that_its_header_names(spans: InMemorySpanExporter) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    options = HttpOptions(transport=httpx.MockTransport(answer), trace=trace_call)
    with trace.get_tracer("test").start_as_current_span("RunActivity:read_pull_request") as activity:
        await endpoint(HttpClients(options)).call(
            Request(method="GET", path="/repos/x", operation="get", query={"token": TOKEN})
        )
    call, _ = spans.get_finished_spans()
    assert (call.name, call.kind) == ("GET host.example.com", trace.SpanKind.CLIENT)
    assert call.attributes == {
        "http.request.method": "GET",
        "server.address": "host.example.com",
        "http.response.status_code": 200,
    }
    assert call.parent is not None
    assert call.context is not None
    assert call.parent.span_id == activity.get_span_context().span_id
    _, trace_id, parent_id, _ = seen[0].headers["traceparent"].split("-")
    assert (int(trace_id, 16), int(parent_id, 16)) == (call.context.trace_id, call.context.span_id)
    assert TOKEN not in text_of(call)
    assert "/repos" not in text_of(call)


@pytest.mark.parametrize(
    ("failure", "kind", "status"),
    [
        (httpx.Response(503, text=f"no {TOKEN} here"), "503", 503),
        (httpx.ConnectError(f"no route to {TOKEN}"), "ConnectError", None),
    ],
)
async def test_a_call_that_fails_is_an_error_without_its_text(
    spans: InMemorySpanExporter, failure: httpx.Response | Exception, kind: str, status: int | None
) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        if isinstance(failure, Exception):
            raise failure
        return failure

    options = HttpOptions(transport=httpx.MockTransport(answer), trace=trace_call)
    with pytest.raises(ProviderUnavailable):
        await endpoint(HttpClients(options)).call(Request(method="POST", path="/x", operation="trigger"))
    (call,) = spans.get_finished_spans()
    assert call.attributes is not None
    assert (call.attributes["error.type"], call.attributes.get("http.response.status_code")) == (kind, status)
    assert call.status.status_code is trace.StatusCode.ERROR
    assert TOKEN not in text_of(call)


async def test_the_span_of_a_stream_ends_when_it_is_open(spans: InMemorySpanExporter) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="one\ntwo\n"))
    options = HttpOptions(transport=transport, trace=trace_call)
    lines = endpoint(HttpClients(options)).lines(Request(method="GET", path="/x", operation="watch"))
    assert await anext(lines) == b"one"
    assert [span.name for span in spans.get_finished_spans()] == ["GET host.example.com"]
    await lines.aclose()
