"""Spans of runs and deliveries, with the attributes that OpenTelemetry names for CI/CD and deployments.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/cicd/ and …/deployment/. Without an exporter
(`worker/tracing.py`) each of these is a span that records nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

from activities.models.testing import RunRef, RunReport, RunState, TriggerTestInput

_TRACER = "pilotage"
RESULTS = {
    RunState.PASSED: "success",
    RunState.FAILED: "failure",
    RunState.TIMED_OUT: "timeout",
    RunState.CANCELLED: "cancellation",
    RunState.ERROR: "error",
}
"""Verdict -> `cicd.pipeline.result`."""


class RunSpan:
    """Describe one run as it becomes known."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def started(self, run: RunRef) -> None:
        """Name the run."""
        self._span.set_attributes({"cicd.pipeline.run.id": run.id, "cicd.pipeline.run.url.full": run.url})

    def read(self, report: RunReport) -> None:
        """Note what a poll found; a run that goes on has no result."""
        self.started(report.run)
        if report.failure is not None:
            self._span.set_attribute("error.type", report.failure.kind.value)
            self._span.set_status(trace.Status(trace.StatusCode.ERROR))
        elif report.state in RESULTS:
            self._span.set_attribute("cicd.pipeline.result", RESULTS[report.state])


@contextmanager
def trigger_span(request: TriggerTestInput) -> Iterator[RunSpan]:
    """Trace the trigger of one test."""
    attributes = {
        "cicd.pipeline.name": request.job,
        "cicd.pipeline.action.name": "RUN",
        "cicd.pipeline.task.name": request.test,
        "cicd.pipeline.task.type": "test",
        "cicd.worker.name": request.runner,
        "deployment.environment.name": request.variables.get("sourceEnvironment", ""),
    }
    with _span(f"RUN {request.job}", attributes) as span:
        yield RunSpan(span)


@contextmanager
def poll_span(ref: RunRef) -> Iterator[RunSpan]:
    """Trace one look at one run."""
    with _span(f"poll {ref.job}", {"cicd.pipeline.name": ref.job, "cicd.worker.name": ref.runner}) as span:
        yield RunSpan(span)


def describe_delivery(*, environment: str, deployment: str, key: str) -> None:
    """Add to the span at hand what is deployed where."""
    trace.get_current_span().set_attributes(
        {"deployment.environment.name": environment, "deployment.name": deployment, "deployment.id": key}
    )


@contextmanager
def _span(name: str, attributes: dict[str, str]) -> Iterator[trace.Span]:
    # An error's text may hold what is secret; who reports it has redacted it.
    with trace.get_tracer(_TRACER).start_as_current_span(
        name,
        attributes={key: value for key, value in attributes.items() if value},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.Status(trace.StatusCode.ERROR))
            raise
