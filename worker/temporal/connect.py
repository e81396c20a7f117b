"""The connection to Temporal, and the ports that reach workflows through it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
)
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from activities.models.places import EnvironmentInput, PlaceSignal, SendViewInput
from crds.api.backoff import STANDARD
from worker.temporal.calls import CALL_TIMEOUT
from worker.temporal.conversion import configured_converter
from worker.temporal.encryption import EncryptionMisconfigured
from worker.temporal.pages import place_page
from worker.temporal.search_attributes import add_attributes, find_missing
from worker.temporal.settings import (
    missing_file,
    missing_namespace,
    unreachable_server,
    unreadable_configuration,
    unusable_address,
)
from worker.temporal.starts import Starts
from worker.tracing import client_interceptors
from workflows.identity import (
    ENVIRONMENT_WORKFLOW,
    MEMBER_SIGNAL,
    MEMBER_UPDATE,
    SEARCH_ENVIRONMENT,
    SEARCH_NAMESPACE,
    SEARCH_REPOSITORY,
    Queues,
    environment_workflow_id,
    fairness_key,
)

_logger = structlog.get_logger(__name__)

CONNECT_TIMEOUT = timedelta(seconds=5)
DEFAULT_ADDRESS = "localhost:7233"
_LOOPBACK = "127.0.0.1"
_PORT_ATTEMPTS = 5
ANSWER_TIMEOUT = timedelta(seconds=5)
"""How long a place may take to answer before it is signalled instead: that needs no workflow worker."""


class TemporalUnavailable(Exception):
    """Temporal cannot be reached; the text names the address and the variables that set it."""


class TemporalMisconfigured(TemporalUnavailable):
    """The address of Temporal cannot be used: a person must fix it. The text names the variable."""


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """The SDK's runtime, and where its metrics can be read on this machine."""

    runtime: Runtime
    metrics_url: str


def create_telemetry() -> Telemetry:
    """Create the SDK's runtime; its metrics are served on a free loopback port, which `/metrics` reads (health.py)."""
    for attempt in range(_PORT_ATTEMPTS):
        with socket.socket() as probe:
            probe.bind((_LOOPBACK, 0))
            address = f"{_LOOPBACK}:{probe.getsockname()[1]}"
        try:
            return Telemetry(runtime=_create_runtime(address), metrics_url=f"http://{address}/metrics")
        except (RuntimeError, ValueError):
            # Another process may take the port between the probe and the SDK's own bind.
            if attempt == _PORT_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _create_runtime(address: str) -> Runtime:
    metrics = PrometheusConfig(
        bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    logging = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"))
    return Runtime(telemetry=TelemetryConfig(metrics=metrics, logging=logging))


async def connect(*, runtime: Runtime | None = None, identity: str | None = None) -> Client:
    """Connect as `temporalio.envconfig` does (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS, API key, profiles).

    Raises TemporalUnavailable within CONNECT_TIMEOUT, TemporalMisconfigured at once.
    """
    try:
        converter = configured_converter()
    except EncryptionMisconfigured as error:
        raise TemporalMisconfigured(str(error)) from None
    if problem := missing_file():
        raise TemporalMisconfigured(problem)
    try:
        config = ClientConfig.load_client_connect_config()
    except (RuntimeError, ValueError, OSError) as error:
        raise TemporalMisconfigured(unreadable_configuration(error)) from None
    config.setdefault("target_host", DEFAULT_ADDRESS)
    address = config["target_host"]
    if problem := unusable_address(address):
        raise TemporalMisconfigured(problem)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
            client = await Client.connect(
                **config,
                data_converter=converter,
                interceptors=[Starts(), *client_interceptors()],
                connect_timeout=CONNECT_TIMEOUT,
                runtime=runtime,
                identity=identity,
            )
            await client.service_client.check_health(timeout=CONNECT_TIMEOUT)
            return client
    except ValueError as error:
        raise TemporalMisconfigured(unreadable_configuration(error)) from None
    except (RuntimeError, RPCError, OSError, TimeoutError) as error:
        raise TemporalUnavailable(unreachable_server(address, str(error))) from error


async def _find_namespace(client: Client) -> None:
    """Raise TemporalUnavailable where the namespace does not exist: a connection alone does not show that."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        await client.workflow_service.describe_namespace(request, timeout=CALL_TIMEOUT)
    except RPCError as error:
        # A key may be allowed to use its namespace and not to describe it.
        if error.status is RPCStatusCode.NOT_FOUND:
            address = client.service_client.config.target_host
            raise TemporalUnavailable(missing_namespace(address, client.namespace)) from error


@dataclass(kw_only=True)
class TemporalWait:
    """Why Temporal is waited for, as `/readyz` shows it; empty where it is not."""

    problem: str = ""


async def connect_patiently(
    *,
    runtime: Runtime,
    waiting: TemporalWait,
    prepare: Callable[[Client], Awaitable[None]] | None = None,
) -> Client:
    """Connect, and prepare what is connected; a server that is away, or not as it should be, is waited for.

    Each failure is logged. Raises TemporalMisconfigured: that is for a person to fix, and no time heals it.
    """
    failures = 0
    while True:
        try:
            client = await connect(runtime=runtime)
            await _find_namespace(client)
            if prepare is not None:
                await prepare(client)
            waiting.problem = ""
            return client
        except TemporalMisconfigured:
            raise
        except TemporalUnavailable as error:
            failures += 1
            waiting.problem = str(error)
            _logger.warning("waiting for Temporal", error=str(error))
            await asyncio.sleep(STANDARD.pause(failures).total_seconds())


async def ensure_search_attributes(client: Client) -> None:
    """Register the search attributes that the Temporal namespace misses; without them no workflow could go on.

    Raises TemporalUnavailable where they cannot be listed now, as while the server starts, and, naming the command for
    an administrator, where attributes are missing and may not be added.
    """
    place = f"namespace {client.namespace}"
    try:
        missing = await find_missing(client)
    except RPCError as error:
        text = f"Temporal does not list the search attributes of {place} now: {error.message}"
        raise TemporalUnavailable(text) from error
    if missing.mistyped:
        problems = "; ".join(missing.problem(name) for name in missing.mistyped)
        raise TemporalUnavailable(f"{problems}, in {place}: `pilotage doctor` prints what fixes it.")
    if not missing.missing:
        return
    try:
        await add_attributes(client, missing.missing)
    except RPCError as error:
        raise TemporalUnavailable(
            f"the search attributes {', '.join(missing.missing)} are missing in {place} and cannot be added: "
            f"{error.message}. `pilotage setup` prints the commands for an administrator."
        ) from error


class TemporalPlaces:
    """Implement activities.ports.Places: each call starts the place where it does not run."""

    def __init__(self, client: Client, installation: str) -> None:
        self._client = client
        self._queues = Queues(installation=installation)

    async def send(self, request: SendViewInput) -> PlaceSignal | None:
        """Send the member's view and return the place's; None where that follows by signal, or nothing is answered.

        Raises RPCError, which is worth a retry.
        """
        if request.signal.awaits_answer:
            try:
                return await self._call(request)
            except (RPCError, RPCTimeoutOrCancelledError, WorkflowUpdateFailedError, TimeoutError) as error:
                # Such as no workflow worker, ten calls at once, or a run that just ends: the signal reaches the next.
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise asyncio.CancelledError from error
                _logger.info("a place is signalled instead", environment=request.environment, reason=str(error))
        await self._signal(request)
        return None

    async def _call(self, request: SendViewInput) -> PlaceSignal | None:
        installation = self._queues.installation
        start: WithStartWorkflowOperation[Any, None] = WithStartWorkflowOperation(
            ENVIRONMENT_WORKFLOW,
            self.place(request),
            id=environment_workflow_id(installation, request.namespace, request.environment, request.repository),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            task_queue=self._queues.promotions,
            static_summary=f"{request.namespace}/{request.environment}: {request.repository}",
            static_details=place_page(request.namespace, request.environment, request.repository),
            search_attributes=place_attributes(request.namespace, request.environment, request.repository),
            priority=Priority(fairness_key=fairness_key(request.namespace)),
        )
        # The SDK keeps the failure of a call a second time, and logs it as an error where that is not awaited.
        begun = asyncio.create_task(start.workflow_handle())
        begun.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds()):
            answer: PlaceSignal | None = await self._client.execute_update_with_start_workflow(
                MEMBER_UPDATE,
                request.signal,
                start_workflow_operation=start,
                result_type=PlaceSignal | None,  # type: ignore[arg-type]
                rpc_timeout=ANSWER_TIMEOUT,
            )
        return answer

    def place(self, request: SendViewInput) -> EnvironmentInput:
        """Return what a place is started with."""
        return EnvironmentInput(
            installation=self._queues.installation,
            namespace=request.namespace,
            environment=request.environment,
            repository=request.repository,
            timings=request.timings,
        )

    async def _signal(self, request: SendViewInput) -> None:
        installation = self._queues.installation
        await self._client.start_workflow(
            ENVIRONMENT_WORKFLOW,
            self.place(request),
            id=environment_workflow_id(installation, request.namespace, request.environment, request.repository),
            task_queue=self._queues.promotions,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            start_signal=MEMBER_SIGNAL,
            start_signal_args=[request.signal],
            static_summary=f"{request.namespace}/{request.environment}: {request.repository}",
            static_details=place_page(request.namespace, request.environment, request.repository),
            search_attributes=place_attributes(request.namespace, request.environment, request.repository),
            priority=Priority(fairness_key=fairness_key(request.namespace)),
            rpc_timeout=CALL_TIMEOUT,
        )


def place_attributes(namespace: str, environment: str, repository: str) -> TypedSearchAttributes:
    """Return by what places are found in Temporal."""
    values = {SEARCH_NAMESPACE: namespace, SEARCH_REPOSITORY: repository, SEARCH_ENVIRONMENT: environment}
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in values.items()]
    )
