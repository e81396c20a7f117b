"""Promotions per second against the bare workflow: same commands, same server, same run, turn about."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from tests.bench.baseline import baseline
from tests.bench.rows import AT_LEAST, Row, median, rounded
from tests.bench.script import read_script
from tests.worlds.serving import Crowd, serving
from tests.worlds.ticking import one_hop, promote
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.sandbox import workflow_runner
from workflows.promotion.workflow import PromotionWorkflow

AT_ONCE = 40
"""Enough to keep the server busy through everybody's waits."""
TURNS = 3
WARM_UP = 4
LIMIT_SECONDS = 120.0


async def history(client: Client, identity: str) -> list[HistoryEvent]:
    """Return the events of a workflow's run."""
    return [event async for event in client.get_workflow_handle(identity).fetch_history_events()]


async def measure_throughput(address: str, *, promotions: int) -> Row:
    """Run both sides turn about, each `promotions` workflows in all; the value is the median ratio of the turns."""
    client = await Client.connect(address, data_converter=DATA_CONVERTER)
    installation = f"bench-{uuid.uuid4().hex[:6]}"
    crowd = Crowd(make=lambda: one_hop(client))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            serving(client, installation, [PromotionWorkflow], crowd.activities(), workflow_runner())
        )
        recorded = await history(client, await promote(client, installation))
        run_bare = await stack.enter_async_context(baseline(client, read_script(recorded)))
        copied = await history(client, await run_bare())
        await _rate(lambda: promote(client, installation), WARM_UP)
        await _rate(run_bare, WARM_UP)
        ours, theirs = [], []
        each = max(1, promotions // TURNS)
        for _ in range(TURNS):
            theirs.append(await _rate(run_bare, each))
            ours.append(await _rate(lambda: promote(client, installation), each))
            crowd.worlds.clear()
    return Row(
        name="promotions/s against a bare workflow",
        value=rounded(median(own / other for own, other in zip(ours, theirs, strict=True))),
        target=0.9,
        bound=AT_LEAST,
        detail={
            "promotions_per_second": [rounded(one) for one in ours],
            "bare_per_second": [rounded(one) for one in theirs],
            "events": len(recorded),
            "bare_events": len(copied),
        },
    )


async def _rate(run: Callable[[], Awaitable[object]], count: int) -> float:
    """Return how many ended per second."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with slots:
            await run()

    began = time.monotonic()
    await asyncio.wait_for(asyncio.gather(*(one() for _ in range(count))), LIMIT_SECONDS)
    return count / (time.monotonic() - began)
