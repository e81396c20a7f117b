"""Compare this machine's clock with Temporal's: a worker or a watcher whose clock is off must not serve.

Temporal starts attempts by its own clock, and worker/serving/deadlines.py ends them by this machine's: with a clock
that is far ahead each one fails at once, and with one that is behind two attempts may act at the same time. A watcher
drops holds that are over and lets go of deleted trackers by its clock, and workers go by theirs.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from worker.health import Health
from workflows.identity import Queues

_logger = structlog.get_logger(__name__)

LOOK = timedelta(minutes=1)
"""How long a clock that was set may go unnoticed; two small calls of each process."""
_POLL = timedelta(seconds=5)
_CALL = timedelta(seconds=3)
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)

Now = Callable[[], datetime]


class ClockOff(Exception):
    """This machine's clock differs from Temporal's by more than the settings allow; the text names by how much."""


def read_clock() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Offset:
    """How far this machine's clock is ahead of Temporal's, between two bounds; negative = behind."""

    least: timedelta
    most: timedelta

    def excess(self, allowed: timedelta) -> str:
        """State by how much the clock is surely further off than allowed; empty where it may be right."""
        if self.least > allowed:
            return f"this machine's clock is {self.least.total_seconds():.0f} s ahead of Temporal's"
        if self.most < -allowed:
            return f"this machine's clock is {-self.most.total_seconds():.0f} s behind Temporal's"
        return ""


async def measure(client: Client, installation: str, now: Now = read_clock) -> Offset | None:
    """Compare the clocks; None where Temporal does not show its own.

    No call of Temporal returns the time. But it notes when a poller of a queue last asked: so a queue that never has a
    task is polled, and described.
    """
    queue = TaskQueue(name=Queues(installation=installation).clock)
    identity = f"clock-{uuid.uuid4()}"
    service = client.workflow_service
    asked = now()
    poll = asyncio.create_task(
        service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity=identity), timeout=_POLL
        )
    )
    describe = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )
    try:
        for pause_seconds in _PAUSES_SECONDS:
            await asyncio.sleep(pause_seconds)
            answer = await service.describe_task_queue(describe, timeout=_CALL)
            for poller in answer.pollers:
                if poller.identity == identity:
                    noted = poller.last_access_time.ToDatetime(tzinfo=UTC)
                    return Offset(least=asked - noted, most=now() - noted)
    except RPCError as error:
        _logger.warning("Temporal's clock cannot be read", error=str(error))
        return None
    finally:
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
    _logger.warning("Temporal's clock cannot be read", error="it notes no poller")
    return None


class ClockWatch:
    """Know whether this machine's clock may be trusted; `problem` is why not, and is empty while it may."""

    def __init__(
        self,
        client: Client,
        *,
        installation: str,
        allowed: timedelta,
        process: str = "worker",
        now: Now = read_clock,
        look: timedelta = LOOK,
    ) -> None:
        self._process = process
        self._client = client
        self._installation = installation
        self._allowed = allowed
        self._now = now
        self._pause_seconds = look.total_seconds()
        self.problem = ""

    async def look(self) -> None:
        """Compare once; what Temporal does not show changes nothing."""
        offset = await measure(self._client, self._installation, self._now)
        if offset is None:
            return
        excess = offset.excess(self._allowed)
        self.problem = f"{excess}, where {self._allowed.total_seconds():g} s are allowed" if excess else ""

    async def until_right(self, health: Health) -> None:
        """Return once the clock is right, or where nothing is known of it; the process is not ready before."""
        with health.awaiting("clock", lambda: self.problem):
            await self.look()
            while self.problem:
                advice = "set this machine's clock, as by NTP"
                _logger.error(f"{self._process} does not serve: {advice}", reason=self.problem)
                await asyncio.sleep(self._pause_seconds)
                await self.look()

    async def until_off(self) -> None:
        """Return once the clock is off in two looks: one may have met a machine that slept."""
        while True:
            await asyncio.sleep(self._pause_seconds)
            await self.look()
            if self.problem:
                await self.look()
                if self.problem:
                    return
