"""Traces from the tracker to the host's answer, through Temporal's headers; off without an OTLP endpoint.

The id of a promotion's trace follows from its workflow id, so that every watcher has the same, also after a restart.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import structlog
from opentelemetry import propagate, trace
from temporalio.client import Interceptor

from providers.tracing import NoSpan, Span
from worker.settings import EXIT_CODE

_logger = structlog.get_logger(__name__)

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
SERVICE_NAME = "pilotage"
FIRST_ERROR_STATUS = 400
_PROTOCOL = "http/protobuf"
_TRACE_ID_BYTES = 16

_followed: ContextVar[int] = ContextVar("followed", default=0)


def tracing_enabled() -> bool:
    """Whether an OTLP endpoint is set."""
    return any(os.environ.get(name) for name in ENDPOINT_VARIABLES)


def configure_tracing(process: str) -> None:
    """Export spans over OTLP/HTTP when an endpoint is set. Call once per process, before the first connection.

    Exits with code 2 where the endpoint is none, naming its variable.
    """
    if not tracing_enabled():
        return
    if wrong := _wrong_endpoint():
        _logger.error(f"{process} has a wrong setting", error=wrong)
        raise SystemExit(EXIT_CODE)
    for name in PROTOCOL_VARIABLES:
        if os.environ.get(name, _PROTOCOL) != _PROTOCOL:
            _logger.warning(f"{name} has no effect: spans are sent by {_PROTOCOL}, most often to port 4318")
    # Imported here: the exporter costs a tenth of a second at each start of the command line.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from worker.trace_ids import FollowedTraceIds

    attributes = {"service.name": SERVICE_NAME, "service.instance.id": f"{process}-{os.getpid()}"}
    provider = TracerProvider(resource=Resource.create(attributes), id_generator=FollowedTraceIds())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def _wrong_endpoint() -> str:
    """Return which endpoint no span could be sent to; the exporter would drop each of them."""
    for name in ENDPOINT_VARIABLES:
        value = os.environ.get(name, "").strip()
        if value and not value.lower().startswith(("http://", "https://")):
            return f"{name}: `{value[:80]}` is not allowed: a URL that starts with http:// or https:// is wanted"
    return ""


def trace_id_of(workflow_id: str) -> int:
    """Return the id of the trace that a promotion's spans belong to, of 128 bits."""
    return int.from_bytes(hashlib.sha256(workflow_id.encode()).digest()[:_TRACE_ID_BYTES], "big")


def follow_trace(workflow_id: str) -> None:
    """Have this task's spans without a parent belong to a promotion's trace; empty = each to its own."""
    _followed.set(trace_id_of(workflow_id) if workflow_id else 0)


def followed_trace() -> int:
    """Return the id of the trace that this task follows; 0 = none."""
    return _followed.get()


def flush_traces() -> None:
    """Send the spans that are still held, and export no more; nothing where tracing is off. Blocks for 30 s at most."""
    if not tracing_enabled():
        return
    from opentelemetry.sdk.trace import TracerProvider

    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def client_interceptors() -> Sequence[Interceptor]:
    """Return the interceptors of a Temporal client; workers built on it inherit them."""
    if not tracing_enabled():
        return ()
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return (TracingInterceptor(),)


@contextmanager
def trace_call(method: str, host: str) -> Iterator[Span]:
    """Open the client span of one round trip to a host; implements providers.tracing.Trace.

    It has method, host and status, or the kind of error: a path, a query or an error's text may hold what is secret.
    """
    if not tracing_enabled():
        yield NoSpan()
        return
    with trace.get_tracer(SERVICE_NAME).start_as_current_span(
        f"{method} {host}",
        kind=trace.SpanKind.CLIENT,
        attributes={"http.request.method": method, "server.address": host},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        headers: dict[str, str] = {}
        propagate.inject(headers)
        try:
            yield CallSpan(span, headers)
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise


class CallSpan:
    """Implement providers.tracing.Span."""

    def __init__(self, span: trace.Span, headers: Mapping[str, str]) -> None:
        self._span = span
        self.headers = headers

    def answered(self, status: int) -> None:
        """Note the status; one of 400 and above is an error, as OpenTelemetry wants it of clients."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= FIRST_ERROR_STATUS:
            _fail(self._span, str(status))


def _fail(span: trace.Span, kind: str) -> None:
    span.set_status(trace.Status(trace.StatusCode.ERROR))
    span.set_attribute("error.type", kind)
