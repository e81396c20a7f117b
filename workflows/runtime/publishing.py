"""The publisher: at most one write in flight, the newest wins, and no step ever waits for it.

A status is offered whenever something worth showing changed, which may be many times within one workflow task; an API
server that is away must not hold up a promotion. Its owner hands it whole payloads: one that waits for
its turn is merged with the next (`merge`), and one that equals the last one written is dropped (`adds`).
Where not everything is urgent, `at_once` decides what is: the rest is written no sooner than `gap` after the write
before it.

The sequence is stamped when a write is sent and only grows, also over resets and restarts, so that the writer at the
other end can refuse what arrives late. Each workflow defines in a module of its own what it publishes and how two
payloads merge.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.models.status import PublishStatusResult
from workflows.runtime.background import in_background
from workflows.runtime.timers import wait_until

Payload = TypeVar("Payload")

OVERTAKEN_TRIES = 3
"""How often a status follows one that others wrote ahead of it: who keeps doing so must not keep the workflow busy."""
_OLDER = "OlderSequence"

GRACE = timedelta(seconds=5)
"""How long a run that continues as new waits for its last write: a watcher that is away must not hold it up."""


def next_sequence(previous: int, now: datetime) -> int:
    """Return a sequence that only grows, also where a reset or a restart forgot the previous one."""
    return max(previous + 1, int(now.timestamp() * 1000))


class Publisher(Generic[Payload]):
    """Write the newest payload offered, one write at a time.

    Payloads are offered without a sequence; it is stamped when the write is sent. A payload that equals the
    last one written is dropped. `await drain()` before a workflow returns, since unawaited writes are lost; one that
    continues as new takes what `give_up` returns along. In the next run nothing counts as written, so that its first
    offer is always sent.
    """

    def __init__(
        self,
        *,
        send: Callable[[Payload], Awaitable[PublishStatusResult]],
        stamp: Callable[[Payload, int], Payload],
        merge: Callable[[Payload, Payload], Payload],
        adds: Callable[[Payload, Payload], bool],
        at_once: Callable[[Payload, Payload], bool] = lambda _sent, _next: True,
        gap: timedelta = timedelta(0),
        sequence: int = 0,
    ) -> None:
        self._send = send
        self._stamp = stamp
        self._merge = merge
        self._adds = adds
        self._at_once = at_once
        self._gap = gap
        self._sequence = sequence
        self._pending: Payload | None = None
        self._sent: Payload | None = None
        self._at_work: Payload | None = None
        self._writing: asyncio.Task[None] | None = None
        self._sent_at: datetime | None = None
        self._hurried = False

    @property
    def sequence(self) -> int:
        """The last sequence used, to be carried into the next run."""
        return self._sequence

    @property
    def idle(self) -> bool:
        """Whether everything offered has been written."""
        return self._writing is None

    def offer(self, payload: Payload) -> None:
        """Have this payload written, in place of one that still waits for its turn."""
        self._pending = payload if self._pending is None else self._merge(self._pending, payload)
        if self._writing is None and self._worth_sending(self._pending):
            self._writing = in_background(self._write())
        elif self._writing is None:
            self._pending = None

    async def drain(self) -> None:
        """Return when the last payload offered has been written."""
        self._hurried = True
        await workflow.wait_condition(lambda: self.idle)

    async def give_up(self) -> Payload | None:
        """Wait a moment for the write under way, then return what was not written: the watcher may be away."""
        self._hurried = True
        await wait_until(lambda: self.idle, at_most=GRACE, why="write the last status")
        at_work, pending = self._at_work, self._pending
        return self._merge(at_work, pending) if at_work and pending else at_work or pending

    async def _write(self) -> None:
        try:
            while self._pending is not None:
                if self._worth_sending(self._pending):
                    await self._keep_gap()
                payload, self._pending = self._pending, None
                if not self._worth_sending(payload):
                    continue
                self._sent = self._at_work = payload
                self._sent_at = workflow.now()
                try:
                    written = await self._send_after_others(payload)
                except ActivityError as refusal:
                    # Only a refusal that no retry fixes gets here. The same payload may be offered again later.
                    written = False
                    workflow.logger.warning("status was refused", exc_info=refusal)
                if not written:
                    self._sent = None
        finally:
            self._writing = self._at_work = None

    async def _keep_gap(self) -> None:
        """Let what cannot wait come at once, and everything else no sooner than the gap after the write before it."""
        if self._sent is None or self._sent_at is None:
            return
        if (left := self._sent_at + self._gap - workflow.now()) <= timedelta(0):
            return
        await wait_until(self._cannot_wait, at_most=left, why="gather what is published")

    def _cannot_wait(self) -> bool:
        sent, pending = self._sent, self._pending
        return self._hurried or sent is None or pending is None or self._at_once(sent, pending)

    async def _send_after_others(self, payload: Payload) -> bool:
        """Send a payload, again with a higher sequence where others wrote one; False where they keep doing so.

        No one else of ours writes while this run does, so that what stands there is somebody else's.
        """
        for _ in range(OVERTAKEN_TRIES):
            self._sequence = next_sequence(self._sequence, workflow.now())
            answer = await self._send(self._stamp(payload, self._sequence))
            if answer.reason != _OLDER or answer.sequence <= self._sequence:
                return True
            self._sequence = answer.sequence
        return False

    def _worth_sending(self, payload: Payload) -> bool:
        return self._sent is None or self._adds(self._sent, payload)
