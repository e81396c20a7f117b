"""Log lines: both formats, the ids of the workflow, no credential."""

import json
import logging
from dataclasses import replace
from uuid import uuid4

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from activities.redaction import reading_secrets
from tests.worker.logging_workflow import LoggingWorkflow
from worker.logs import add_trace_context, configure_logs, tracker_of
from worker.temporal.sandbox import workflow_runner


def test_a_json_line_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="json", level="info")
    structlog.get_logger("a").info("started", port=1)
    logging.getLogger("b").warning("from %s", "a library")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["port"], first["level"]) == ("started", 1, "info")
    assert (second["event"], second["logger"]) == ("from a library", "b")


def test_a_console_line_reads_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="console", level="info")
    structlog.get_logger("a").info("started", port=1)
    structlog.get_logger("a").debug("hidden")
    text = capsys.readouterr().err
    assert "started" in text
    assert "hidden" not in text


def test_a_text_of_several_terms_is_quoted_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="console", level="info")
    structlog.get_logger("a").info("waits", error="no answer", quoted="the 'key' of \"x\"", plain="web-412")
    text = capsys.readouterr().err
    assert "error='no answer'" in text
    assert "quoted='the \\'key\\' of \"x\"'" in text
    assert "plain=web-412" in text


def test_an_event_below_the_level_costs_no_redaction(monkeypatch: pytest.MonkeyPatch) -> None:
    redacted: list[str] = []

    def note(text: str) -> str:
        redacted.append(text)
        return text

    monkeypatch.setattr("worker.logs.redact", note)
    configure_logs(style="json", level="info")
    structlog.get_logger("a").debug("hidden", namespace="shop")
    assert redacted == []
    structlog.get_logger("a").info("shown", namespace="shop")
    assert "shop" in redacted


async def test_every_line_of_an_activity_names_tracker_workflow_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="json", level="info")
    environment = ActivityEnvironment()
    workflow_id = "promotion/east/shop/web-412/uid/1"
    environment.info = replace(environment.info, workflow_id=workflow_id, workflow_run_id="run-1")

    async def log() -> None:
        structlog.get_logger("a").info("calling")

    await environment.run(log)
    line = json.loads(capsys.readouterr().err)
    assert (line["tracker"], line["workflow_id"], line["run_id"]) == ("shop/web-412", workflow_id, "run-1")


async def test_every_line_of_a_workflow_names_tracker_workflow_and_run(
    temporal_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(style="json", level="info")
    client = await Client.connect(temporal_server)
    workflow_id, queue = f"promotion/east/shop/web-412/{uuid4()}/1", f"logging-{uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[LoggingWorkflow], workflow_runner=workflow_runner()):
        handle = await client.start_workflow(LoggingWorkflow.run, id=workflow_id, task_queue=queue)
        await handle.result()
    (line,) = [one for one in map(json.loads, capsys.readouterr().err.splitlines()) if "refused" in one["event"]]
    assert line["event"] == "status was refused"
    assert (line["tracker"], line["workflow_id"]) == ("shop/web-412", workflow_id)
    assert line["run_id"] == handle.first_execution_run_id


@pytest.mark.parametrize(
    ("workflow_id", "tracker"),
    [
        ("promotion/east/shop/web-412/uid/1", "shop/web-412"),
        ("environment/east/shop/dev/web", ""),
        ("anything", ""),
    ],
)
def test_only_promotions_have_a_tracker(workflow_id: str, tracker: str) -> None:
    assert tracker_of(workflow_id) == tracker


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_credential_reaches_a_line(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style=style, level="info")  # type: ignore[arg-type]
    with reading_secrets() as known:
        known.remember(["s3cr3t-of-the-ci-system"])
        logger = structlog.get_logger("a")
        logger.info("s3cr3t-of-the-ci-system in the text", token="plain-text-token", nested={"password": "pass-part-1"})
        logger.info("call", url="https://user:p4ssw0rd-9@host/x", header=["Bearer abcdefghijkl"])
        try:
            raise ValueError("host answered s3cr3t-of-the-ci-system")
        except ValueError:
            logger.exception("failed")
    text = capsys.readouterr().err
    for secret in ("s3cr3t", "plain-text-token", "pass-part-1", "p4ssw0rd", "abcdefghijkl"):
        assert secret not in text
    assert "failed" in text


def test_a_line_within_a_span_names_its_trace(spans: InMemorySpanExporter) -> None:
    with trace.get_tracer("test").start_as_current_span("work") as span:
        line = add_trace_context(None, "info", {"event": "done"})
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert add_trace_context(None, "info", {"event": "done"}) == {"event": "done"}
    assert len(spans.get_finished_spans()) == 1
