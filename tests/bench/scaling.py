"""Throughput of all processes together, with two, four and eight workers, and what each process does of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tests.bench.rows import Row, rounded
from tests.bench.stage import Stage

WORKERS = (2, 4, 8)
PROMOTIONS = 30
"""For each number of workers."""
TIMINGS: Mapping[str, float] = {"poll_initial": 1.0, "poll_maximum": 1.0, "poll_gap": 1.0}
RUN_SECONDS = 0.5
LIMIT_SECONDS = 240.0


async def measure_scaling(stage: Stage) -> list[Row]:
    """Promote one change of each of many repositories at once, first with few workers, then with more."""
    rows = []
    each = len(stage.scene.names) // len(WORKERS)
    for index, workers in enumerate(WORKERS):
        await asyncio.to_thread(stage.environment.start, workers=workers, watchers=1)
        rows.append(await _measure(stage, stage.scene.names[index * each : (index + 1) * each], workers))
    return rows


async def _measure(stage: Stage, repositories: Sequence[str], workers: int) -> Row:
    before = stage.usage()
    began = time.monotonic()
    identities = await asyncio.gather(*(stage.create(repository) for repository in repositories))
    await asyncio.wait_for(asyncio.gather(*map(stage.finish, identities)), LIMIT_SECONDS)
    seconds = time.monotonic() - began
    cores = stage.usage().cores_since(before)
    histories = [await stage.events(identity) for identity in identities]
    return Row(
        name=f"promotions/s with {workers} worker processes, all servers on this machine",
        value=rounded(len(identities) / seconds),
        detail={
            "share_of_workflow_tasks": shares(histories),
            "cores": dict(sorted(cores.items(), key=lambda one: -one[1])),
            "events_per_second": round(sum(map(len, histories)) / seconds),
            "promotions": len(identities),
        },
    )


def shares(histories: Iterable[Iterable[HistoryEvent]]) -> list[float]:
    """Return the share of each process in the workflow tasks, greatest first."""
    done: Counter[str] = Counter(
        event.workflow_task_completed_event_attributes.identity
        for events in histories
        for event in events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    )
    return [round(count / done.total(), 2) for _, count in done.most_common()]
