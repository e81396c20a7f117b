"""How the work is shared by two, four and eight worker processes, and the throughput of all together."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from deploy.local.environment.coroutines import to_the_end
from tests.bench.rows import AT_LEAST, Row, rounded
from tests.bench.stage import Stage

WORKERS = (2, 4, 8)
REPOSITORIES, PULL_REQUESTS = 25, 8
"""For each number of workers: the first pull request of each repository is promoted, the others wait to be deployed."""
TIMINGS: Mapping[str, float] = {"poll_initial": 1.0, "poll_maximum": 1.0, "poll_gap": 1.0}
RUN_SECONDS = 0.5
LIMIT_SECONDS = 900.0
WAITING = "AwaitingSync"
LEAST, MOST = 0.5, 1.5
"""Of a fair share."""
LOOK_SECONDS = 2.0


async def measure_scaling(stage: Stage) -> AsyncIterator[Row]:
    """Start many trackers at once, first with few workers, then with more."""
    for index, workers in enumerate(WORKERS):
        await to_the_end(partial(stage.environment.start, workers=workers, watchers=1))
        names = stage.scene.names[index * REPOSITORIES : (index + 1) * REPOSITORIES]
        for row in await _measure(stage, names, workers):
            yield row


async def _measure(stage: Stage, repositories: Sequence[str], workers: int) -> list[Row]:
    before = stage.usage()
    began = time.monotonic()
    created = [
        await asyncio.gather(*(stage.create(repository, number) for repository in repositories))
        for number in range(1, PULL_REQUESTS + 1)
    ]
    promoted = created[0]
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*map(stage.finish, promoted))
        seconds = time.monotonic() - began
        cores = stage.usage().cores_since(before)
        await _until_waiting(stage, repositories)
    identities = [identity for one in created for identity in one]
    histories = [await stage.events(identity) for identity in identities]
    found = shares(histories, workers)
    trackers = f"{len(identities)} trackers and {workers} worker processes"
    return [
        Row(
            name=f"promotions/s with {trackers}, all servers on this machine",
            value=rounded(len(promoted) / seconds),
            detail={
                "cores": dict(sorted(cores.items(), key=lambda one: -one[1])),
                "events": sum(map(len, histories)),
                "promotions": len(promoted),
            },
        ),
        Row(
            name=f"least workflow tasks of a process, in fair shares, with {trackers}",
            value=rounded(found[-1] * workers),
            target=LEAST,
            bound=AT_LEAST,
            detail={"share_of_workflow_tasks": found},
        ),
        Row(
            name=f"most workflow tasks of a process, in fair shares, with {trackers}",
            value=rounded(found[0] * workers),
            target=MOST,
        ),
    ]


async def _until_waiting(stage: Stage, repositories: Sequence[str]) -> None:
    """Wait until all that is not promoted waits to be deployed."""
    names = {f"{repository}-{number}" for repository in repositories for number in range(2, PULL_REQUESTS + 1)}
    while True:
        listed = await stage.trackers()
        waiting = {one["metadata"]["name"] for one in listed if one.get("status", {}).get("state") == WAITING}
        if names <= waiting:
            return
        await asyncio.sleep(LOOK_SECONDS)


def shares(histories: Iterable[Iterable[HistoryEvent]], processes: int) -> list[float]:
    """Return the share of each process in the workflow tasks, greatest first; 0 for those that did none."""
    done: Counter[str] = Counter(
        event.workflow_task_completed_event_attributes.identity
        for events in histories
        for event in events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    )
    found = [round(count / done.total(), 3) for _, count in done.most_common()]
    return [*found, *[0.0] * (processes - len(found))]
