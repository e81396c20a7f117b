"""A promotion by branches: what it takes until three environments are merged, at a host's stand-in over HTTP.

The promotion's workflow runs at a real Temporal; places, Argo CD and tests answer at once.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

from temporalio import activity
from temporalio.client import Client

from activities.delivery.git import GitDelivery
from activities.models.configuration import BranchWriteSpec, TestSpec, WriteKind, WriteSpec
from activities.models.git_delivery import DeliverFilesInput, DeliverFilesResult
from activities.ports import MissingReason, ReferenceMissing
from deploy.local.sandbox import seed
from deploy.local.sandbox.server import Sandbox, running_sandbox
from providers.http import HttpClients, HttpOptions
from providers.ports import ScmHost
from tests.bench.rows import Row, median, rounded
from tests.providers.test_sandbox_contract import SCM_HOSTS
from tests.worlds.declared import MINE, OLD, a_test
from tests.worlds.instant import InstantWorld
from tests.worlds.serving import Crowd, serving
from tests.worlds.ticking import promote
from worker.temporal.sandbox import workflow_runner
from workflows.promotion.workflow import PromotionWorkflow

ROAD = ("dev", "staging", "qa", "prod")
RUNS = 5
ARRIVAL_SECONDS = 0.05
"""How long after a merge a place reports it."""
_SCM = "github"


@dataclass
class MergingWorld(InstantWorld):
    """A world in which each environment's branch is merged into the next one's."""

    host: ScmHost | None = None
    merged: dict[str, float] = field(default_factory=dict)
    """Environment -> when its branch was merged."""
    arriving: asyncio.Task[None] | None = None

    @property
    def opener(self) -> "Opener":
        return Opener(self)

    @activity.defn
    async def deliver_files(self, request: DeliverFilesInput) -> DeliverFilesResult:
        """Deliver with the real writer and adapter; what was merged runs at once."""
        answer = await GitDelivery(self.opener).deliver(request)  # type: ignore[arg-type]
        if not request.prepares and all(one.result.stands for one in answer.written):
            target = request.variables["targetEnvironment"]
            self.merged[target] = time.monotonic()
            self.runs[target] = dict.fromkeys(self.runs[target], MINE)
            # What a place saw before the answer shows nothing of the write.
            self.arriving = asyncio.create_task(self._arrive(target))
        return answer

    async def _arrive(self, target: str) -> None:
        await asyncio.sleep(ARRIVAL_SECONDS)
        await self.publish(target)


@dataclass(frozen=True)
class Opener:
    """Open the one repository; no Argo CD has to know a branch."""

    world: MergingWorld

    @property
    def host(self) -> ScmHost | None:
        return self.world.host

    async def repository(self, _namespace: str, _name: str) -> "Opener":
        return self

    async def deployments(self, _namespace: str, instance: str) -> object:
        raise ReferenceMissing(instance, MissingReason.NOT_FOUND, "there is none")


async def measure_merging(client: Client) -> list[Row]:
    """Return the time until all are merged, and the calls to the host per environment."""
    took, calls = [], []
    for _ in range(RUNS):
        seconds, made = await _once(client, ())
        took.append(seconds)
        calls.append(made)
    _, tested = await _once(client, (a_test("unit"),))
    name = "a `branch` promotion of three environments"
    return [
        Row(name=f"{name}, begun → all merged", value=rounded(median(took)), target=3, unit="s"),
        Row(
            name=f"{name}: calls to the SCM host per environment, for its branch",
            value=median(calls),
            target=5,
            detail={"with_a_test_that_is_shown": tested},
        ),
    ]


async def _once(client: Client, tests: tuple[TestSpec, ...]) -> tuple[float, float]:
    installation = f"merging-{uuid.uuid4().hex[:6]}"
    async with _world(client, tests) as (world, sandbox):
        activities = Crowd(make=lambda: world).activities()
        async with serving(client, installation, [PromotionWorkflow], activities, workflow_runner()):
            began = time.monotonic()
            await promote(client, installation)
        made = len(list(sandbox.state.journal.entries(system=_SCM)))
        return max(world.merged.values()) - began, made / len(world.merged)


@asynccontextmanager
async def _world(client: Client, tests: tuple[TestSpec, ...]) -> AsyncIterator[tuple[MergingWorld, Sandbox]]:
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    async with running_sandbox() as sandbox:
        world = MergingWorld(client=client, host=SCM_HOSTS[_SCM](sandbox.url, clients, True), arrival_seconds=0)
        graph = sandbox.state.github.repositories[seed.REPOSITORY].graph
        for place in ROAD:
            graph.branches[f"env/{place}"] = graph.branches["main"]
            world.environment(place, MINE if place == ROAD[0] else OLD, final=place == ROAD[-1])
        pushed = graph.add(parents=[graph.branches["main"]], message="Next", files={"tag": MINE})
        graph.branches[f"env/{ROAD[0]}"] = pushed.sha
        for source, target in pairwise(ROAD):
            world.policy(source, target, tests=tests)
            branch = BranchWriteSpec(
                repository="config", source=f"env/{source}", target=f"env/{target}", auto_merge=True
            )
            view, way = world.environments[target], WriteSpec(kind=WriteKind.BRANCH, branch=branch)
            deployments = tuple(replace(one, write=way) for one in view.deployments)
            world.environments[target] = replace(view, deployments=deployments)
        yield world, sandbox
        await clients.aclose()
