"""Webhooks of the stand-ins: what changes is sent to the addresses that were registered, as each system sends it.

Runs and builds age by the clock, without an event, so a task polls the state and sends what differs from what it saw
before.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from deploy.local.sandbox.replies import Json
from deploy.local.sandbox.webhook_senders import SENDERS, Occurrence

if TYPE_CHECKING:
    from deploy.local.sandbox.state import SandboxState

_LOOK_SECONDS = 0.05
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_KEPT = 1000


@dataclass(kw_only=True)
class Target:
    """Where webhooks of a system are sent; `of` is a repository, a folder of jobs or the start of application names."""

    system: str
    url: str
    secret: str
    of: str
    seen: dict[str, object] = field(default_factory=dict)


class Webhooks:
    """Send what changed."""

    def __init__(self, state: "SandboxState") -> None:
        self.base_url = ""
        """The sandbox's own address, which payloads name."""
        self.deliveries: deque[Json] = deque(maxlen=_KEPT)
        """What was sent, and how it was answered."""
        self._state = state
        self._targets: list[Target] = []
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._number = 0

    def add(self, wanted: Mapping[str, Any]) -> None:
        """Register `{system, url, secret, of}`; what is there already is no news. Raises ValueError."""
        if wanted["system"] not in SENDERS:
            raise ValueError(f"unknown system {wanted['system']!r}; known: {', '.join(SENDERS)}")
        target = Target(**wanted)
        self._look(target)
        self._targets.append(target)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Send no more."""
        for task in (*filter(None, (self._task,)), *self._sending):
            task.cancel()
        self._task = None
        self._targets.clear()

    async def _run(self) -> None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                for target in self._targets:
                    for one in self._look(target):
                        self._send(session, target, one)

    def _look(self, target: Target) -> list[Occurrence]:
        """Return what differs from what was seen before."""
        found = SENDERS[target.system].occurrences(self._state, target.of, self.base_url)
        news = [one for one in found if target.seen.get(one.key) != one.mark]
        target.seen = {one.key: one.mark for one in found}
        return news

    def _send(self, session: aiohttp.ClientSession, target: Target, one: Occurrence) -> None:
        self._number += 1
        task = asyncio.get_running_loop().create_task(self._deliver(session, target, one, self._number))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _deliver(self, session: aiohttp.ClientSession, target: Target, one: Occurrence, number: int) -> None:
        body = json.dumps(one.body).encode()
        proof = SENDERS[target.system].headers(one.event, body, target.secret, f"sandbox-{number}")
        headers = {"Content-Type": "application/json", **proof}
        entry: Json = {"system": target.system, "event": one.event, "key": one.key, "status": 0}
        entry["time"] = self._state.clock.now()
        self.deliveries.append(entry)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(target.url, data=body, headers=headers) as response:
                entry["status"] = response.status
