"""A receiver of spans for tests: OTLP over HTTP, as the processes' exporter sends them."""

import http.server
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATH = "/v1/traces"


@dataclass(frozen=True, kw_only=True)
class ReceivedSpan:
    """What is kept of a span."""

    process: str
    """`service.instance.id`: the process's name and number."""
    name: str


class SpanReceiver:
    """Serves until it is left, on a port of its own; a context manager."""

    def __init__(self) -> None:
        self._traces: defaultdict[str, set[ReceivedSpan]] = defaultdict(set)
        received = self._received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == PATH:
                    received(ExportTraceServiceRequest.FromString(body))
                self.send_response(200 if self.path == PATH else 404)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
                """Stay silent."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """The value of `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def spans(self, trace_id: str) -> frozenset[ReceivedSpan]:
        """Return what came of one trace so far."""
        return frozenset(self._traces.get(trace_id, ()))

    def _received(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
            process = attributes.get("service.instance.id", "")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._traces[span.trace_id.hex()].add(ReceivedSpan(process=process, name=span.name))
