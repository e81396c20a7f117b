"""Real promotions and real places together: two pull requests on their way through the same lanes."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from activities.contracts import ObservationActivities
from activities.models.configuration import ListTrackersInput, ListTrackersResult
from activities.models.delivery import ReadDeploymentsInput, ReadDeploymentsResult, WatchDeploymentsInput
from activities.models.places import EnvironmentInput, MemberSignal, PlaceSignal, SendViewInput
from activities.models.promotion import Command, CommandAnswer, Verb
from activities.models.revisions import ReadPullRequestInput, ReadPullRequestResult
from activities.models.status import PublishPlaceInput, PublishStatusInput, PublishStatusResult, TrackerStatus
from activities.models.tracking import Timings, TrackerRef, TrackerSpec
from crds.reasons.vocabulary import State
from tests.workflows.environment.puppets import eventually
from tests.workflows.environment.world import stop_workflows
from tests.workflows.promotion.world import FAST, MINE, NEWER, OLD, World, a_test
from tests.worlds.played import Server, connected, served
from tests.worlds.serving import activities_of
from tests.worlds.stage import now
from worker.temporal.connect import TemporalPlaces
from workflows.environment.workflow import EnvironmentWorkflow
from workflows.identity import (
    Queues,
    environment_workflow_id,
    promotion_workflow_id,
)
from workflows.promotion.state import PromotionStart
from workflows.promotion.workflow import PromotionWorkflow

MERGES = {411: MINE, 412: NEWER}


class RealPlaces(TemporalPlaces):
    """Start places that continue as new after some events."""

    def __init__(self, client: Client, installation: str, history_limit: int) -> None:
        super().__init__(client, installation)
        self._history_limit = history_limit

    def place(self, request: SendViewInput) -> EnvironmentInput:
        return replace(super().place(request), history_limit=self._history_limit)


@dataclass
class Together(World, ObservationActivities):
    """A world whose places are real."""

    installation: str = ""
    history_limit: int = 500
    """After how many events a place continues as new."""
    by_tracker: dict[str, TrackerStatus] = field(default_factory=dict)
    live: dict[str, TrackerRef] = field(default_factory=dict)
    handles: dict[str, WorkflowHandle[PromotionWorkflow, State]] = field(default_factory=dict)
    lanes: dict[str, list[str]] = field(default_factory=dict)

    async def publish(self, environment: str, *, answers: MemberSignal | None = None) -> None:
        """Leave signals to the real place, which sees what runs by itself."""

    @activity.defn
    async def list_trackers(self, request: ListTrackersInput) -> ListTrackersResult:
        return ListTrackersResult(trackers=tuple(self.live.values()))

    @activity.defn
    async def send_view(self, request: SendViewInput) -> PlaceSignal | None:
        self.members.append((request.environment, request.signal))
        return await RealPlaces(self.client, self.installation, self.history_limit).send(request)

    @activity.defn
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        found = replace(self.pull_request, number=request.number, merge_sha=MERGES[request.number])
        return ReadPullRequestResult(pull_request=found)

    @activity.defn
    async def watch_deployments(self, request: WatchDeploymentsInput) -> ReadDeploymentsResult:
        ask = ReadDeploymentsInput(
            namespace=request.namespace, repository=request.repository, deployments=request.deployments
        )
        for _ in range(40):
            seen = await self.read_deployments(ask)
            if seen.observations != request.known:
                return seen
            await asyncio.sleep(0.05)
        return ReadDeploymentsResult(observations=request.known, read_at=now())

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        self.by_tracker[request.tracker.name] = request.status
        if request.status.state.terminal:
            self.live.pop(request.tracker.name, None)
        return await super().publish_status(request)

    @activity.defn
    async def publish_place(self, request: PublishPlaceInput) -> PublishStatusResult:
        self.lanes.setdefault(request.environment, []).append(request.status.lane.holder)
        return PublishStatusResult(written=True)

    async def track(self, number: int, *, timings: Timings = FAST) -> None:
        """Start the promotion of a pull request."""
        name = f"web-{number}"
        tracker = TrackerRef(namespace="shop", name=name, uid=uuid.uuid4().hex, attempt=1)
        self.live[name] = tracker
        self.handles[name] = await self.client.start_workflow(
            PromotionWorkflow.run,
            PromotionStart(
                installation=self.installation,
                tracker=tracker,
                spec=TrackerSpec(repository="web", number=number, environment="dev"),
                timings=timings,
            ),
            id=promotion_workflow_id(self.installation, "shop", name, tracker.uid, 1),
            task_queue=Queues(installation=self.installation).promotions,
        )

    async def command(self, number: int, verb: Verb, target: str) -> None:
        identity = str(uuid.uuid4())
        answer = await self.handles[f"web-{number}"].execute_update(
            verb.value,
            Command(request_id=identity, actor="ada", target_environment=target, revision=""),
            id=identity,
            result_type=CommandAnswer,
        )
        assert answer.accepted, answer.message

    async def shows(self, number: int, fits: Callable[[TrackerStatus], bool]) -> TrackerStatus:
        """Return the tracker's status once it fits."""
        name = f"web-{number}"

        def current() -> bool:
            status = self.by_tracker.get(name)
            return status is not None and fits(status)

        async def described() -> object:
            status = self.by_tracker.get(name)
            return status and (status.state, status.reason, status.message, status.waiting_for)

        await eventually(current, describe=described)
        return self.by_tracker[name]

    async def ends(self, number: int) -> list[tuple[str, str]]:
        """Return the hops of a promotion that completed."""
        status = await self.shows(number, lambda one: one.state is State.COMPLETED)
        return [(record.target, record.result) for record in status.promotions]


AnyWorld = TypeVar("AnyWorld", bound=Together)


def together(server: Server, *, dev: str) -> AbstractAsyncContextManager[Together]:
    """Serve a world of dev → staging → prod, in which OLD runs everywhere but in dev."""
    return together_in(Together, server, dev=dev)


@asynccontextmanager
async def together_in(kind: type[AnyWorld], server: Server, *, dev: str) -> AsyncIterator[AnyWorld]:
    """Serve such a world of a given kind."""
    client = await connected(server)
    world = kind(client=client, installation=f"t{uuid.uuid4().hex[:8]}")
    world.environment("dev", dev)
    world.environment("staging", OLD)
    world.environment("prod", OLD, final=True)
    world.policy("dev", "staging", tests=(a_test("unit"),))
    world.policy("staging", "prod", tests=(a_test("smoke"),))
    world.policies["dev"] = replace(world.policies["dev"], ahead=("staging", "prod"))
    workflows = [PromotionWorkflow, EnvironmentWorkflow]
    async with served(server, client, world.installation, workflows, activities_of(world)):
        try:
            yield world
        finally:
            if isinstance(server, str):
                await stop_workflows(client, Queues(installation=world.installation).promotions)


async def test_a_change_goes_through_all_places_and_each_is_written_once(temporal_server: str) -> None:
    async with together(temporal_server, dev=MINE) as world:
        await world.track(411)
        assert await world.ends(411) == [("staging", "Promoted"), ("prod", "Promoted")]
        assert world.writes == ["web-staging-0", "web-prod-0"]
        assert world.lanes["staging"][-1] == ""
        await eventually(lambda: world.lanes["prod"][-1] == "")


async def test_the_older_of_two_changes_is_brought_along_by_the_newer(temporal_server: str) -> None:
    async with together(temporal_server, dev=NEWER) as world:
        await world.track(411)
        await world.track(412)
        hops = await asyncio.gather(world.ends(411), world.ends(412))
        assert all([target for target, _ in one] == ["staging", "prod"] for one in hops)
        assert {result for one in hops for _, result in one} == {"Promoted", "AlreadyContained"}
        assert sorted(world.writes) == ["web-prod-0", "web-staging-0"]


async def test_a_hold_on_the_older_change_stops_the_newer_until_released(temporal_server: str) -> None:
    async with together(temporal_server, dev=NEWER) as world:
        world.policy("dev", "staging", auto=False, tests=(a_test("unit"),))
        world.policies["dev"] = replace(world.policies["dev"], ahead=("staging", "prod"))
        await world.track(411)
        await world.shows(411, lambda one: one.reason == "AwaitingPromote")
        await world.command(411, Verb.HOLD, "staging")
        await world.track(412)
        await world.shows(412, lambda one: one.reason == "AwaitingPromote")
        await world.command(412, Verb.PROMOTE, "staging")
        blocked = await world.shows(412, lambda one: one.reason == "BlockedBy")
        assert blocked.waiting_for is not None
        assert "web-411" in f"{blocked.waiting_for.object} {blocked.waiting_for.observed}"
        assert world.writes == []
        await world.command(411, Verb.RELEASE, "staging")
        newer, older = await asyncio.gather(world.ends(412), world.ends(411))
        assert (newer[0], older[0]) == (("staging", "Promoted"), ("staging", "AlreadyContained"))
        # Both go on with what staging runs now; no one is held, so that the first that is Ready writes it to prod.
        assert sorted([newer[1], older[1]]) == [("prod", "AlreadyContained"), ("prod", "Promoted")]
        assert world.writes == ["web-staging-0", "web-prod-0"]
        assert world.runs["prod"] == {"web-0": NEWER}


async def test_a_place_that_loses_its_memory_mid_way_is_taught_again(temporal_server: str) -> None:
    async with together(temporal_server, dev=MINE) as world:
        world.policy("dev", "staging", auto=False, tests=(a_test("unit"),))
        await world.track(411)
        await world.shows(411, lambda one: one.reason == "AwaitingPromote")
        identity = environment_workflow_id(world.installation, "shop", "staging", "web")
        await world.client.get_workflow_handle(identity).terminate("lost its memory")
        await world.command(411, Verb.PROMOTE, "staging")
        assert await world.ends(411) == [("staging", "Promoted"), ("prod", "Promoted")]
        assert world.writes == ["web-staging-0", "web-prod-0"]
