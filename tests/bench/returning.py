"""Temporal comes back after an outage: every waiting promotion is due at once, and the host must not notice."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
from temporalio import activity
from temporalio.client import Client

from activities.failures import reported
from activities.models.revisions import ReadPullRequestInput, ReadPullRequestResult
from activities.models.tracking import PullRequestState, Timings, TrackerRef, TrackerSpec
from providers.endpoint import Endpoint
from providers.http import HttpClients, HttpOptions
from providers.messages import Request
from providers.models import Credential
from tests.bench.rows import Row, rounded
from tests.worlds.instant import InstantWorld
from tests.worlds.serving import activities_of, serving
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.sandbox import workflow_runner
from workflows.identity import Queues, promotion_workflow_id
from workflows.promotion.state import PromotionStart
from workflows.promotion.workflow import PromotionWorkflow

NAMESPACE = "bench"
LEAST_LOOK, LOOK_OF_EACH = timedelta(minutes=2), timedelta(seconds=0.24)
"""Between two looks for the merge: so long that those who wait leave room for others to begin. An hour's outage makes
all of them due, as does one that is as long as this."""
HOST_SECONDS = 0.15
"""What one call takes at the host."""
LIMIT, LIMIT_OF_EACH, POLL_SECONDS = timedelta(minutes=10), timedelta(seconds=0.6), 0.2
"""How long beginning, and looking again, may last."""


@dataclass
class Host:
    """A host that takes its time, and counts who comes when."""

    calls: Counter[int] = field(default_factory=Counter)
    """Second -> calls."""

    async def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.calls[int(time.monotonic())] += 1
        await asyncio.sleep(HOST_SECONDS)
        return httpx.Response(200, json={})


@dataclass
class WaitingWorld(InstantWorld):
    """Pull requests that stay open at a host which is called as adapters call theirs."""

    endpoint: Endpoint | None = None
    looked: set[str] = field(default_factory=set)

    @activity.defn
    @reported
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        if self.endpoint is not None:
            await self.endpoint.call(Request(method="GET", path=f"/pulls/{request.number}", operation="get-pull"))
        self.looked.add(activity.info().workflow_id or "")
        return ReadPullRequestResult(pull_request=self.pull_request)


async def measure_return(
    address: str,
    *,
    trackers: int,
    kill: Callable[[], object],
    restart: Callable[[], object],
    look: timedelta | None = None,
) -> list[Row]:
    """Have trackers wait, take Temporal away for longer than they sleep, and count what its return costs the host."""
    look, limit = look or max(LEAST_LOOK, trackers * LOOK_OF_EACH), LIMIT + trackers * LIMIT_OF_EACH
    timings = replace(Timings(), merge_initial=look, merge_maximum=look)
    host, installation = Host(), f"return-{uuid.uuid4().hex[:6]}"
    client = await Client.connect(address, data_converter=DATA_CONVERTER)
    http = HttpClients(HttpOptions(transport=httpx.MockTransport(host)))
    world = WaitingWorld(client=client)
    world.pull_request = replace(world.pull_request, state=PullRequestState.OPEN, merge_sha=None)
    world.endpoint = Endpoint(
        http=http,
        base_url="https://scm.example",
        credential=Credential(data={"token": "token"}),
        record=lambda _call: None,
    )
    async with serving(client, installation, [PromotionWorkflow], activities_of(world), workflow_runner()):
        began = time.monotonic()
        for number in range(trackers):
            await _start(client, installation, number, timings)
        await _until(lambda: len(world.presented) >= trackers, limit)
        began_within = time.monotonic() - began
        kill()
        await asyncio.sleep(look.total_seconds() * 1.2)
        before = (len(world.presented), len(world.statuses), len(world.events))
        world.looked.clear()
        host.calls.clear()
        began = time.monotonic()
        restart()
        await _until(lambda: len(world.looked) >= trackers, limit)
        lasted = time.monotonic() - began
    await http.aclose()
    presented, statuses, events = (
        now - earlier
        for now, earlier in zip((len(world.presented), len(world.statuses), len(world.events)), before, strict=True)
    )
    what = f"Temporal returns to {trackers} trackers that are all due"
    detail = {
        "seconds_until_all_wait": rounded(began_within),
        "seconds_until_all_looked": rounded(lasted),
        "status_writes": statuses,
        "events": events,
    }
    bound = http.options.in_flight_limit / HOST_SECONDS
    return [
        Row(name=f"{what}: calls to the host in the busiest second", value=max(host.calls.values()), target=bound),
        Row(name=f"{what}: presentations written", value=presented, target=0, detail=detail),
    ]


async def _start(client: Client, installation: str, number: int, timings: Timings) -> None:
    tracker = TrackerRef(namespace=NAMESPACE, name=f"web-{number}", uid=uuid.uuid4().hex, attempt=1)
    await client.start_workflow(
        PromotionWorkflow.run,
        PromotionStart(
            installation=installation,
            tracker=tracker,
            spec=TrackerSpec(repository="web", number=number, environment="dev"),
            timings=timings,
        ),
        id=promotion_workflow_id(installation, NAMESPACE, tracker.name, tracker.uid, 1),
        task_queue=Queues(installation=installation).promotions,
    )


async def _until(holds: Callable[[], bool], limit: timedelta) -> None:
    deadline = time.monotonic() + limit.total_seconds()
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit.total_seconds():.0f} s")
        await asyncio.sleep(POLL_SECONDS)
