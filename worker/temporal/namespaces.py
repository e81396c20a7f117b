"""The Temporal namespace of an installation: whether it is there, how long it keeps histories, and its registration."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from worker.temporal.calls import CALL_TIMEOUT

LEAST_RETENTION = timedelta(days=3)
"""A workflow that is gone from Temporal while its tracker still goes on counts as lost: no shorter than a weekend in
which nothing runs."""
RETENTION = timedelta(days=14)
"""What a namespace is registered with: `pilotage history` explains a promotion for that long."""


async def read_retention(client: Client) -> timedelta | None:
    """Return how long a closed history is kept; None where there is no such namespace. Raises RPCError."""
    try:
        answer = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), retry=True, timeout=CALL_TIMEOUT
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return answer.config.workflow_execution_retention_ttl.ToTimedelta()


async def register_namespace(client: Client, retention: timedelta) -> None:
    """Register the namespace; one that is there already is left as it is. Raises RPCError."""
    request = RegisterNamespaceRequest(
        namespace=client.namespace,
        description="Promotions of Pilotage",
        workflow_execution_retention_period=_duration(retention),
    )
    try:
        await client.workflow_service.register_namespace(request, timeout=CALL_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def set_retention(client: Client, retention: timedelta) -> None:
    """Have closed histories kept for another time. Raises RPCError."""
    config = NamespaceConfig(workflow_execution_retention_ttl=_duration(retention))
    request = UpdateNamespaceRequest(namespace=client.namespace, config=config)
    await client.workflow_service.update_namespace(request, timeout=CALL_TIMEOUT)


def in_days(retention: timedelta) -> str:
    """Write a retention as people read it: `14 days`."""
    return f"{retention.days} day{'' if retention.days == 1 else 's'}"


def _duration(value: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(value)
    return duration
