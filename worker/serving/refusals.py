"""Have credentials checked as soon as a call by way of them is refused, so that no condition contradicts a refusal.

Activities note what they read and what they failed of (activities/refusals.py); this is where the worker acts on it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

import structlog
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.models.credential_checks import CheckedResource
from activities.refusals import following
from worker.temporal.outcomes import WorkflowsUnavailable

_logger = structlog.get_logger(__name__)

GAP = timedelta(seconds=30)
"""Between two requests for one resource: hundreds of promotions may meet the same refusal at once."""
_REMEMBERED = 5_000
"""Resources whose last request is known; of one that is forgotten a check comes once too often."""


class CredentialChecks(Protocol):
    """Have connections checked. Raises WorkflowsUnavailable."""

    async def poke(self, connection: CheckedResource, generation: int) -> None:
        """Request a check at once, whatever is known."""


class RefusalChecks(Interceptor):
    """Request a check for each resource that a refused attempt of an activity read, at most one in GAP for each."""

    def __init__(self, checks: CredentialChecks) -> None:
        self._checks = checks
        self._asked: OrderedDict[str, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def intercept_activity(self, following: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Follow every activity of a worker."""
        return _Followed(super().intercept_activity(following), self)

    def request(self, resources: Mapping[CheckedResource, int]) -> None:
        """Request the checks that are due, in the background: no activity waits for them."""
        due = {one: generation for one, generation in resources.items() if self._due(one.uid)}
        if due:
            task = asyncio.create_task(self._poke(due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _due(self, uid: str) -> bool:
        now, asked = time.monotonic(), self._asked.get(uid)
        if asked is not None and now - asked < GAP.total_seconds():
            return False
        self._asked[uid] = now
        self._asked.move_to_end(uid)
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        return True

    async def _poke(self, due: Mapping[CheckedResource, int]) -> None:
        for resource, generation in due.items():
            try:
                await self._checks.poke(resource, generation)
            except WorkflowsUnavailable as error:
                # The workflow checks by its own clock as well, and the next refusal asks again.
                _logger.info("a check was not requested", resource=f"{resource.kind}/{resource.name}", error=str(error))


class _Followed(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, refusals: RefusalChecks) -> None:
        super().__init__(following)
        self._refusals = refusals

    async def execute_activity(self, call: ExecuteActivityInput) -> Any:
        with following() as reached:
            try:
                return await super().execute_activity(call)
            finally:
                if reached.refused:
                    self._refusals.request(reached.resources)
