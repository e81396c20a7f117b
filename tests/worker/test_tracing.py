"""Traces: off without an endpoint, exported and carried to hosts with one."""

import subprocess
import sys
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
from tests.otlp import ReceivedSpan, SpanReceiver
from worker.tracing import (
    client_interceptors,
    configure_tracing,
    follow_trace,
    trace_call,
    trace_id_of,
    tracing_enabled,
)

ROOT = Path(__file__).parents[2]
TOKEN = "s3cr3t-of-the-host"
PROMOTION = "promotion/local/shop/web-412/1/uid-1"
# The provider of traces can be set once in a process, so that this one is a process of its own.
TRACED = """
import os
from opentelemetry import trace
from worker.tracing import client_interceptors, configure_tracing, flush_traces, follow_trace, trace_call
configure_tracing("worker")
follow_trace("promotion/local/shop/web-412/1/uid-1")
with trace.get_tracer("test").start_as_current_span("promote web-412"):
    with trace_call("GET", "api.github.com") as span:
        print(os.getpid(), span.headers["traceparent"], len(client_interceptors()))
flush_traces()
"""


def test_nothing_is_traced_without_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    configure_tracing("worker")
    assert not tracing_enabled()
    with trace_call("GET", "api.github.com") as span:
        span.answered(200)
        assert (client_interceptors(), span.headers) == ((), {})


def test_spans_are_exported_and_carried_to_hosts() -> None:
    with SpanReceiver() as receiver:
        done = subprocess.run(
            [sys.executable, "-c", TRACED],
            cwd=ROOT,
            env={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "PATH": ""},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    pid, header, interceptors = done.stdout.split()
    assert interceptors == "1"
    trace_id = header.split("-")[1]
    # The id that follows from the workflow's, in whatever process.
    assert trace_id == f"{trace_id_of(PROMOTION):032x}"
    process = f"worker-{pid}"
    assert receiver.spans(trace_id) == {
        ReceivedSpan(process=process, name="promote web-412"),
        ReceivedSpan(process=process, name="GET api.github.com"),
    }


def test_what_follows_no_promotion_has_a_trace_of_its_own(spans: InMemorySpanExporter) -> None:
    tracer = trace.get_tracer("test")
    for followed in (PROMOTION, PROMOTION, "", ""):
        follow_trace(followed)
        tracer.start_span("look").end()
    ids = [span.context.trace_id for span in spans.get_finished_spans() if span.context is not None]
    assert ids[:2] == [trace_id_of(PROMOTION)] * 2
    assert len(set(ids)) == 3


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
