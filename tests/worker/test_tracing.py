"""Traces: off without an endpoint, exported and carried to hosts with one."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.tracing import client_interceptors, configure_tracing, trace_headers, tracing_enabled

ROOT = Path(__file__).parents[2]
# The provider of traces can be set once in a process, so that this one is a process of its own.
TRACED = """
from opentelemetry import trace
from worker.tracing import client_interceptors, configure_tracing, trace_headers
configure_tracing("worker")
with trace.get_tracer("test").start_as_current_span("promote web-412"):
    print(trace_headers()["traceparent"], len(client_interceptors()))
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
    assert (client_interceptors(), trace_headers()) == ((), {})


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
