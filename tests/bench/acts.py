"""The acts of the benchmark: each starts the servers that its rows need, measures, and stops them."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from deploy.local.environment.assembly import LocalEnvironment
from tests.bench import scaling, tenants, waiting, watched
from tests.bench.commands import measure_commands
from tests.bench.costs import measure_costs
from tests.bench.drifting import measure_drift
from tests.bench.killing import measure_kill
from tests.bench.latency import measure_latencies
from tests.bench.merging import measure_merging
from tests.bench.returning import measure_return
from tests.bench.rows import Row
from tests.bench.scene import Scene
from tests.bench.stage import Report, staged
from tests.bench.stories import measure_hop, measure_rollout
from tests.bench.storm import measure_storm
from tests.bench.throughput import measure_throughput
from tests.bench.ticks import measure_ticks
from worker.temporal.conversion import DATA_CONVERTER


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured."""

    trackers: int = 1000
    """That wait for a merge."""
    promotions: int = 90
    """On each side of the comparison with the bare workflow."""
    samples: int = 15
    """Of each latency."""
    stock: bool = False
    """Leave the settings of the development server as they come."""


Act = Callable[[Plan, Path, Report], AsyncIterator[Row]]


async def _alone(plan: Plan, directory: Path, report: Report) -> AsyncIterator[Row]:
    """Need Temporal alone: workflows in this process, over instant activities."""
    with LocalEnvironment(directory, temporal_stock=plan.stock, report=report) as environment:
        environment.start("temporal")
        yield await measure_throughput(environment.temporal_address, promotions=plan.promotions)
        client = await Client.connect(environment.temporal_address, data_converter=DATA_CONVERTER)
        for row in await measure_ticks(client):
            yield row
        for row in await measure_merging(client):
            yield row


async def _returning(plan: Plan, directory: Path, report: Report) -> AsyncIterator[Row]:
    """Need Temporal alone, which is killed and comes back."""
    with LocalEnvironment(directory, temporal_stock=plan.stock, report=report) as environment:
        environment.start("temporal")
        for row in await measure_return(
            environment.temporal_address,
            trackers=plan.trackers,
            kill=lambda: environment.kill("temporal"),
            restart=lambda: environment.restart("temporal"),
        ):
            yield row


async def _hops(plan: Plan, directory: Path, report: Report) -> AsyncIterator[Row]:
    scene = Scene(repositories=plan.samples + 3, long=1)
    long, slow, *others = scene.names
    async with staged(directory, scene, report, stock=plan.stock) as stage:
        for row in await measure_hop(stage, long):
            yield row
        yield await measure_rollout(stage, slow)
        # What it lists when it begins is no part of a hop.
        await stage.accept_webhooks()
        for row in await measure_costs(stage, others, lambda: measure_latencies(stage, others)):
            yield row
        for row in await measure_latencies(stage, others, change=2):
            yield row


async def _commands(plan: Plan, directory: Path, report: Report) -> AsyncIterator[Row]:
    """Need the API server alone, and programs that list what is there."""
    with LocalEnvironment(directory, report=report) as environment:
        environment.start("kubernetes", "resources")
        for row in await measure_commands(environment, report):
            yield row


async def _waiting(plan: Plan, directory: Path, report: Report) -> AsyncIterator[Row]:
    each = -(-max(plan.trackers, waiting.LEAST_TRACKERS) // waiting.REPOSITORIES)
    scene = Scene(repositories=waiting.REPOSITORIES, open_pulls=each)
    async with staged(directory, scene, report, timings=waiting.TIMINGS, stock=plan.stock) as stage:
        identities = await waiting.fill(stage, each * waiting.REPOSITORIES, report)
        for row in await waiting.measure_waiting(stage, len(identities)):
            yield row
        yield await measure_kill(stage, identities)


async def _scaling(plan: Plan, directory: Path, report: Report) -> AsyncIterator[Row]:
    count = scaling.REPOSITORIES * len(scaling.WORKERS)
    scene = Scene(repositories=count, merged_pulls=scaling.PULL_REQUESTS, run_seconds=scaling.RUN_SECONDS)
    fewest = min(scaling.WORKERS)
    async with staged(directory, scene, report, timings=scaling.TIMINGS, stock=plan.stock, workers=fewest) as stage:
        async for row in scaling.measure_scaling(stage):
            yield row


async def _tenants(plan: Plan, directory: Path, report: Report) -> AsyncIterator[Row]:
    scene = tenants.scenes(plan.trackers, min(plan.samples, tenants.MOST_SAMPLES))
    async with staged(directory, scene, report, timings=waiting.TIMINGS, stock=plan.stock) as stage:
        async for row in tenants.measure_tenants(stage, plan.trackers, report):
            yield row


async def _drift(plan: Plan, directory: Path, report: Report) -> AsyncIterator[Row]:
    """Play many monitors and one Argo CD in a process of their own, and then have as many on real servers."""
    for row in await measure_drift():
        yield row
    async with staged(directory, watched.SCENE, report, timings=watched.TIMINGS, stock=plan.stock) as stage:
        for row in await watched.measure_watched(stage, report):
            yield row


async def _flux(plan: Plan, directory: Path, report: Report) -> AsyncIterator[Row]:
    async with staged(directory, Scene(repositories=1), report, stock=plan.stock) as stage:
        for row in await measure_storm(stage):
            yield row


ACTS: Mapping[str, Act] = {
    "alone": _alone,
    "returning": _returning,
    "commands": _commands,
    "hops": _hops,
    "waiting": _waiting,
    "scaling": _scaling,
    "tenants": _tenants,
    "drift": _drift,
    "flux": _flux,
}
"""In the order in which they are played."""


async def play(names: list[str], plan: Plan, directory: Path, report: Report, show: Callable[[Row], None]) -> list[Row]:
    """Play acts one after the other, each in a directory of its own; `show` gets each row as soon as it is measured."""
    rows: list[Row] = []
    for number, name in zip(itertools.count(1), names):
        report(f"act {number} of {len(names)}: {name}")
        async with aclosing(ACTS[name](plan, directory / name, report)) as found:  # type: ignore[type-var]
            async for row in found:
                rows.append(row)
                show(row)
    return rows
