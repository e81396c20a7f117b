"""Bounds each attempt of an activity by the time that the server gives it, so that no two attempts act at a time.

The server repeats an attempt that outlives its start-to-close timeout; the SDK lets the old one run on for a while. One
that was held up, by a slow host or a starved event loop, could then start a test run after its successor has looked for
one by key and found none.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.failures import application_error
from activities.models.failures import Failure
from crds.reasons.problems import FailureKind

_logger = structlog.get_logger(__name__)


class ActivityDeadline(Interceptor):
    """Cancel an attempt once its start-to-close timeout has passed since the server started it."""

    def intercept_activity(self, following: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Put the bound around every activity of a worker."""
        return _BoundedAttempt(super().intercept_activity(following))


class _BoundedAttempt(ActivityInboundInterceptor):
    async def execute_activity(self, call: ExecuteActivityInput) -> Any:
        info = activity.info()
        limit = info.start_to_close_timeout
        if limit is None:
            return await super().execute_activity(call)
        # A clock behind the server's must not lengthen the time; one far ahead shortens it, and the log states it.
        age = max(datetime.now(UTC) - info.started_time, timedelta(0))
        left = (limit - age).total_seconds()
        bound = asyncio.timeout(left)
        try:
            if left <= 0:
                raise TimeoutError
            async with bound:
                return await super().execute_activity(call)
        except TimeoutError:
            if left > 0 and not bound.expired():
                raise
            text = f"the attempt is older than its {limit.total_seconds():g} s"
            _logger.warning(
                "attempt given up: this process was held up, a host was slow, or this clock runs ahead of Temporal's",
                activity=info.activity_type,
                age_at_start_seconds=round(age.total_seconds(), 3),
                limit_seconds=limit.total_seconds(),
            )
            raise application_error(Failure(kind=FailureKind.EXPIRED, message=text)) from None
