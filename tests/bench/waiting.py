"""Many trackers that wait for a merge: memory, processor time and calls to the SCM host, once all of them wait."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deploy.local.environment.failures import LocalEnvironmentError
from tests.bench.rows import Row, rounded
from tests.bench.stage import Report, Stage
from tests.bench.usage import Usage

REPOSITORIES = 1
LEAST_TRACKERS = 100
"""So many are needed for the row on a killed worker."""
TICK_SECONDS = 15.0
"""How often the repository's list is looked at here, eight times as often as while nothing changes."""
TIMINGS: Mapping[str, float] = {
    "merge_initial": 6 * 3600.0,
    "list_initial": TICK_SECONDS,
    "list_maximum": TICK_SECONDS,
}
"""From the beginning, so that the window shows trackers that have been waiting for long."""
WINDOW_SECONDS = 60.0
SETTLING_SECONDS = 5.0
SHOWN_SECONDS = 330.0
"""So long the looks still read the last presentation of those who have just begun: each reads back five minutes."""
SHOWING_SECONDS = 1800.0
"""Until when the last presentation must have been made; a later one is an error."""
CREATED_AT_ONCE = 16
LEAST_PER_SECOND = 4.0
"""Trackers that must get to their wait per second; slower is an error."""
MEGABYTES, CORES, CALLS = 500.0, 0.3, 1.0
PROCESSES = ("worker-1", "watcher-1")


async def fill(stage: Stage, count: int, report: Report) -> list[str]:
    """Create so many trackers and return when all of them wait for their merge; returns their workflows."""
    began = time.monotonic()
    slots = asyncio.Semaphore(CREATED_AT_ONCE)

    async def create(repository: str, number: int) -> str:
        async with slots:
            return await stage.create(repository, number)

    identities = await asyncio.gather(*itertools.starmap(create, itertools.islice(_pulls(stage), count)))
    while (waiting := _waiting(await stage.trackers())) < count:
        if time.monotonic() - began > SETTLING_SECONDS * 12 + count / LEAST_PER_SECOND:
            raise LocalEnvironmentError(f"{waiting} of {count} trackers wait for their merge")
        report(f"{waiting} of {count} trackers wait for their merge ({time.monotonic() - began:.0f} s)")
        await asyncio.sleep(SETTLING_SECONDS)
    return identities


async def measure_waiting(stage: Stage, count: int) -> list[Row]:
    """Watch all of them wait, once the looks at the list meet nothing that we wrote ourselves."""
    await _presented(stage)
    calls_before = len(await stage.calls(_asks_host))
    before = stage.usage()
    await asyncio.sleep(max(0.0, before.at + WINDOW_SECONDS - time.monotonic()))
    after = stage.usage()
    calls = len(await stage.calls(_asks_host)) - calls_before
    return _rows(count, calls, before, after)


async def _presented(stage: Stage) -> None:
    """Return once the last write to the host is so long ago that no look reads it any more."""
    began = time.time()
    while (quiet := time.time() - await _last_write(stage, began)) < SHOWN_SECONDS:
        if time.time() - began > SHOWING_SECONDS + SHOWN_SECONDS:
            raise LocalEnvironmentError(f"the host is still written to {time.time() - began:.0f} s after all waited")
        await asyncio.sleep(min(SETTLING_SECONDS, SHOWN_SECONDS - quiet))


async def _last_write(stage: Stage, began: float) -> float:
    writes = await stage.calls(lambda entry: _asks_host(entry) and entry["method"] != "GET")
    return max((began, *(float(entry["time"]) for entry in writes)))


def _rows(count: int, calls: int, before: Usage, after: Usage) -> list[Row]:
    cores, memory = after.cores_since(before), after.rss_megabytes
    ticks = WINDOW_SECONDS / TICK_SECONDS
    wait = f"{count} trackers wait for a merge"
    return [
        Row(
            name=f"{wait}: memory of the greater of worker and watcher",
            value=rounded(max(memory[name] for name in PROCESSES)),
            target=MEGABYTES,
            unit="MB",
            detail={"megabytes": memory},
        ),
        Row(
            name=f"{wait}: processor time of the busier of worker and watcher",
            value=rounded(max(cores[name] for name in PROCESSES)),
            target=CORES,
            unit="cores",
            detail={"cores": cores, "window_seconds": WINDOW_SECONDS, "ticks_in_window": ticks},
        ),
        Row(
            name=f"{wait}: calls to the SCM host per repository and tick",
            value=rounded(calls / REPOSITORIES / ticks),
            target=CALLS,
            detail={"repositories": REPOSITORIES, "tick_seconds": TICK_SECONDS, "calls_in_window": calls},
        ),
    ]


def _pulls(stage: Stage) -> Iterator[tuple[str, int]]:
    for number in itertools.count(1):
        for repository in stage.scene.names:
            yield repository, number


def _waiting(trackers: Sequence[Mapping[str, Any]]) -> int:
    return sum(one.get("status", {}).get("state") == "AwaitingMerge" for one in trackers)


def _asks_host(entry: Mapping[str, Any]) -> bool:
    return entry["system"] == "github" and "/repos/" in entry["path"]
