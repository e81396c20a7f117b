"""Show why events give no status: the newest fault of each subscription, every few seconds at most.

A CommitStatus shows its own. An Alert is Flux's, whose status no one of ours writes: its faults are lines of the log.
What is not sent is lost with the process: the next event reports the same.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from activities.flux.events import FluxEvent
from activities.flux.planning import StatusPlan
from activities.flux.subscriptions import COMMIT_STATUS
from activities.models.commit_statuses import SubscriptionFault
from providers.shares import Shares
from worker.temporal.outcomes import WorkflowsUnavailable

logger = logging.getLogger(__name__)

GAP_SECONDS = 10.0
LIMIT = 1000
"""Subscriptions whose faults wait; one namespace with many that are wrong keeps no other from its own."""

Send = Callable[[str, str, SubscriptionFault], Awaitable[None]]
Key = tuple[str, str, str]
"""Kind, namespace and name of a subscription."""


class Faults:
    """Send faults by namespace and name of their CommitStatus; log those of Alerts."""

    def __init__(
        self,
        send: Send,
        *,
        gap_seconds: float = GAP_SECONDS,
        limit: int = LIMIT,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._send = send
        self._gap_seconds = gap_seconds
        self._clock = clock
        self._kept = Shares(limit)
        self._newest: dict[Key, SubscriptionFault] = {}
        self._at_work: dict[Key, asyncio.Task[None]] = {}

    def add(self, event: FluxEvent, plans: Sequence[StatusPlan]) -> None:
        """Have the faults of an event shown."""
        for made in plans:
            subscription = made.subscription
            key = subscription.kind, subscription.namespace, subscription.name
            if not made.fault:
                continue
            if key not in self._at_work and not self._kept.take(subscription.namespace):
                continue
            # A newer one never follows a fault of a time to come, such as by a clock that is ahead.
            at = min(event.timestamp, self._clock())
            self._newest[key] = SubscriptionFault(at=at, message=made.reason, object=str(event.involved))
            if key not in self._at_work:
                self._at_work[key] = asyncio.create_task(self._serve(key), name="fault")

    async def close(self) -> None:
        """Stop; what was not sent is given up."""
        tasks = list(self._at_work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, key: Key) -> None:
        kind, namespace, name = key
        try:
            while (fault := self._newest.pop(key, None)) is not None:
                await self._show(kind, namespace, name, fault)
                await asyncio.sleep(self._gap_seconds)
        finally:
            # With no await since the last look: what comes from here on begins a task of its own.
            del self._at_work[key]
            self._kept.give_back(namespace)

    async def _show(self, kind: str, namespace: str, name: str, fault: SubscriptionFault) -> None:
        subject = f"{kind} {namespace}/{name}"
        if kind != COMMIT_STATUS:
            logger.warning("%s gives no commit status of %s: %s", subject, fault.object, fault.message)
            return
        try:
            await self._send(namespace, name, fault)
        except WorkflowsUnavailable as error:
            logger.warning("a fault of %s cannot be shown: %s", subject, error)
