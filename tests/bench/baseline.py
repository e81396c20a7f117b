"""Run the bare workflow next to what it is compared with: same server, workers of its own in this process."""

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from tests.bench import bare
from tests.bench.rows import spread
from tests.bench.script import Step, read_script
from tests.worlds.serving import SERVED, serving
from workflows.identity import Queues

RUNS = 10
LIMIT = timedelta(seconds=120)


@asynccontextmanager
async def baseline(
    client: Client, script: tuple[Step, ...], *, fresh: bool = True
) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Yield what runs the script once as a bare workflow and returns the workflow's id.

    With `fresh`, each run meets places that do not run yet; else all meet the same.
    """
    name = f"bare-{uuid.uuid4().hex[:6]}"
    activities = bare.BareActivities(client).by_queue(SERVED)
    bare.scripts[name] = script

    async def run() -> str:
        identity, queue = f"{name}/{uuid.uuid4().hex}", Queues(installation=name).promotions
        await client.execute_workflow(
            bare.BareWorkflow.run,
            args=[name, name, identity if fresh else name],
            id=identity,
            task_queue=queue,
            execution_timeout=LIMIT,
        )
        return identity

    try:
        async with serving(client, name, [bare.BareWorkflow, bare.BarePlace], activities, bare.bare_runner()):
            yield run
    finally:
        del bare.scripts[name]


async def time_bare(client: Client, events: Sequence[HistoryEvent], *, fresh: bool) -> dict[str, dict[str, float]]:
    """Return how many milliseconds the bare workflow takes for a part of a history, one run at a time.

    Both with places that answer and without any; `fresh` is that of `baseline`.
    """
    found = {}
    for figure, places in (("bare_ms", True), ("bare_without_environments_ms", False)):
        taken: list[float] = []
        async with baseline(client, read_script(events, places=places), fresh=fresh) as run:
            await run()
            for _ in range(RUNS):
                began = time.monotonic()
                await run()
                taken.append(1000 * (time.monotonic() - began))
        found[figure] = spread(taken)
    return found
