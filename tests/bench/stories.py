"""What a hop and an arrival cost: history events, and calls to the SCM host, through all processes."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from temporalio.api.history.v1 import HistoryEvent

from tests.bench.latency import is_sync
from tests.bench.rows import Row
from tests.bench.scene import TARGET, application, host_path, job_of
from tests.bench.script import activities_scheduled
from tests.bench.stage import Stage
from tests.worlds.ticking import TESTS

TWO_TICKS_SECONDS = 12.0
"""Duration of a test that is polled twice: after 10 s and, with the pause grown by half, after 25 s."""
ROLLOUT_SECONDS = 100.0
SETTLED_SECONDS = 20.0
"""From the sync until a rollout is in full course; a minute is counted from there."""
MINUTE_SECONDS = 60.0


async def measure_hop(stage: Stage, repository: str) -> list[Row]:
    """Send two changes down the long road; the second one meets living places and labels that exist."""
    first = await _promote(stage, repository, 1, test_seconds=TWO_TICKS_SECONDS)
    fresh = len(await stage.events(stage.place(TARGET, repository)))
    await stage.deploy(repository, 2)
    second = await _promote(stage, repository, 2, test_seconds=TWO_TICKS_SECONDS)
    one, two = _hops(second)
    everything = await stage.events(stage.place(TARGET, repository))
    calls = await stage.calls(lambda entry: host_path(repository) in entry["path"])
    scm, lists = ([one["time"] for one in calls if _is_list(one) is listed] for listed in (False, True))
    return [
        Row(
            name="history events of a three-test hop with two ticks, place and publishing included",
            value=len(one),
            target=90,
            detail={
                "second_hop": len(two),
                "before_the_first_hop": len(second) - len(one) - len(two),
                "first_change": [len(hop) for hop in _hops(first)],
            },
        ),
        Row(
            name="EnvironmentWorkflow events per arrival",
            value=len(everything) - fresh,
            target=45,
            detail={"in_a_place_that_begins_with_it": fresh},
        ),
        Row(
            name="SCM API calls per hop, presentation included",
            value=_within(scm, one),
            target=8,
            detail={
                "second_hop": _within(scm, two),
                "whole_promotion_of_two_hops": _within(scm, second),
                "looks_at_the_list_of_all_trackers": _within(lists, one),
            },
        ),
    ]


async def measure_rollout(stage: Stage, repository: str) -> Row:
    """Count what a place writes in one minute of a slow rollout."""
    slow = {"app": application(repository, TARGET), "sync_seconds": ROLLOUT_SECONDS}
    await asyncio.to_thread(stage.sandbox.post, "/_argocd/set", slow)
    await _test_lasts(stage, repository, 0.0)
    identity = await stage.create(repository)
    found = await stage.await_calls(partial(is_sync, application(repository, TARGET)), limit_seconds=120.0)
    begins = found[0]["time"] + SETTLED_SECONDS
    await stage.finish(identity)
    place = await stage.events(stage.place(TARGET, repository))
    own = await stage.events(identity)
    return Row(
        name="EnvironmentWorkflow events per minute of rollout",
        value=_between(place, begins, begins + MINUTE_SECONDS),
        target=11,
        detail={"promotion_events_in_that_minute": _between(own, begins, begins + MINUTE_SECONDS)},
    )


async def _promote(stage: Stage, repository: str, number: int, *, test_seconds: float) -> list[HistoryEvent]:
    await _test_lasts(stage, repository, test_seconds)
    identity = await stage.create(repository, number)
    await stage.finish(identity)
    await asyncio.sleep(1)  # The places are left too.
    return await stage.events(identity)


async def _test_lasts(stage: Stage, repository: str, seconds: float) -> None:
    for test in TESTS:
        wanted = {"job": job_of(repository, test), "duration_seconds": seconds}
        await asyncio.to_thread(stage.sandbox.post, "/_jenkins/result", wanted)


def _hops(events: Sequence[HistoryEvent]) -> tuple[list[HistoryEvent], ...]:
    """Return the events of each hop: a hop begins where its policy is looked for."""
    begins = [event.event_id - 1 for event in activities_scheduled(events, "open_hop")]
    return tuple(list(events[at:end]) for at, end in zip(begins, [*begins[1:], len(events)], strict=True))


def _is_list(call: Mapping[str, Any]) -> bool:
    return call["method"] == "GET" and str(call["path"]).endswith("/pulls")


def _within(times: Sequence[float], events: Sequence[HistoryEvent]) -> int:
    first, last = (event.event_time.ToNanoseconds() / 1e9 for event in (events[0], events[-1]))
    return sum(first <= time <= last for time in times)


def _between(events: Sequence[HistoryEvent], begins: float, ends: float) -> int:
    return sum(begins <= event.event_time.ToNanoseconds() / 1e9 < ends for event in events)
