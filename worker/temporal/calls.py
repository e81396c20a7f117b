"""Calls to Temporal whose failures are separated: absent, and not to be reached."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

from worker.temporal.outcomes import WorkflowsUnavailable

CALL_TIMEOUT = timedelta(seconds=10)

Result = TypeVar("Result")


async def found(call: Callable[[], Awaitable[Result]]) -> Result | None:
    """Return None where Temporal answers that the workflow is absent or closed."""
    try:
        return await reaching(call)
    except RPCError:
        # Only NOT_FOUND comes this far.
        return None


async def reaching(call: Callable[[], Awaitable[Result]]) -> Result:
    """Make every failure of the connection one error; NOT_FOUND alone stays."""
    try:
        return await call()
    except RPCError as error:
        # A missing Temporal namespace is no evidence of the workflow.
        absent = error.status is RPCStatusCode.NOT_FOUND and not _is_about_namespace(error)
        if absent:
            raise
        raise WorkflowsUnavailable(f"Temporal: {error.status.name}: {error}"[:300]) from None


async def starting(call: Callable[[], Awaitable[Result]]) -> Result:
    """Make every failure of a start one error; there is nothing that could be absent."""
    try:
        return await reaching(call)
    except RPCError as error:
        raise WorkflowsUnavailable(f"Temporal: {error}"[:300]) from None


def _is_about_namespace(error: RPCError) -> bool:
    return any(detail.type_url.endswith("NamespaceNotFoundFailure") for detail in error.grpc_status.details)
