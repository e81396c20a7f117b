"""One trace from the watcher's start of a promotion, through Temporal's headers, to the call that a host gets."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from unittest.mock import Mock

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import Client
from temporalio.worker import Worker

from activities.models.tracking import Timings, TrackerRef, TrackerSpec
from providers.http import HttpClients, HttpOptions
from tests.activities.cluster import shop
from tests.activities.fakes import FakeReceivers, FakeSink
from worker.opening.resources import ClusterOpener
from worker.serving.process import build_worker
from worker.serving.registry import PROMOTIONS, Dependencies, build_activities
from worker.settings import Settings
from worker.temporal.connect import TemporalPlaces, connect
from worker.temporal.promotions import TemporalPromotions
from worker.tracing import trace_call
from workflows.identity import promotion_workflow_id

CALL = "GET api.github.com"
ACTIVITY = ("RunActivity:read_pull_request", "StartActivity:read_pull_request")
RUN, START = "RunWorkflow:PromotionWorkflow", "StartWorkflow:PromotionWorkflow"
QUEUES = (PROMOTIONS, "config", "scm")


def ancestry(span: ReadableSpan, known: dict[int, ReadableSpan]) -> list[str]:
    """Name a span and those that led to it, up to the first one."""
    names = [span.name]
    while span.parent is not None:
        span = known[span.parent.span_id]
        names.append(span.name)
    return names


async def test_start_workflow_activity_and_host_call_share_one_trace(
    temporal_server: str, monkeypatch: pytest.MonkeyPatch, spans: InMemorySpanExporter
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server)
    settings = Settings(installation=f"trace-{uuid.uuid4().hex[:8]}")
    attempt = TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=1)
    called: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        called.append(request)
        return httpx.Response(404, json={"message": "Not Found"})

    http = HttpClients(HttpOptions(transport=httpx.MockTransport(answer), trace=trace_call))
    watcher, client = await connect(), await connect()
    workers = _workers(client, settings, http)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(http.aclose)
        for worker in workers:
            await stack.enter_async_context(worker)
        promotions = TemporalPromotions(client=watcher, installation=settings.installation, timings=Timings())
        await promotions.start(attempt, TrackerSpec(repository="web", number=412, environment="dev"), generation=1)
        found = await _until_called(spans)
        identity = promotion_workflow_id(settings.installation, "shop", "web-412", "uid-1", 1)
        await client.get_workflow_handle(identity).terminate()

    known = {span.context.span_id: span for span in found if span.context is not None}
    by_name = {span.name: span for span in found}
    assert ancestry(by_name[CALL], known) == [CALL, *ACTIVITY, START]
    # The workflow's own work stands next to the activities that it starts: both follow from its start.
    assert ancestry(by_name[RUN], known) == [RUN, START]
    first = by_name[START].context
    assert first is not None
    assert called[0].headers["traceparent"].split("-")[1] == f"{first.trace_id:032x}"


def _workers(client: Client, settings: Settings, http: HttpClients) -> list[Worker]:
    kubernetes = shop().port()
    dependencies = Dependencies(
        kubernetes=kubernetes,
        opener=ClusterOpener(kubernetes, http, system_namespace="pilotage"),
        places=TemporalPlaces(client, settings.installation),
        receivers=FakeReceivers(),
        records=FakeSink(),
        postings=Mock(),
        commit_statuses=Mock(),
        sinks=Mock(),
    )
    activities = build_activities(dependencies)
    return [build_worker(client, settings, queue, activities.get(queue, ())) for queue in QUEUES]


async def _until_called(spans: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    """Return all spans once those between the start and a call have ended."""
    async with asyncio.timeout(60):
        while True:
            found = spans.get_finished_spans()
            if {CALL, *ACTIVITY, RUN, START} <= {span.name for span in found}:
                return found
            await asyncio.sleep(0.05)
