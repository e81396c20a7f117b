"""Hosts that answer from memory, and spans that are kept instead of sent."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from providers.http import HttpClients, HttpOptions

Opener = Callable[[Callable[[httpx.Request], httpx.Response]], HttpClients]


@pytest.fixture
async def open_http() -> AsyncIterator[Opener]:
    """Return a function that builds HTTP clients over a handler of requests."""
    opened: list[HttpClients] = []

    def build(handler: Callable[[httpx.Request], httpx.Response]) -> HttpClients:
        opened.append(HttpClients(HttpOptions(transport=httpx.MockTransport(handler))))
        return opened[-1]

    yield build
    for clients in opened:
        await clients.aclose()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Turn tracing on for one test; the provider of a process can be set only once, so it is put in its place."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()
