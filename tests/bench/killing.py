"""A worker is SIGKILLed while its workflows have tasks: when does another worker go on with each of them."""

import asyncio
import time
from collections.abc import Iterable, Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from deploy.local.environment.coroutines import to_the_end
from deploy.local.environment.failures import LocalEnvironmentError
from tests.bench.rows import Row, rounded, spread
from tests.bench.stage import Stage

VICTIM, OTHER = "worker-1", "worker-2"
TOUCHED = 60
"""Workflows that the victim knows and that get something to do around its death."""
AT_WORK = 20
"""Of these, poked in the moment before it: their tasks may be in the victim's hands."""
SLOWEST_SECONDS = 10.0
"""After which a task that was in the victim's hands is given to another worker at the latest (the server's default)."""
LIMIT_SECONDS = 60.0
TARGET_SECONDS = 8.0
LOOK_SECONDS = 0.5


async def measure_kill(stage: Stage, identities: Sequence[str]) -> Row:
    """Kill the worker that has all workflows in memory, with another one idle next to it."""
    chosen = list(identities[:TOUCHED])
    for identity in chosen:
        await stage.poke(identity)
    await asyncio.sleep(5.0)
    await to_the_end(lambda: stage.environment.start(workers=2, watchers=1))
    at_work, idle = chosen[:AT_WORK], chosen[AT_WORK:]
    pokes = [asyncio.create_task(stage.poke(identity)) for identity in at_work]
    await pokes[0]
    stage.environment.kill(VICTIM)
    killed = time.time()
    await asyncio.gather(*pokes, *(stage.poke(identity) for identity in idle))
    others = await asyncio.gather(*(_went_on(stage, identity, killed) for identity in idle))
    await asyncio.sleep(SLOWEST_SECONDS)
    found = [in_hands(await stage.events(identity), killed) for identity in at_work]
    working = [seconds for seconds in found if seconds is not None]
    detail = {"task_came_after_the_kill_s": spread(others)}
    return Row(
        name="worker SIGKILLed: its workflow tasks continue elsewhere, slowest",
        value=rounded(max(*working, *others)),
        target=TARGET_SECONDS,
        unit="s",
        detail=detail | ({"task_was_in_its_hands_s": spread(working)} if working else {}),
    )


def in_hands(events: Iterable[HistoryEvent], killed: float) -> float | None:
    """Return how long after the kill the task was done that was open at the kill; None where none was."""
    scheduled = False
    for event in events:
        at = event.event_time.ToNanoseconds() / 1e9
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED and at <= killed:
            scheduled = True
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            if at > killed:
                return at - killed if scheduled else None
            scheduled = False
    return None


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
