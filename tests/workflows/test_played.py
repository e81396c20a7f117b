"""What stands for a server does to a workflow what a server does: retries, timeouts, refusals, successors."""

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NoReturn

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowUpdateFailedError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as TimedOut
from temporalio.workflow import ActivityCancellationType, ActivityConfig

from tests.worlds.played import Played, Server, connected, served
from workflows.identity import Queues

SHORT, LONG, PAUSE = timedelta(milliseconds=300), timedelta(seconds=30), timedelta(milliseconds=10)
EXPECTED = [
    "Refused: nothing to change",
    "2 2",
    "third attempt",
    "Refused of attempt 1",
    "Broken of attempt 2",
    "START_TO_CLOSE",
    "CancelledError",
    "signalled first",
    "updated second",
    "continued",
]


@dataclass
class Calls:
    """Activities that fail in each way, and count their attempts."""

    attempts: dict[str, int] = field(default_factory=dict)

    def _count(self, name: str) -> int:
        self.attempts[name] = self.attempts.get(name, 0) + 1
        return self.attempts[name]

    @activity.defn
    async def find_policy(self, name: str) -> str:
        if name == "passing" and self._count(name) < 3:
            raise ValueError("not yet")
        if name == "final":
            raise ApplicationError(str(self._count(name)), type="Refused", non_retryable=True)
        if name == "bounded":
            raise ApplicationError(str(self._count(name)), type="Broken")
        if name == "slow":
            await asyncio.sleep(60)
        if name == "watched":
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.02)
        return "third attempt"


@dataclass(frozen=True, kw_only=True)
class Start:
    queue: str
    before: list[str] = field(default_factory=list)


@workflow.defn(sandboxed=False)
class Asking:
    """Ask for each, and return what became of it."""

    @workflow.init
    def __init__(self, start: Start) -> None:
        self.received: list[str] = []

    @workflow.run
    async def run(self, start: Start) -> list[str]:
        if not start.before:
            await self._ask_for_all(start)
        return [*start.before, "continued"]

    async def _ask_for_all(self, start: Start) -> NoReturn:
        found = [await self._ask(start, "passing")]
        for name in ("final", "bounded"):
            cause = await self._failure(start, name)
            assert isinstance(cause, ApplicationError)
            found.append(f"{cause.type} of attempt {cause.message}")
        cause = await self._failure(start, "slow")
        assert isinstance(cause, TimedOut)
        found.append(cause.type.name if cause.type else "")
        watch = asyncio.create_task(self._failure(start, "watched"))
        await workflow.sleep(0.2, summary="let it begin")
        watch.cancel()
        found.append(type(await watch).__name__)
        await workflow.wait_condition(lambda: len(self.received) == 2)
        workflow.continue_as_new(Start(queue=start.queue, before=[*found, *self.received]))

    @workflow.signal
    def receive(self, text: str) -> None:
        self.received.append(f"signalled {text}")

    @workflow.update
    def change(self, text: str) -> int:
        self.received.append(f"updated {text}")
        return len(self.received)

    @change.validator
    def check(self, text: str) -> None:
        if text == "nothing":
            raise ApplicationError("nothing to change", type="Refused")

    async def _ask(self, start: Start, name: str) -> str:
        config = ActivityConfig(
            task_queue=start.queue,
            start_to_close_timeout=LONG if name == "watched" else SHORT,
            schedule_to_close_timeout=LONG,
            heartbeat_timeout=SHORT,
            retry_policy=RetryPolicy(initial_interval=PAUSE, maximum_attempts=0 if name == "passing" else 2),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=name,
        )
        return await workflow.execute_activity_method(Calls.find_policy, name, **config)

    async def _failure(self, start: Start, name: str) -> BaseException | None:
        try:
            await self._ask(start, name)
        except ActivityError as error:
            return error.__cause__
        raise AssertionError(f"{name} succeeded")


async def _became_of(server: Server) -> list[str]:
    """Play it, and return what became of each thing asked for, signalled and updated."""
    client = await connected(server)
    installation = f"t{uuid.uuid4().hex[:8]}"
    queues = Queues(installation=installation)
    async with served(server, client, installation, [Asking], {"config": [Calls().find_policy]}):
        handle = await client.start_workflow(
            Asking.run, Start(queue=queues.config), id=installation, task_queue=queues.promotions
        )
        await handle.signal(Asking.receive, "first")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("change", "nothing", id="refused")
        first = await handle.execute_update("change", "second", id="same", result_type=int)
        again = await handle.execute_update("change", "second", id="same", result_type=int)
        assert isinstance(refused.value.cause, ApplicationError)
        return [
            f"{refused.value.cause.type}: {refused.value.cause.message}",
            f"{first} {again}",
            *await handle.result(),
        ]


async def test_a_server_does_so(temporal_server: str) -> None:
    assert await _became_of(temporal_server) == EXPECTED


async def test_what_stands_for_it_does_so(played: Played) -> None:
    assert await _became_of(played) == EXPECTED
