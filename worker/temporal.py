"""The connection to Temporal, and the ports that reach workflows through it."""

import asyncio
import socket
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError

from worker.tracing import client_interceptors

CONNECT_TIMEOUT = timedelta(seconds=8)
DEFAULT_ADDRESS = "localhost:7233"
_LOOPBACK = "127.0.0.1"
_PORT_ATTEMPTS = 5


class TemporalUnavailable(Exception):
    """Temporal cannot be reached; the text names the address and the variables that set it."""


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
    """Connect as `temporalio.envconfig` says (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS, API key, profiles).

    Raises TemporalUnavailable within ten seconds.
    """
    try:
        config = ClientConfig.load_client_connect_config()
    except (RuntimeError, ValueError) as error:
        raise TemporalUnavailable(f"Temporal's configuration cannot be read: {error}") from error
    config.setdefault("target_host", DEFAULT_ADDRESS)
    address = config["target_host"]
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
            client = await Client.connect(
                **config,
                data_converter=pydantic_data_converter,
                interceptors=client_interceptors(),
                connect_timeout=CONNECT_TIMEOUT,
                runtime=runtime,
                identity=identity,
            )
            await client.service_client.check_health(timeout=CONNECT_TIMEOUT)
            return client
    except (RuntimeError, RPCError, OSError, TimeoutError) as error:
        reason = str(error).splitlines()[0][:300] if str(error) else "no answer"
        raise TemporalUnavailable(
            f"Temporal does not answer at {address}: {reason}. Set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, "
            "TEMPORAL_TLS_… or TEMPORAL_API_KEY where the server wants them) to a server that runs."
        ) from error
