"""Traces from the tracker to the host's answer, through Temporal's headers; off without an OTLP endpoint."""

import os
from collections.abc import Mapping, Sequence

from opentelemetry import propagate, trace
from temporalio.client import Interceptor

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE_NAME = "pilotage"


def tracing_enabled() -> bool:
    """Whether an OTLP endpoint is set."""
    return any(os.environ.get(name) for name in ENDPOINT_VARIABLES)


def configure_tracing(process: str) -> None:
    """Export spans over OTLP/HTTP when an endpoint is set. Call once per process, before the first connection."""
    if not tracing_enabled():
        return
    # Imported here: the exporter costs a tenth of a second at each start of the command line.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    attributes = {"service.name": SERVICE_NAME, "service.instance.id": f"{process}-{os.getpid()}"}
    provider = TracerProvider(resource=Resource.create(attributes))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


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


def trace_headers() -> Mapping[str, str]:
    """Return the headers that carry the current span to a host; none while tracing is off."""
    headers: dict[str, str] = {}
    if tracing_enabled():
        propagate.inject(headers)
    return headers
