"""The watcher process: custom resources become workflows and signals, results come back as status."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.worker import Worker

from activities.commit_statuses import PostRecords
from activities.credential_checks import CredentialConditions
from activities.discovery_conditions import DiscoveryConditions
from activities.drift.publishing import DriftStatuses
from activities.drift.rollbacks import RollbackEvents
from activities.event_sinks.feeding import EventFeed
from activities.event_sinks.publishing import EventSinkStatuses
from activities.resources import KubernetesResources
from crds.api.ports import Kubernetes
from crds.api.recent import RecentWrites
from worker.cluster import connect_cluster
from worker.health import Health, HealthServer
from worker.logs import configure_logs, warn_of_misspelt
from worker.rights import RightsWatch
from worker.settings import EXIT_CODE, InvalidSettings, Settings
from worker.sharing import SharedSlots
from worker.temporal.clock import ClockOff, ClockWatch
from worker.temporal.connect import TemporalMisconfigured, TemporalWait, connect_patiently, create_telemetry
from worker.temporal.credential_checks import TemporalCredentialChecks
from worker.temporal.drift import TemporalDriftLooks
from worker.temporal.event_sinks import TemporalEventSinks
from worker.temporal.promotions import TemporalPromotions
from worker.temporal.repository_syncs import TemporalRepositorySyncs
from worker.tracing import configure_tracing
from worker.watcher.controllers import Watcher
from worker.watcher.installation import InstallationTaken, claim_patiently
from worker.watcher.metrics import WatcherMetrics
from worker.watcher.place_stalls import PlaceStalls, find_stalled
from worker.watcher.presence import watch_presence
from worker.watcher.stalls import watch_stalls
from workflows.identity import Queues

_logger = structlog.get_logger(__name__)

SKEW = timedelta(minutes=1)
"""How far a watcher's clock may be off at least: what it does by its clock lasts for minutes."""


async def run_watcher(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Servers that are away are waited for; `/readyz` states it meanwhile.

    Exits with code 2 where a setting is of no use, naming it, or the installation belongs to another cluster, and with
    code 1 where the clock was set wrong.
    """
    configure_logs(style=settings.log_format, level=settings.log_level)
    warn_of_misspelt()
    configure_tracing("watcher")
    telemetry = create_telemetry()
    health = Health(ready={"temporal": lambda: False})
    work = asyncio.create_task(_work(settings, health, telemetry.runtime), name="watcher")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    server = HealthServer(
        health, host=settings.http_host, port=settings.http_port, sdk_metrics_url=telemetry.metrics_url
    )
    try:
        async with server:
            await work
    except (InvalidSettings, TemporalMisconfigured) as error:
        _logger.error("watcher has a wrong setting", error=str(error))
        raise SystemExit(EXIT_CODE) from None
    except InstallationTaken as error:
        _logger.error("watcher is refused", error=str(error))
        raise SystemExit(EXIT_CODE) from None
    except ClockOff as error:
        _logger.error("watcher cannot run", error=str(error))
        raise SystemExit(1) from None
    except asyncio.CancelledError:
        if not work.cancelled():
            raise
        _logger.info("watcher stopped")
    finally:
        work.cancel()


async def _reached(settings: Settings, health: Health, runtime: Runtime, kubernetes: RecentWrites) -> Client:
    """Return a client once Temporal answers and the installation is ours; the health shows what it waits for."""
    waiting, claiming = TemporalWait(), {"problem": ""}
    with health.awaiting("temporal", lambda: waiting.problem):
        client = await connect_patiently(runtime=runtime, waiting=waiting)
    with health.awaiting("installation", lambda: claiming["problem"]):
        await claim_patiently(
            client, kubernetes, settings.installation, waiting=lambda why: claiming.update(problem=why)
        )
    return client


async def _work(settings: Settings, health: Health, runtime: Runtime) -> None:
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(await connect_cluster(settings))
        kubernetes = RecentWrites(cluster)
        asking = RightsWatch(cluster, "watcher", namespaces=settings.namespaces).ask(health)
        stack.callback(asking.cancel)
        client = await _reached(settings, health, runtime, kubernetes)
        sinks = TemporalEventSinks(client=client, installation=settings.installation, timings=settings.timings)
        metrics = WatcherMetrics()
        feed = EventFeed(kubernetes, sinks, kept=lambda namespace: watcher.sinks_of(namespace))  # noqa: PLW0108 -- made below
        rollbacks = RollbackEvents(kubernetes, feed)
        drift_statuses = DriftStatuses(kubernetes=kubernetes, observer=metrics, rollbacks=rollbacks)
        watcher = _watcher(settings, client, kubernetes, metrics, drift_statuses, sinks)
        clock = ClockWatch(
            client, installation=settings.installation, allowed=allowed_skew(settings), process="watcher"
        )
        await clock.until_right(health)
        metrics.follow_queues(watcher.queues)
        metrics.follow_drift(watcher.drift.count)
        places = PlaceStalls(kubernetes, find_stalled(client, settings.installation), namespaces=settings.namespaces)
        worker = build_worker(settings, client, kubernetes, metrics, feed, drift_statuses)
        health.ready["kubernetes"] = lambda: watcher.has_synced
        health.details["commands refused"] = lambda: watcher.verification.refusal
        _logger.info(
            "watching",
            server=cluster.server,
            namespaces=settings.namespaces or "all",
            installation=settings.installation,
        )
        async with worker:
            health.alive["temporal worker"] = lambda: worker.is_running
            await _until_one_ends(
                watcher.run(),
                watch_presence(client, kubernetes, settings.installation, returned=watcher.look_at_all),
                watch_stalls(
                    client,
                    settings.installation,
                    look_at=watcher.trackers.look_for,
                    look_at_all=watcher.look_at_all,
                    look_at_places=places.look,
                    show_pollers=metrics.show_pollers,
                ),
                clock.until_off(),
            )
        if clock.problem:
            raise ClockOff(clock.problem)


def _watcher(
    settings: Settings,
    client: Client,
    kubernetes: Kubernetes,
    metrics: WatcherMetrics,
    drift_statuses: DriftStatuses,
    sinks: TemporalEventSinks,
) -> Watcher:
    installation, timings = settings.installation, settings.timings
    return Watcher(
        kubernetes=kubernetes,
        promotions=TemporalPromotions(
            client=client, installation=installation, timings=timings, ui_url=settings.temporal_ui_url
        ),
        connections=TemporalCredentialChecks(client=client, installation=installation, timings=timings),
        repositories=TemporalRepositorySyncs(client=client, installation=installation, timings=timings),
        drift=TemporalDriftLooks(client=client, installation=installation, timings=timings),
        drift_statuses=drift_statuses,
        sinks=sinks,
        namespaces=settings.namespaces,
        on_watch_restart=metrics.watch_restarted,
        on_environment=metrics.environment_declared,
        commands_unverified=settings.commands_unverified,
    )


def allowed_skew(settings: Settings) -> timedelta:
    """Return how far a watcher's clock may be off."""
    return max(SKEW, timedelta(seconds=settings.clock_skew_seconds))


def build_worker(
    settings: Settings,
    client: Client,
    kubernetes: Kubernetes,
    metrics: WatcherMetrics,
    feed: EventFeed,
    drift_statuses: DriftStatuses,
) -> Worker:
    """Build the Temporal worker of the queue `kubernetes`.

    It is not versioned: a versioned one would strand the workflows of older versions.
    """
    resources = KubernetesResources(kubernetes=kubernetes, observer=metrics, feed=feed)
    return Worker(
        client,
        task_queue=Queues(installation=settings.installation).kubernetes,
        activities=[
            resources.publish_status,
            resources.publish_place,
            CredentialConditions(kubernetes).publish_connection,
            DiscoveryConditions(kubernetes).publish_discovery,
            PostRecords(kubernetes).publish_post,
            EventSinkStatuses(kubernetes).publish_event_sink,
            drift_statuses.publish_drift,
        ],
        max_concurrent_activities=settings.activity_slots,
        interceptors=[SharedSlots(settings.activity_slots)],
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_grace_seconds),
    )


async def _until_one_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends; what it raised is raised as it is, so that its text reaches the log."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
