"""A worker is SIGKILLed while its workflows have tasks: when does another worker go on with each of them."""

import asyncio
import time
from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType

from deploy.local.bench.rows import Row, rounded, spread
from deploy.local.bench.stage import Stage
from deploy.local.failures import LocalEnvironmentError

VICTIM, OTHER = "worker-1", "worker-2"
TOUCHED = 60
"""Workflows that the victim knows and that get something to do around its death."""
AT_WORK = 20
"""Of these, poked in the moment before it: their tasks may be in the victim's hands."""
LIMIT_SECONDS = 60.0
TARGET_SECONDS = 10.0
LOOK_SECONDS = 0.5


async def measure_kill(stage: Stage, identities: Sequence[str]) -> Row:
    """Kill the worker that has all workflows in memory, with another one idle beside it."""
    chosen = list(identities[:TOUCHED])
    for identity in chosen:
        await stage.poke(identity)
    await asyncio.sleep(5.0)
    await asyncio.to_thread(lambda: stage.environment.start(workers=2, watchers=1))
    at_work, idle = chosen[:AT_WORK], chosen[AT_WORK:]
    await asyncio.gather(*(stage.poke(identity) for identity in at_work))
    stage.environment.kill(VICTIM)
    killed = time.time()
    await asyncio.gather(*(stage.poke(identity) for identity in idle))
    working = await asyncio.gather(*(_went_on(stage, identity, killed) for identity in at_work))
    others = await asyncio.gather(*(_went_on(stage, identity, killed) for identity in idle))
    return Row(
        name="worker SIGKILLed: its workflow tasks continue elsewhere, slowest",
        value=rounded(max(*working, *others)),
        target=TARGET_SECONDS,
        unit="s",
        detail={"task_came_after_the_kill_s": spread(others), "task_came_just_before_s": spread(working)},
    )


async def _went_on(stage: Stage, identity: str, killed: float) -> float:
    """Return how long after the kill the workflow's next task was done."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        for event in await stage.events(identity):
            at = event.event_time.ToNanoseconds() / 1e9
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED and at > killed:
                return at - killed
        await asyncio.sleep(LOOK_SECONDS)
    raise LocalEnvironmentError(f"{identity} did not go on within {LIMIT_SECONDS:.0f} s")
