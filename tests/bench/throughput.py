"""Promotions per second against the bare workflow: same commands, same server, same run, turn about."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from activities.models.configuration import TestSpec
from activities.models.testing import PollTestsInput, PollTestsResult, RunReport, RunState
from activities.models.tracking import TrackerRef, TrackerSpec
from tests.bench import world
from tests.bench.baseline import baseline
from tests.bench.rows import AT_LEAST, Row, median, rounded
from tests.bench.script import read_script
from tests.bench.serving import Crowd, serving
from tests.bench.world import MINE, OLD, InstantWorld, a_test
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.sandbox import workflow_runner
from workflows.identity import Queues, promotion_workflow_id
from workflows.promotion.state import PromotionStart
from workflows.promotion.workflow import PromotionWorkflow

TICKS = 2
TESTS = ("unit", "e2e", "look")
TIMINGS = replace(
    world.FAST,
    poll_initial=timedelta(milliseconds=300),
    poll_maximum=timedelta(milliseconds=300),
    poll_gap=timedelta(milliseconds=1),
)
AT_ONCE = 40
"""Enough to keep the server busy through everybody's waits."""
TURNS = 3
WARM_UP = 4
LIMIT_SECONDS = 120.0
NAMESPACE = "shop"


@dataclass
class TickingWorld(InstantWorld):
    """A world whose tests take a given number of polls."""

    ticks: int = TICKS
    polls: dict[str, int] = field(default_factory=dict)

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        """Report the runs as running until the last tick."""

        def state(key: str) -> RunState:
            self.polls[key] = self.polls.get(key, 0) + 1
            return RunState.PASSED if self.polls[key] >= self.ticks else RunState.RUNNING

        return PollTestsResult(
            reports=tuple(RunReport(key=run.key, run=run, state=state(run.key), number="7") for run in request.runs)
        )


def one_hop(client: Client, *, runners: int = 1, ticks: int = TICKS) -> TickingWorld:
    """Return a world of one hop, dev → staging, with three tests at one runner or more."""
    made = TickingWorld(client=client, ticks=ticks, arrival_seconds=0)
    made.environment("dev", MINE)
    made.environment("staging", OLD, final=True)
    made.policy("dev", "staging", tests=tests_at(runners))
    return made


def tests_at(runners: int) -> tuple[TestSpec, ...]:
    """Return three required tests, dealt out to the runners."""
    return tuple(replace(a_test(name), runner=f"ci-{index % runners}") for index, name in enumerate(TESTS))


async def history(client: Client, identity: str) -> list[HistoryEvent]:
    """Return the events of a workflow's run."""
    return [event async for event in client.get_workflow_handle(identity).fetch_history_events()]


async def measure_throughput(address: str, *, promotions: int) -> Row:
    """Run both sides turn about, each `promotions` workflows in all; the value is the median ratio of the turns."""
    client = await Client.connect(address, data_converter=DATA_CONVERTER)
    installation = f"bench-{uuid.uuid4().hex[:6]}"
    crowd = Crowd(make=lambda: one_hop(client))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            serving(client, installation, [PromotionWorkflow], crowd.activities(), workflow_runner())
        )
        recorded = await history(client, await promote(client, installation))
        run_bare = await stack.enter_async_context(baseline(client, read_script(recorded)))
        copied = await history(client, await run_bare())
        await _rate(lambda: promote(client, installation), WARM_UP)
        await _rate(run_bare, WARM_UP)
        ours, theirs = [], []
        each = max(1, promotions // TURNS)
        for _ in range(TURNS):
            theirs.append(await _rate(run_bare, each))
            ours.append(await _rate(lambda: promote(client, installation), each))
            crowd.worlds.clear()
    return Row(
        name="promotions/s against a bare workflow",
        value=rounded(median(own / other for own, other in zip(ours, theirs, strict=True))),
        target=0.9,
        bound=AT_LEAST,
        detail={
            "promotions_per_second": [rounded(one) for one in ours],
            "bare_per_second": [rounded(one) for one in theirs],
            "events": len(recorded),
            "bare_events": len(copied),
        },
    )


async def _rate(run: Callable[[], Awaitable[object]], count: int) -> float:
    """Return how many ended per second."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with slots:
            await run()

    began = time.monotonic()
    await asyncio.wait_for(asyncio.gather(*(one() for _ in range(count))), LIMIT_SECONDS)
    return count / (time.monotonic() - began)


async def promote(client: Client, installation: str) -> str:
    tracker = TrackerRef(namespace=NAMESPACE, name="web-412", uid=uuid.uuid4().hex, attempt=1)
    identity = promotion_workflow_id(installation, NAMESPACE, tracker.name, tracker.uid, 1)
    request = PromotionStart(
        installation=installation,
        tracker=tracker,
        spec=TrackerSpec(repository="web", number=412, environment="dev"),
        timings=TIMINGS,
    )
    queue = Queues(installation=installation).promotions
    await client.execute_workflow(PromotionWorkflow.run, request, id=identity, task_queue=queue)
    return identity
