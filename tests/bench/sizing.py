"""Simulate working days of an installation from measured figures, and print what it needs.

`python -m tests.bench.sizing --changes 200 --repositories 40 --waiting 3000`. Changes are merged at random times of a
working day; each takes its hops, whose tests last a random time. The busiest minute of all days decides on processor
time, the busiest hour on calls. The figures stand in `measured.toml`.
"""

import argparse
import math
import random
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).parent / "measured.toml"
Figures = Mapping[str, Mapping[str, Any]]
DAY_MINUTES = 8 * 60
HOUR_SECONDS, MINUTE_SECONDS = 3600, 60
POLL_SECONDS = 60.0
"""Between two polls of a test on the average: they begin at 10 s and grow to two minutes."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What an installation is expected to carry."""

    changes: int
    """Merged on a working day."""
    hops: int = 3
    test_minutes: float = 15.0
    """Of a round, on the average."""
    waiting: int = 0
    """Open pull requests with a tracker."""
    repositories: int = 1
    days: int = 20


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What that takes."""

    cores: float
    """Of all workers in the busiest minute."""
    processes: int
    megabytes: float
    """Of each worker."""
    scm_calls_per_hour: float
    """Of the busiest hour, over all credentials."""
    kubernetes_requests_per_second: float
    events_per_second: float
    tracker_megabytes: float
    """In etcd, with what a week leaves behind."""
    history_megabytes_per_day: float

    def lines(self) -> tuple[str, ...]:
        """Return a line for each figure."""
        return (
            f"worker processes                    {self.processes} ({self.cores:.2f} cores in the busiest minute)",
            f"memory of each                      {self.megabytes:.0f} MB",
            f"calls to SCM hosts                  {self.scm_calls_per_hour:.0f} in the busiest hour",
            f"requests to the API server          {self.kubernetes_requests_per_second:.1f} per second, busiest minute",
            f"history events at Temporal          {self.events_per_second:.1f} per second, busiest minute",
            f"histories at Temporal               {self.history_megabytes_per_day:.0f} MB per day",
            f"trackers in etcd                    {self.tracker_megabytes:.0f} MB",
        )


def measured() -> Figures:
    """Return the figures that were measured last."""
    return tomllib.loads(MEASURED.read_text())


def simulate(load: Load, figures: Figures, chance: random.Random) -> Needs:
    """Return what the busiest moments of all days need."""
    hop, waiting, process = figures["hop"], figures["waiting"], figures["process"]
    hops: Counter[int] = Counter()
    polls: Counter[int] = Counter()
    for day in range(load.days):
        for _ in range(load.changes):
            at = day * DAY_MINUTES + chance.uniform(0, DAY_MINUTES)
            for _ in range(load.hops):
                lasted = chance.expovariate(1 / load.test_minutes)
                hops[int(at)] += 1
                for minute in range(int(at), int(at + lasted) + 1):
                    polls[minute] += 1
                at += lasted
    busiest = max(hops.values(), default=0)
    polled = max(polls.values(), default=0) * MINUTE_SECONDS / POLL_SECONDS
    idle = load.waiting * waiting["worker_cpu_seconds_per_hour"] / HOUR_SECONDS
    cores = busiest * hop["worker_cpu_seconds"] / MINUTE_SECONDS + idle
    looks = load.repositories * HOUR_SECONDS / waiting["look_seconds"]
    alive = load.waiting + max(polls.values(), default=0)
    processes = max(2, math.ceil(cores / process["useful_cores"]))
    cached = min(process["cached_workflows"], alive / processes)
    return Needs(
        cores=cores,
        processes=processes,
        megabytes=process["base_megabytes"] + cached * process["cached_workflow_kilobytes"] / 1000,
        scm_calls_per_hour=_busiest_hour(hops) * hop["scm_calls"]
        + looks * waiting["scm_calls_per_repository_and_look"],
        kubernetes_requests_per_second=busiest * hop["kubernetes_requests"] / MINUTE_SECONDS,
        events_per_second=(busiest * hop["history_events"] + polled * figures["poll"]["history_events"])
        / MINUTE_SECONDS,
        tracker_megabytes=(load.waiting + 7 * load.changes) * hop["tracker_bytes"] / 1e6,
        history_megabytes_per_day=load.changes * hop["history_bytes"] / 1e6,
    )


def _busiest_hour(hops: Mapping[int, int]) -> int:
    return max((sum(hops.get(minute + one, 0) for one in range(60)) for minute in hops), default=0)


def main() -> int:
    """Print what an installation needs."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sizing", description=__doc__)
    parser.add_argument("--changes", type=int, required=True, help="merged on a working day")
    parser.add_argument("--hops", type=int, default=Load.hops, help="of each change (%(default)s)")
    parser.add_argument("--test-minutes", type=float, default=Load.test_minutes, help="of a round (%(default)s)")
    parser.add_argument("--waiting", type=int, default=Load.waiting, help="open pull requests with a tracker")
    parser.add_argument("--repositories", type=int, default=Load.repositories)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = Load(
        changes=given.changes,
        hops=given.hops,
        test_minutes=given.test_minutes,
        waiting=given.waiting,
        repositories=given.repositories,
    )
    print("\n".join(simulate(load, measured(), random.Random(given.seed)).lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
