"""What a trace shows of a run at a CI system and of a delivery, by the names of the semantic conventions."""

from dataclasses import replace

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.models.testing import PollTestsInput, RunRef, RunState, TriggerTestInput
from activities.spans import RESULTS, describe_delivery
from activities.test_runs import CiActivities
from providers.errors import ProviderUnauthorized
from providers.models import RunPhase
from tests.activities.fakes import FakeOpener, FakeRuns

REQUEST = TriggerTestInput(
    namespace="shop",
    runner="jenkins",
    job="web/e2e",
    key="k1",
    parameters={},
    variables={"sourceEnvironment": "dev"},
    test="e2e",
)
REF = RunRef(runner="jenkins", job="web/e2e", key="k1", id="1")


def attributes(spans: InMemorySpanExporter, name: str) -> dict[str, object]:
    [found] = [one for one in spans.get_finished_spans() if one.name == name]
    return dict(found.attributes or {})


async def test_a_trigger_names_pipeline_test_environment_and_run(
    environment: ActivityEnvironment, spans: InMemorySpanExporter
) -> None:
    await environment.run(CiActivities(FakeOpener(runs=FakeRuns())).trigger_test, REQUEST)
    shown = attributes(spans, "RUN web/e2e")
    assert shown["cicd.pipeline.name"] == "web/e2e"
    assert shown["cicd.pipeline.task.name"] == "e2e"
    assert shown["cicd.pipeline.run.id"] == "1"
    assert shown["deployment.environment.name"] == "dev"


async def test_a_trigger_that_is_refused_is_an_error_without_its_text(
    environment: ActivityEnvironment, spans: InMemorySpanExporter
) -> None:
    runs = FakeRuns()
    runs.errors["create"] = [ProviderUnauthorized("bad token s3cr3t")]
    with pytest.raises(ApplicationError):
        await environment.run(CiActivities(FakeOpener(runs=runs)).trigger_test, REQUEST)
    [span] = [one for one in spans.get_finished_spans() if one.name == "RUN web/e2e"]
    assert span.status.status_code is StatusCode.ERROR
    assert "s3cr3t" not in span.to_json()


@pytest.mark.parametrize(("phase", "result"), [(RunPhase.PASSED, "success"), (RunPhase.FAILED, "failure")])
async def test_a_poll_that_reads_a_verdict_names_the_result(
    phase: RunPhase, result: str, environment: ActivityEnvironment, spans: InMemorySpanExporter
) -> None:
    runs = FakeRuns()
    runs.add("k1", phase)
    request = PollTestsInput(namespace="shop", runs=(REF,))
    await environment.run(CiActivities(FakeOpener(runs=runs)).poll_tests, request)
    assert attributes(spans, "poll web/e2e")["cicd.pipeline.result"] == result


async def test_a_run_that_goes_on_has_no_result(environment: ActivityEnvironment, spans: InMemorySpanExporter) -> None:
    runs = FakeRuns()
    runs.add("k1", RunPhase.RUNNING)
    request = PollTestsInput(namespace="shop", runs=(replace(REF, url="https://ci.example/1"),))
    await environment.run(CiActivities(FakeOpener(runs=runs)).poll_tests, request)
    assert "cicd.pipeline.result" not in attributes(spans, "poll web/e2e")


def test_every_verdict_has_its_result() -> None:
    assert {state for state in RunState if state.final} == RESULTS.keys()


def test_a_delivery_describes_the_span_at_hand(spans: InMemorySpanExporter) -> None:
    with trace.get_tracer("test").start_as_current_span("RunActivity:deliver_application"):
        describe_delivery(environment="staging", deployment="web", key="k")
    shown = attributes(spans, "RunActivity:deliver_application")
    assert (shown["deployment.environment.name"], shown["deployment.name"]) == ("staging", "web")
