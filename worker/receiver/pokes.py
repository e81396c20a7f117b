"""Send pokes: those for one workflow that come close together are one, and one that cannot be sent is tried again.

What was accepted is kept in memory alone. A poke that is lost with its process costs time and nothing else: workflows
look by themselves, and a webhook has them look earlier. One namespace never holds all that may wait, nor all places of
those that are sent: whose workflows are many waits for its turn.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from crds.api.backoff import STANDARD
from providers.call_places import CallPlaces
from providers.shares import Shares
from worker.receiver.index import Target
from worker.temporal.outcomes import WorkflowsUnavailable

logger = logging.getLogger(__name__)

GAP = timedelta(seconds=1)
"""The least time between two pokes of one workflow by one process."""
ATTEMPTS = 6
"""Of one poke, with growing pauses; by then workflows have looked by themselves."""
AT_ONCE = 20
PENDING_LIMIT = 10_000
"""Workflows that wait to be poked, or were poked within the last second."""


class Pokes:
    """Poke workflows, each at most once per `GAP`; what comes within it is one poke at its end."""

    def __init__(
        self,
        send: Callable[[Target], Awaitable[bool]],
        *,
        gap: timedelta = GAP,
        on_sent: Callable[[str], None] = lambda result: None,
    ) -> None:
        self._send = send
        self._gap_seconds = gap.total_seconds()
        self._on_sent = on_sent
        self._wanted: set[Target] = set()
        """Targets that are to be poked once more when their gap is over."""
        self._at_work: dict[Target, asyncio.Task[None]] = {}
        self._kept = Shares(PENDING_LIMIT)
        self._places = CallPlaces(AT_ONCE)

    @property
    def depth(self) -> int:
        """How many workflows wait to be poked."""
        return len(self._wanted)

    def add(self, target: Target) -> bool:
        """Have a workflow poked: at once, or when its gap is over. False where too many of its namespace wait."""
        if target not in self._at_work:
            if not self._kept.take(target.namespace):
                return False
            self._at_work[target] = asyncio.create_task(self._serve(target), name="poke")
        self._wanted.add(target)
        return True

    async def close(self) -> None:
        """Stop; what was not sent is given up."""
        tasks = list(self._at_work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, target: Target) -> None:
        try:
            while target in self._wanted:
                self._wanted.discard(target)
                await self._try(target)
                await asyncio.sleep(self._gap_seconds)
        finally:
            # With no await since the last look: what is wanted from here on begins a task of its own.
            del self._at_work[target]
            self._kept.give_back(target.namespace)

    async def _try(self, target: Target) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._places.take(target.namespace)
                try:
                    self._on_sent("sent" if await self._send(target) else "absent")
                finally:
                    self._places.give_back(target.namespace)
            except WorkflowsUnavailable as error:
                logger.warning("%s cannot be poked: %s", target, error)
                await asyncio.sleep(STANDARD.pause(attempt).total_seconds())
            except Exception:
                logger.exception("%s cannot be poked", target)
                break
            else:
                return
        self._on_sent("given up")
