"""Real servers for the tests that ask for them. Pure tests start nothing."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import certifi
import pytest
import structlog
from hypothesis import HealthCheck, settings

from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests import pace
from tests.worlds.stage import VirtualTime

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

COLLECT_AFTER = 20_000
"""Objects after which Python looks for garbage."""
# Held against material that `make conformance` fetches first.
collect_ignore = [] if os.environ.get("PILOTAGE_CONFORMANCE") else ["conformance"]


def _terminated(_number: int, _frame: FrameType | None) -> None:
    pytest.exit("terminated", returncode=143)


def pytest_configure(config: pytest.Config) -> None:
    # By default SIGTERM would end the run without tearing down fixtures, and so without stopping servers.
    signal.signal(signal.SIGTERM, _terminated)
    # How fast a machine is shows nothing about what is tested.
    settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("suite")
    os.environ.update(pace.FRUGAL)
    # Twelve thousand tests and what they import stay: to look for garbage among them takes a third of collecting them.
    gc.disable()
    if worker := getattr(config, "workerinput", None):
        pace.own_ports(int(worker["workerid"].removeprefix("gw")), worker["workercount"])


def pytest_sessionstart(session: pytest.Session) -> None:
    pace.answer_at_once(session.config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        pace.longest_first(items)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    # Tests leave little garbage that only a search finds, and the usual 700 objects cost them 4 % of their time.
    gc.set_threshold(COLLECT_AFTER)
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    # Only here: who runs tests in one process needs no xdist.
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduler: Any = LoadScopeScheduling(config, log)
    scheduler._split_scope = pace.share_of
    return scheduler


def pytest_asyncio_loop_factories(item: pytest.Function) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": VirtualTime if "played" in item.fixturenames else asyncio.SelectorEventLoop}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for some in terminalreporter.stats.values() for one in some if isinstance(one, pytest.TestReport)]
    if len({report.nodeid for report in reports}) > 1:
        terminalreporter.section("seconds by folder")
        terminalreporter.write("\n".join(pace.table(reports)) + "\n")


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one of the usual authorities: each client reads them all, which takes 20 ms, and none calls the outside."""
    end = "-----END CERTIFICATE-----\n"
    file = tmp_path_factory.mktemp("authorities") / "one.pem"
    file.write_text(Path(certifi.where()).read_text().partition(end)[0] + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certifi, "where", lambda: str(file))
        yield


@pytest.fixture(autouse=True)
def logs_restored() -> Iterator[None]:
    """Take back what a test configures of the logs, which are the whole process's: the next one may read them."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.contextvars.clear_contextvars()
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator["InMemorySpanExporter"]:
    """Turn tracing on for one test; the provider of a process can be set only once, so it is put in its place."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from worker.trace_ids import FollowedTraceIds

    exporter, provider = InMemorySpanExporter(), TracerProvider(id_generator=FollowedTraceIds())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Temporal server, in memory, with our search attributes."""
    directory = tmp_path_factory.mktemp("temporal")
    with LocalEnvironment(directory, temporal_in_memory=True) as environment:
        environment.start("temporal")
        yield environment.temporal_address


@pytest.fixture(scope="session")
def kubernetes_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesAccess]:
    """A Kubernetes API server that serves our custom resources."""
    with LocalEnvironment(tmp_path_factory.mktemp("kubernetes")) as environment:
        environment.start("kubernetes", "resources")
        yield environment.kubernetes


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a sandbox. It is shared: seed repositories, jobs and applications under names of your own."""
    with LocalEnvironment(tmp_path_factory.mktemp("sandbox")) as environment:
        environment.start("sandbox")
        yield environment.sandbox_url
