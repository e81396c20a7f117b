"""How soon a new tracker's tests are triggered, and how soon a finished test becomes a sync, through all processes."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from deploy.local.sandbox.ci_journal import is_trigger
from providers.jenkins.wire import KEY_PARAMETER
from tests.bench.baseline import time_bare
from tests.bench.rows import Row, median, rounded, spread
from tests.bench.scene import TARGET, application
from tests.bench.script import activities_scheduled
from tests.bench.stage import Stage
from tests.worlds.ticking import TESTS

SETTLING_SECONDS = 2.0
"""From the triggers until the tests end: the promotion has read the source again, published and presented by then."""
TARGET_MILLISECONDS = 200.0
SYNC_TARGET_MILLISECONDS = 150.0


async def measure_latencies(stage: Stage, repositories: Sequence[str], *, change: int = 1) -> list[Row]:
    """Promote a change of each repository, one after the other; that of the first repository only warms up.

    A receiver must run. The first change of a repository meets environments whose workflows do not run yet, a later one
    those that promoted the change before it.
    """
    triggered: list[float] = []
    synced: list[float] = []
    steps: list[Mapping[str, float]] = []
    events: list[HistoryEvent] = []
    for repository in repositories:
        await stage.deploy(repository, change)
        began = time.time()
        identity = await stage.create(repository, change)
        triggers = await stage.await_calls(partial(is_trigger_of, repository, began), count=len(TESTS))
        keys = [key_of(one) for one in triggers]
        await asyncio.sleep(SETTLING_SECONDS)
        await stage.end_builds(repository, change)
        poked = time.time()
        await stage.webhook(keys[0])
        syncs = await stage.await_calls(partial(is_sync, application(repository, TARGET), since=poked))
        await stage.finish(identity)
        events = await stage.events(identity)
        triggered.append(1000 * (triggers[len(TESTS) - 1]["time"] - began))
        synced.append(1000 * (syncs[0]["time"] - poked))
        steps.append(_milestones(events, began))
    del triggered[0], synced[0], steps[0]
    first = activities_scheduled(events, "trigger_round")[-1].event_id
    last = activities_scheduled(events, "deliver_application")[0].event_id
    poke = next(
        event.event_id for event in events if event.workflow_execution_signaled_event_attributes.signal_name == "poke"
    )
    where = "" if change == 1 else ", in environments that run already"
    return [
        Row(
            name=f"tracker created → every test triggered, p50{where}",
            value=rounded(median(triggered)),
            target=TARGET_MILLISECONDS,
            unit="ms",
            detail={
                "measured_ms": spread(triggered),
                **await time_bare(stage.client, events[:first], fresh=change == 1),
                "reached_after_ms": {name: rounded(median(one[name] for one in steps)) for name in steps[0]},
                "workflow_tasks": workflow_tasks(events[:first]),
            },
        ),
        Row(
            name=f"CI webhook received → Argo CD sync requested, p50{where}",
            value=rounded(median(synced)),
            target=SYNC_TARGET_MILLISECONDS,
            unit="ms",
            detail={
                "measured_ms": spread(synced),
                **await time_bare(stage.client, events[poke - 1 : last], fresh=False),
                "workflow_tasks": workflow_tasks(events[poke:last]),
            },
        ),
    ]


def is_sync(name: str, entry: Mapping[str, Any], *, since: float = 0.0) -> bool:
    """Return whether a call asks Argo CD to sync an application, and came since then."""
    return entry["time"] >= since and entry["method"] == "POST" and str(entry["path"]).endswith(f"/{name}/sync")


def workflow_tasks(events: Iterable[HistoryEvent]) -> int:
    """Count how often the workflow was asked what to do next."""
    return sum(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for event in events)


def key_of(trigger: Mapping[str, Any]) -> str:
    """Return the promotion key that a trigger carried."""
    return str({**(trigger.get("query") or {}), **(trigger.get("body") or {})}[KEY_PARAMETER])


def is_trigger_of(repository: str, since: float, entry: Mapping[str, Any]) -> bool:
    """Return whether a call starts a test of a repository, and came since then."""
    return entry["time"] >= since and is_trigger(entry) and f"/job/{repository}/" in entry["path"]


def _milestones(events: Sequence[HistoryEvent], began: float) -> dict[str, float]:
    """Return after how many milliseconds a promotion got how far."""
    found = {"workflow started": events[0]}
    for milestone, name in (
        ("repository and pull request asked for", "read_repository"),
        ("source joined", "join_place"),
        ("source answered, policy asked for", "open_hop"),
        ("tests triggered", "trigger_round"),
    ):
        found[milestone] = activities_scheduled(events, name)[0]
    return {name: 1000 * (event.event_time.ToNanoseconds() / 1e9 - began) for name, event in found.items()}
