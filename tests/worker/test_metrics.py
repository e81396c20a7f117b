"""What `/metrics` of a process shows after work at a real Temporal server, and that the documents name all of it."""

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.metrics import Count
from activities.models.testing import PollTestsInput, RunRef, TriggerTestInput
from activities.test_runs import CiActivities
from providers import metrics as provider_metrics
from providers.models import RunPhase
from tests.activities.fakes import FakeOpener, FakeRuns
from worker.health import Health, HealthServer
from worker.receiver.metrics import FluxMetrics, ReceiverMetrics
from worker.settings import describe_settings
from worker.temporal.connect import connect, create_telemetry
from worker.watcher.metrics import WatcherMetrics

DOCS = Path(__file__).parents[2] / "docs"
METRICS, SETTINGS = DOCS / "reference" / "metrics.md", DOCS / "reference" / "cli.md"
SOON = timedelta(seconds=20)


@workflow.defn(sandboxed=False)
class CountedWork:
    """Find one run twice, create another, and poll both."""

    @workflow.run
    async def run(self) -> None:
        """Do what is counted."""
        for key in ("twice", "new"):
            request = TriggerTestInput(
                namespace="shop", runner="jenkins", job="e2e", key=key, parameters={}, variables={}
            )
            await workflow.execute_activity("trigger_test", request, start_to_close_timeout=SOON)
        runs = (
            RunRef(runner="jenkins", job="e2e", key="twice", id="1"),
            RunRef(runner="jenkins", job="e2e", key="new", id="3"),
        )
        poll = PollTestsInput(namespace="shop", runs=runs)
        await workflow.execute_activity("poll_tests", poll, start_to_close_timeout=SOON)


async def test_triggers_polls_and_duplicates_of_a_worker_are_on_its_metrics_page(
    temporal_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server)
    telemetry, queue = create_telemetry(), f"counted-{uuid4()}"
    client = await connect(runtime=telemetry.runtime)
    runs = FakeRuns()
    runs.add("twice", RunPhase.PASSED)
    runs.add("twice", RunPhase.QUEUED)
    ci = CiActivities(FakeOpener(runs=runs))
    server = HealthServer(Health(), host="127.0.0.1", port=0, sdk_metrics_url=telemetry.metrics_url)
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[CountedWork],
        activities=[ci.trigger_test, ci.poll_tests],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with server, worker:
        await client.execute_workflow(CountedWork.run, id=queue, task_queue=queue)
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{server.port}/metrics") as page:
            text = await page.text()
    shown = {family.name: family for family in text_string_to_metric_families(text)}
    common = {"namespace": "shop", "runner": "jenkins"}
    assert value(shown[Count.TRIGGERS], **common, result="found") == 1
    assert value(shown[Count.TRIGGERS], **common, result="created") == 1
    assert value(shown[Count.DUPLICATE_RUNS], **common) == 1
    assert value(shown[Count.POLLS], **common, state="Passed") == 1
    assert "temporal_num_pollers" in shown
    assert {f"{counter}_total" for counter in Count} <= documented().keys()


def value(family: Metric, **labels: str) -> float:
    """Add up what a metric shows under these labels."""
    return sum(
        one.value for one in family.samples if one.name.endswith("_total") and labels.items() <= one.labels.items()
    )


def documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Read kind and labels of each metric from the table of the documents."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \| (.*?) \|", METRICS.read_text(), re.MULTILINE)
    return {name: (kind, tuple(re.findall(r"`([a-z_]+)`", labels))) for name, kind, labels in rows}


def ours() -> Iterable[MetricWrapperBase]:
    """Return every collector that our processes register, those of watcher and receiver in a registry of their own."""
    registry = CollectorRegistry()
    WatcherMetrics(registry)
    ReceiverMetrics(registry)
    FluxMetrics(registry)
    for known in (registry, REGISTRY):
        for name, collector in known._names_to_collectors.items():
            if not name.startswith(("python_", "process_")):
                assert isinstance(collector, MetricWrapperBase)
                yield collector


def test_the_documents_name_every_metric_with_its_kind_and_labels() -> None:
    assert provider_metrics.SCM_CALLS in set(ours())
    registered = {}
    for collector in ours():
        (metric,) = collector.describe()
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        registered[name] = (metric.type, tuple(collector._labelnames))
    shown = documented()
    # These are kept by the SDK's meter.
    metered = {name: shown.pop(f"{name}_total")[0] for name in Count}
    assert metered == dict.fromkeys(Count, "counter")
    assert shown == registered


def test_the_documents_name_every_setting() -> None:
    text = SETTINGS.read_text()
    assert [variable for variable, _, _ in describe_settings() if f"`{variable}`" not in text] == []
