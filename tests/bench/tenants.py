"""How soon one tenant's tests are triggered next to another one's dead CI systems and many trackers."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from crds.api.ports import ApiResource, Document, resource_of
from crds.v1alpha1.test_runner import TestRunner
from deploy.local.environment.failures import LocalEnvironmentError
from tests.bench.latency import is_trigger_of
from tests.bench.rows import Row, median, rounded, spread
from tests.bench.scene import Scene
from tests.bench.stage import LOOK_SECONDS, TRACKERS, Report, Stage
from tests.bench.waiting import CREATED_AT_ONCE, REPOSITORIES, SETTLING_SECONDS
from tests.worlds.ticking import TESTS

NAMESPACE = "crowd"
RUNNERS = resource_of(TestRunner.definition)
FACTOR = 2.0
SETTLED_WITHIN_SECONDS = 900.0
"""Longer is an error."""
RUNNERS_PER_TRACKER = 0.5
MOST_SAMPLES = 10


@dataclass
class DeadHost:
    """A server on loopback that accepts connections and never answers."""

    port: int = 0
    open: int = 0
    accepted: int = 0
    most: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def hang(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep a connection until the other side gives it up."""
        self.open, self.accepted = self.open + 1, self.accepted + 1
        self.most = max(self.most, self.open)
        self.writers.add(writer)
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            self.writers.discard(writer)
            writer.close()


@asynccontextmanager
async def dead_host() -> AsyncIterator[DeadHost]:
    """Listen on a free port of loopback."""
    host = DeadHost()
    server = await asyncio.start_server(host.hang, "127.0.0.1", 0, backlog=1024)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        for writer in tuple(host.writers):
            writer.close()
        while host.open:  # noqa: ASYNC110 its connections bring it about
            await asyncio.sleep(LOOK_SECONDS)


def scenes(trackers: int, samples: int) -> Scene:
    """Return the scene of one tenant, with three rounds of samples and one to warm up, and the crowd next to it."""
    crowd = Scene(
        repositories=REPOSITORIES, open_pulls=-(-trackers // REPOSITORIES), namespace=NAMESPACE, prefix="crowd"
    )
    return Scene(repositories=3 * samples + 1, neighbour=crowd)


async def measure_tenants(stage: Stage, trackers: int, report: Report) -> AsyncIterator[Row]:
    """Measure alone, then next to the crowd once its trackers wait and while its hosts hang, and alone again.

    What else the machine does grows and shrinks meanwhile; alone is the median of before and after.
    """
    names = stage.scene.names
    third = len(names) // 3
    # The first one only warms up.
    alone = (await _triggered(stage, names[: third + 1]))[1:]
    async with dead_host() as host:
        runners = round(trackers * RUNNERS_PER_TRACKER)
        began = time.monotonic()
        await _crowd(stage, host, runners=runners, trackers=trackers, report=report)
        settled = time.monotonic() - began
        hanging, before = [host.open], host.accepted
        crowded: list[float] = []
        for name in names[third + 1 : 2 * third + 1]:
            crowded += await _triggered(stage, [name])
            hanging.append(host.open)
        accepted = host.accepted
        await _leave(stage, report)
        after = await _triggered(stage, names[2 * third + 1 :])
        yield Row(
            name=f"tracker created → triggered with {runners} dead runners and {trackers} trackers of another tenant",
            value=rounded(median(crowded) / median(alone + after)),
            target=FACTOR,
            unit="× alone",
            detail={
                "alone_ms": spread(alone),
                "crowded_ms": spread(crowded),
                "alone_again_ms": spread(after),
                "crowd_settled_seconds": rounded(settled),
                "hanging_checks": spread(hanging),
                "most_hanging_checks": host.most,
                "checks_begun_before": before,
                "checks_begun_meanwhile": accepted - before,
            },
        )


async def _triggered(stage: Stage, repositories: Sequence[str]) -> list[float]:
    """Promote the first change of each repository to its end; return the milliseconds until its triggers."""
    found = []
    for repository in repositories:
        began = time.time()
        identity = await stage.create(repository)
        triggers = await stage.await_calls(partial(is_trigger_of, repository, 0.0), count=len(TESTS), limit_seconds=150)
        found.append(1000 * (triggers[len(TESTS) - 1]["time"] - began))
        await stage.end_builds(repository, 1)
        await stage.poke(identity)
        await stage.finish(identity)
    return found


async def _crowd(stage: Stage, host: DeadHost, *, runners: int, trackers: int, report: Report) -> None:
    """Declare what the other tenant has, and return once its trackers wait for their merge and its hosts hang."""
    crowd = stage.scene.neighbour
    if crowd is None:
        raise LocalEnvironmentError("the scene holds no other tenant")
    spec = {"jenkins": {"url": f"http://127.0.0.1:{host.port}"}, "secretRef": {"name": "jenkins-token"}}
    slots, began = asyncio.Semaphore(CREATED_AT_ONCE), time.monotonic()

    async def create(kind: ApiResource, document: Document) -> None:
        async with slots:
            await stage.kubernetes.create(kind, NAMESPACE, document)

    dead = (create(RUNNERS, crowd.resource("TestRunner", f"dead-{number}", spec)) for number in range(runners))
    pulls = ((name, number) for number in itertools.count(1) for name in crowd.names)
    waiting_for = (create(TRACKERS, crowd.tracker(*pull)) for pull in itertools.islice(pulls, trackers))
    await asyncio.gather(*dead, *waiting_for)
    while True:
        items = (await stage.kubernetes.list_all(TRACKERS, NAMESPACE)).items
        waiting = sum(one.get("status", {}).get("state") == "AwaitingMerge" for one in items)
        if waiting == trackers and host.open:
            return
        if time.monotonic() - began > SETTLED_WITHIN_SECONDS:
            raise LocalEnvironmentError(f"{waiting} of {trackers} trackers of the crowd wait; {host.open} checks hang")
        report(f"{waiting} of {trackers} trackers of the crowd wait for their merge; {host.open} checks hang")
        await asyncio.sleep(SETTLING_SECONDS)


async def _leave(stage: Stage, report: Report) -> None:
    """Delete what the other tenant has, and return once its trackers are gone."""
    slots, began = asyncio.Semaphore(CREATED_AT_ONCE), time.monotonic()

    async def delete(kind: ApiResource, document: Document) -> None:
        async with slots:
            await stage.kubernetes.delete(kind, NAMESPACE, document["metadata"]["name"])

    for kind in (RUNNERS, TRACKERS):
        items = (await stage.kubernetes.list_all(kind, NAMESPACE)).items
        await asyncio.gather(*(delete(kind, one) for one in items))
    while left := len((await stage.kubernetes.list_all(TRACKERS, NAMESPACE)).items):
        if time.monotonic() - began > SETTLED_WITHIN_SECONDS:
            raise LocalEnvironmentError(f"{left} trackers of the crowd are still there")
        report(f"{left} trackers of the crowd leave")
        await asyncio.sleep(SETTLING_SECONDS)
