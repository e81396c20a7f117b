"""The receiver process: mirrors, the address of webhooks, and pokes.

It starts to serve at once, is ready when it has seen every resource, and refuses deliveries before that: without its
mirrors it knows no address. It writes nothing to Kubernetes.
"""

import asyncio
import signal
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.runtime import Runtime

from activities.models.commit_statuses import CommitVerdict, StatusSlot, SubscriptionFault
from activities.models.drift import InstanceRef
from activities.models.reconciliations import FluxReport
from activities.models.repository_sync import RepositoryRef
from activities.models.tracking import TrackerRef
from worker.cluster import connect_cluster
from worker.flux.evaluation import Expressions
from worker.flux.objects import FluxObjects
from worker.health import Health, HealthServer
from worker.logs import configure_logs, warn_of_misspelt
from worker.opening.credentials import Credentials
from worker.receiver.again import Again
from worker.receiver.flux_faults import Faults
from worker.receiver.flux_mirrors import FluxMirrors
from worker.receiver.flux_places import FluxPlaces
from worker.receiver.flux_routes import FluxRoutes
from worker.receiver.flux_senders import FluxSenders
from worker.receiver.index import Index, Instructed, Place, Target
from worker.receiver.metrics import FluxMetrics, ReceiverMetrics
from worker.receiver.mirrors import Mirrors
from worker.receiver.pokes import Pokes
from worker.receiver.routes import HookRoutes
from worker.receiver.secrets import WebhookSecrets
from worker.rights import RightsWatch
from worker.settings import EXIT_CODE, InvalidSettings, Settings
from worker.temporal.commit_statuses import TemporalCommitStatuses
from worker.temporal.connect import TemporalMisconfigured, TemporalWait, connect_patiently, create_telemetry
from worker.temporal.outcomes import WorkflowsUnavailable
from worker.temporal.promotions import TemporalPromotions
from worker.temporal.reports import TemporalReports
from worker.temporal.repository_syncs import TemporalRepositorySyncs
from worker.tracing import configure_tracing

_logger = structlog.get_logger(__name__)

SIGNAL_TIMEOUT = timedelta(seconds=3)
"""Of one signal: who sends an event waits for its answer."""


async def run_receiver(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Servers that are away are waited for; `/readyz` states it meanwhile.

    Exits with code 2 where a setting is of no use, naming it.
    """
    configure_logs(style=settings.log_format, level=settings.log_level)
    warn_of_misspelt()
    configure_tracing("receiver")
    work = asyncio.create_task(_work(settings), name="receiver")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except (InvalidSettings, TemporalMisconfigured) as error:
        _logger.error("receiver has a wrong setting", error=str(error))
        raise SystemExit(EXIT_CODE) from None
    except asyncio.CancelledError:
        if not work.cancelled():
            raise
        _logger.info("receiver stopped")
    finally:
        work.cancel()


async def _work(settings: Settings) -> None:
    telemetry = create_telemetry()
    metrics = ReceiverMetrics()
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(await connect_cluster(settings))
        workflows = Workflows(settings)
        pokes = Pokes(workflows.poke, on_sent=metrics.poked)
        stack.push_async_callback(pokes.close)
        metrics.follow(lambda: pokes.depth)
        mirrors = Mirrors(cluster, namespaces=settings.namespaces, on_watch_restart=metrics.watch_restarted)
        index = Index(mirrors, pokes.add)
        again = Again(index, pokes.add)
        stack.callback(again.close)
        routes = HookRoutes(
            secrets=WebhookSecrets(cluster, mirrors, system_namespace=settings.system_namespace),
            index=index,
            pokes=pokes,
            again=again,
            metrics=metrics,
            ready=lambda: mirrors.has_synced,
        )
        flux_mirrors = FluxMirrors(
            cluster,
            namespaces=settings.namespaces,
            flux_alerts=settings.flux_alerts,
            on_watch_restart=metrics.watch_restarted,
        )
        flux_places = FluxPlaces(mirrors)
        expressions = Expressions()
        stack.callback(expressions.close)
        faults = Faults(workflows.show_fault)
        stack.push_async_callback(faults.close)
        flux = FluxRoutes(
            senders=FluxSenders(
                Credentials(cluster, system_namespace=settings.system_namespace),
                awaited=lambda namespace: flux_mirrors.has_any(namespace) or flux_places.awaits(namespace),
            ),
            subscriptions=flux_mirrors,
            labels=FluxObjects(cluster).labels,
            evaluate=expressions.evaluate,
            send=workflows.post,
            places=flux_places,
            report=workflows.report,
            faults=faults,
            metrics=FluxMetrics(),
            insecure=settings.flux_insecure_events,
        )
        health = Health(
            ready={
                "kubernetes": lambda: mirrors.has_synced and flux_mirrors.has_synced,
                "temporal": lambda: workflows.connected,
            },
            details={"temporal": lambda: workflows.waiting.problem},
        )
        rights = RightsWatch(cluster, "receiver", namespaces=settings.namespaces, flux_alerts=settings.flux_alerts)
        asking = rights.ask(health)
        stack.callback(asking.cancel)
        server = HealthServer(
            health,
            host=settings.http_host,
            port=settings.http_port,
            sdk_metrics_url=telemetry.metrics_url,
            routes=(*routes.routes(), *flux.routes()),
        )
        await stack.enter_async_context(server)
        _logger.info("receiving", server=cluster.server, namespaces=settings.namespaces or "all")
        following = asyncio.create_task(_follow(mirrors, flux_mirrors), name="mirrors")
        stack.callback(following.cancel)
        await workflows.connect(telemetry.runtime)
        await following


async def _follow(mirrors: Mirrors, flux_mirrors: FluxMirrors) -> None:
    await asyncio.gather(mirrors.run(), flux_mirrors.run())


class Workflows:
    """Reach the workflows of an installation, once Temporal has answered."""

    def __init__(self, settings: Settings) -> None:
        self.waiting = TemporalWait()
        self._settings = settings
        self._promotions: TemporalPromotions | None = None
        self._repositories: TemporalRepositorySyncs | None = None
        self._commit_statuses: TemporalCommitStatuses | None = None
        self._reports: TemporalReports | None = None

    @property
    def connected(self) -> bool:
        """Whether Temporal has answered once; the client connects again by itself."""
        return self._promotions is not None

    async def connect(self, runtime: Runtime) -> None:
        """Wait for Temporal. Raises TemporalMisconfigured."""
        self._reach(await connect_patiently(runtime=runtime, waiting=self.waiting))

    async def poke(self, target: Target) -> bool:
        """Have a workflow look at once; False where it does not run. Raises WorkflowsUnavailable."""
        if self._promotions is None or self._repositories is None:
            raise WorkflowsUnavailable("Temporal has not answered yet")
        if isinstance(target, RepositoryRef):
            return await self._repositories.poke(target)
        if isinstance(target, TrackerRef):
            return await self._promotions.poke(target)
        if isinstance(target, InstanceRef):
            return await self._promotions.poke_drift(target)
        if isinstance(target, Instructed):
            return await self._promotions.poke_about_instructions(target.tracker, by=target.by)
        return await self._promotions.poke_place(
            namespace=target.namespace, environment=target.environment, repository=target.repository
        )

    async def post(self, slot: StatusSlot, verdict: CommitVerdict) -> None:
        """Signal a verdict on a commit; it is durable then. Raises WorkflowsUnavailable."""
        if self._commit_statuses is None:
            raise WorkflowsUnavailable("Temporal has not answered yet")
        await self._commit_statuses.signal(slot, verdict)

    async def report(self, place: Place, report: FluxReport) -> None:
        """Signal a place what Flux reported; it is durable then. Raises WorkflowsUnavailable."""
        if self._reports is None:
            raise WorkflowsUnavailable("Temporal has not answered yet")
        await self._reports.report(place.namespace, place.environment, place.repository, report)

    async def show_fault(self, namespace: str, name: str, fault: SubscriptionFault) -> None:
        """Signal why events give no status of a CommitStatus. Raises WorkflowsUnavailable."""
        if self._commit_statuses is None:
            raise WorkflowsUnavailable("Temporal has not answered yet")
        await self._commit_statuses.fault(namespace=namespace, name=name, fault=fault)

    def _reach(self, client: Client) -> None:
        installation, timings = self._settings.installation, self._settings.timings
        self._promotions = TemporalPromotions(client=client, installation=installation, timings=timings)
        self._commit_statuses = TemporalCommitStatuses(
            client=client,
            installation=installation,
            timings=timings,
            timeout=SIGNAL_TIMEOUT,
            ui_url=self._settings.temporal_ui_url,
        )
        self._reports = TemporalReports(client, installation, timings=timings, timeout=SIGNAL_TIMEOUT)
        self._repositories = TemporalRepositorySyncs(client=client, installation=installation, timings=timings)
