"""An attempt that the server has given up does nothing more."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Worker

from crds.reasons.problems import FailureKind
from worker.serving.deadlines import ActivityDeadline

LIMIT = timedelta(seconds=1)


@workflow.defn(sandboxed=False)
class Waits:
    """Run the slow activity until an attempt of it succeeds."""

    @workflow.run
    async def run(self) -> int:
        retry = RetryPolicy(initial_interval=timedelta(milliseconds=100))
        attempt: int = await workflow.execute_activity(
            "act", start_to_close_timeout=LIMIT, retry_policy=retry, result_type=int
        )
        return attempt


async def test_an_attempt_that_is_too_slow_never_acts_together_with_its_successor(temporal_server: str) -> None:
    acted: list[int] = []

    @activity.defn
    async def act() -> int:
        attempt = activity.info().attempt
        if attempt == 1:
            await asyncio.sleep(2 * LIMIT.total_seconds())
        acted.append(attempt)
        return attempt

    client, queue = await Client.connect(temporal_server), f"attempts-{uuid.uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[Waits], activities=[act], interceptors=[ActivityDeadline()]):
        answer = await client.execute_workflow(Waits.run, id=queue, task_queue=queue)
        # Long enough for the first attempt to end, were it still there.
        await asyncio.sleep(2 * LIMIT.total_seconds())
    assert (answer, acted) == (2, [2])


class _Runs(ActivityInboundInterceptor):
    """The end of the chain: the activity itself."""

    def __init__(self, function: Callable[[], Coroutine[Any, Any, str]]) -> None:
        self.function = function

    async def execute_activity(self, call: ExecuteActivityInput) -> Any:
        return await self.function()


async def bounded(function: Callable[[], Coroutine[Any, Any, str]], *, age: timedelta, limit: timedelta | None) -> str:
    environment = ActivityEnvironment()
    started = datetime.now(UTC) - age
    environment.info = replace(environment.info, started_time=started, start_to_close_timeout=limit)
    inbound = ActivityDeadline().intercept_activity(_Runs(function))
    given = ExecuteActivityInput(fn=function, args=[], executor=None, headers={})
    answer: str = await environment.run(inbound.execute_activity, given)
    return answer


async def done() -> str:
    return "done"


async def times_out() -> str:
    raise TimeoutError("of a host")


@pytest.mark.parametrize(
    "age", [timedelta(0), LIMIT / 2, timedelta(minutes=-5)], ids=["fresh", "young", "clock behind"]
)
async def test_an_attempt_within_its_time_runs(age: timedelta) -> None:
    assert await bounded(done, age=age, limit=LIMIT) == "done"


async def test_an_attempt_that_waited_for_too_long_in_this_process_does_not_begin() -> None:
    begun: list[str] = []

    async def begin() -> str:
        begun.append("begun")
        return "done"

    with pytest.raises(ApplicationError, match="older than its 1 s") as caught:
        await bounded(begin, age=timedelta(seconds=2), limit=LIMIT)
    assert caught.value.type == FailureKind.EXPIRED
    assert not caught.value.non_retryable
    assert begun == []


async def test_an_attempt_without_a_limit_runs() -> None:
    assert await bounded(done, age=timedelta(days=1), limit=None) == "done"


async def test_a_timeout_inside_an_attempt_stays_what_it_is() -> None:
    with pytest.raises(TimeoutError, match="of a host"):
        await bounded(times_out, age=timedelta(0), limit=LIMIT)
