"""`pilotage worker`: one Temporal worker per queue in one process."""

import asyncio
import errno
import os
import signal
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.record_sinks import EventRecords, FileSink, RecordSink
from crds.api.mirror import DeclarationMirror, MirroredReads
from crds.api.ports import ApiUnavailable, Kubernetes, resource_of
from crds.v1alpha1.drift_monitor import DriftMonitor
from crds.v1alpha1.kinds import KINDS
from crds.v1alpha1.promotion_command import PromotionCommand
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from providers.http import HttpClients
from worker.cluster import connect_cluster
from worker.health import Health, HealthServer
from worker.logs import configure_logs, warn_of_misspelt
from worker.opening.resources import ClusterOpener, open_clients
from worker.opening.server_endpoints import follow_endpoints
from worker.rights import RightsWatch
from worker.serving.deadlines import ActivityDeadline
from worker.serving.refusals import RefusalChecks
from worker.serving.registry import PROMOTIONS, WORKFLOWS, Activity, Dependencies, build_activities
from worker.settings import EXIT_CODE, InvalidSettings, Settings, refused
from worker.sharing import SharedSlots
from worker.temporal.clock import ClockOff, ClockWatch
from worker.temporal.commit_statuses import TemporalCommitStatuses
from worker.temporal.connect import (
    TemporalMisconfigured,
    TemporalPlaces,
    TemporalWait,
    connect_patiently,
    create_telemetry,
    ensure_search_attributes,
)
from worker.temporal.credential_checks import TemporalCredentialChecks
from worker.temporal.promotions import TemporalPromotions
from worker.temporal.reports import TemporalReports
from worker.temporal.sandbox import require_no_context, workflow_runner
from worker.tracing import configure_tracing
from workflows.identity import Queues

_logger = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

STICKY_TIMEOUT = timedelta(seconds=4)
"""How long a killed worker's workflows wait before another worker takes them."""
WORKFLOW_TASKS = 8
"""How many workflow tasks are worked on at the same time. They share one interpreter lock: with the SDK's 100, those
that come together after a restart would all end late, run into their timeout or be taken for deadlocks. The others wait
at the server, where another worker may take them."""
DECLARED = tuple(
    resource_of(kind.definition) for kind in KINDS if kind not in (PullRequestTracker, PromotionCommand, DriftMonitor)
)
"""The kinds that activities read again and again; trackers, commands and monitors are many, and what is decided of one
stands in its status, which is not kept."""


def versioning() -> WorkerDeploymentConfig | None:
    """Read the version from `TEMPORAL_DEPLOYMENT_NAME` and `TEMPORAL_WORKER_BUILD_ID`; None where either is unset."""
    name, build = os.environ.get("TEMPORAL_DEPLOYMENT_NAME"), os.environ.get("TEMPORAL_WORKER_BUILD_ID")
    if not name or not build:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=name, build_id=build),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


def warn_of_half_a_version() -> None:
    """Name the variable without which workers have no version; one alone looks as if they had."""
    names = ("TEMPORAL_DEPLOYMENT_NAME", "TEMPORAL_WORKER_BUILD_ID")
    missing = [name for name in names if not os.environ.get(name)]
    if len(missing) == 1:
        _logger.warning(f"{missing[0]} is not set: workers have no version")


def build_worker(client: Client, settings: Settings, queue: str, activities: Sequence[Activity]) -> Worker:
    """Build the worker of one queue."""
    name = getattr(Queues(installation=settings.installation), queue)
    grace = timedelta(seconds=settings.shutdown_grace_seconds)
    if queue == PROMOTIONS:
        require_no_context(client.data_converter)
        return Worker(
            client,
            task_queue=name,
            workflows=WORKFLOWS,
            workflow_runner=workflow_runner(),
            max_cached_workflows=settings.cached_workflows,
            max_concurrent_workflow_tasks=WORKFLOW_TASKS,
            sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
            graceful_shutdown_timeout=grace,
            # Activity workers are not versioned: a run pinned to an old build would wait for an old one forever.
            deployment_config=versioning(),
        )
    slots = _slots_of(queue, settings)
    return Worker(
        client,
        task_queue=name,
        activities=activities,
        max_concurrent_activities=slots,
        interceptors=[
            ActivityDeadline(),
            SharedSlots(slots),
            RefusalChecks(
                TemporalCredentialChecks(client=client, installation=settings.installation, timings=settings.timings),
            ),
        ],
        graceful_shutdown_timeout=grace,
    )


def record_sink(settings: Settings, kubernetes: Kubernetes) -> RecordSink:
    """Return where the records of trackers go before these are removed."""
    return FileSink(settings.record_file) if settings.record_file else EventRecords(kubernetes)


def check_record_file(path: str) -> None:
    """Raise InvalidSettings where records could not be appended: it would show at the first tracker that ends."""
    try:
        # A pipe that no one reads yet may be read later, and must not be waited for.
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o640))
    except OSError as error:
        if error.errno != errno.ENXIO:
            reason = f"cannot be written ({os.strerror(error.errno or 0).lower()})"
            raise InvalidSettings((refused("record_file", path, reason),)) from None


def _slots_of(queue: str, settings: Settings) -> int:
    own = {"observation": settings.observation_slots, "checks": settings.check_slots}
    return own.get(queue, settings.activity_slots)


async def run_worker(settings: Settings, queues: Sequence[str]) -> None:
    """Serve the queues until SIGTERM or SIGINT; running activities get their grace.

    Servers that are away, and rights that are missing, are waited for; `/readyz` names them meanwhile. Exits with 2
    where a setting is of no use, naming it, and with 1 where it cannot serve any more.
    """
    configure_logs(style=settings.log_format, level=settings.log_level)
    warn_of_misspelt()
    warn_of_half_a_version()
    configure_tracing("worker")
    try:
        await _serve(settings, queues, _stop_on_signals())
    except (InvalidSettings, TemporalMisconfigured) as error:
        _logger.error("worker has a wrong setting", error=str(error))
        raise SystemExit(EXIT_CODE) from None
    except _Stopped:
        _logger.info("worker stopped before it served")
    except (ApiUnavailable, ClockOff) as error:
        _logger.error("worker cannot run", error=str(error))
        raise SystemExit(1) from None


async def _serve(settings: Settings, queues: Sequence[str], stop: asyncio.Event) -> None:
    if settings.record_file:
        check_record_file(settings.record_file)
    telemetry = create_telemetry()
    health = Health(ready={"temporal": lambda: False})
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            HealthServer(
                health, host=settings.http_host, port=settings.http_port, sdk_metrics_url=telemetry.metrics_url
            )
        )
        kubernetes = await stack.enter_async_context(await connect_cluster(settings))
        asking = RightsWatch(kubernetes, "worker", namespaces=settings.namespaces).ask(health)
        stack.callback(asking.cancel)
        waiting = TemporalWait()
        health.details["temporal"] = lambda: waiting.problem
        client = await _unless(
            stop, connect_patiently(runtime=telemetry.runtime, waiting=waiting, prepare=ensure_search_attributes)
        )
        clients = await stack.enter_async_context(open_clients(settings))
        guarded = asyncio.Event()
        health.ready["addresses of the API server"] = guarded.is_set
        following = asyncio.create_task(follow_endpoints(kubernetes, clients, guarded))
        stack.callback(following.cancel)
        mirror = DeclarationMirror(kubernetes, DECLARED, namespaces=settings.namespaces)
        watching = asyncio.create_task(mirror.run())
        stack.callback(watching.cancel)
        reads = MirroredReads(kubernetes, mirror)
        activities = build_activities(
            _dependencies(settings, client, reads, clients, record_sink(settings, kubernetes))
        )
        allowed = timedelta(seconds=settings.clock_skew_seconds)
        clock = ClockWatch(client, installation=settings.installation, allowed=allowed)
        del health.ready["temporal"]
        await _unless(stop, clock.until_right(health))
        # Without them what it took would fail, and be shown to people who can do nothing about it.
        await _unless(stop, asking)
        # Before, what a resource names could be sent there.
        await _unless(stop, guarded.wait())
        workers = [build_worker(client, settings, queue, activities.get(queue, ())) for queue in queues]
        health.ready = {}
        health.alive["temporal worker"] = lambda: all(worker.is_running for worker in workers)
        watch = asyncio.create_task(clock.until_off())
        watch.add_done_callback(lambda _: stop.set())
        try:
            await _run_until(workers, stop)
        finally:
            watch.cancel()
        if clock.problem:
            raise ClockOff(clock.problem)


def _dependencies(
    settings: Settings, client: Client, kubernetes: Kubernetes, clients: HttpClients, records: RecordSink
) -> Dependencies:
    installation, timings = settings.installation, settings.timings
    opener = ClusterOpener(
        kubernetes,
        clients,
        system_namespace=settings.system_namespace,
        flux_alerts=settings.flux_alerts,
        reports=TemporalReports(client, installation, timings=timings).reconciliations,
    )
    return Dependencies(
        kubernetes=kubernetes,
        opener=opener,
        places=TemporalPlaces(client, installation),
        receivers=TemporalPromotions(client=client, installation=installation, timings=timings),
        records=records,
        postings=opener,
        sinks=opener,
        commit_statuses=TemporalCommitStatuses(
            client=client, installation=installation, timings=timings, ui_url=settings.temporal_ui_url
        ),
    )


class _Stopped(Exception):
    """The process is to stop, and nothing runs that needs a grace."""


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, Answer] | asyncio.Task[Answer]) -> Answer:
    """Return what the work returns. Raises _Stopped where the process is to stop first."""
    working, stopping = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _Stopped
        return working.result()
    finally:
        working.cancel()
        stopping.cancel()


async def _run_until(workers: Sequence[Worker], stop: asyncio.Event) -> None:
    """Run all workers until one ends by itself, which ends the process to be started again, or a signal stops them."""
    running = [asyncio.create_task(worker.run()) for worker in workers]
    stopping = asyncio.create_task(stop.wait())
    _logger.info("worker runs", queues=[worker.task_queue for worker in workers])
    try:
        await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
        _logger.info("worker stops")
    finally:
        stopping.cancel()
        await asyncio.gather(*(worker.shutdown() for worker in workers), return_exceptions=True)
        outcomes = await asyncio.gather(*running, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
