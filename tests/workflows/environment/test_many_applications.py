"""Two hundred applications in one wave occupy a bounded number of slots, and one watch follows them all."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent

from activities.models.configuration import DeploymentSpec
from activities.models.delivery import (
    Observation,
    OperationPhase,
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    UpdateApplicationInput,
    WatchDeploymentsInput,
    WriteOutcome,
    WriteResult,
)
from deploy.local.demo.evidence import read_runs
from tests.workflows.environment.test_with_promotions import Together, together_in
from tests.workflows.promotion.world import MINE, OLD
from workflows.identity import environment_workflow_id
from workflows.promotion.steps.writing import WRITES_AT_ONCE

APPLICATIONS = 200
ROLLOUT_SECONDS = 1.0
"""Longer than the writes of several batches, so that the watch has something to follow while others are written."""


@dataclass
class Fleet(Together):
    """A world whose staging is many applications, each of which takes its time to roll out."""

    at_once: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    operations: list[str] = field(default_factory=list)
    """Applications that a sync began an operation for."""
    rolling: set[str] = field(default_factory=set)

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Count how many do the same at once."""
        self.at_once[what] += 1
        self.most[what] = max(self.most[what], self.at_once[what])
        try:
            yield
        finally:
            self.at_once[what] -= 1

    def observations(self, environment: str) -> tuple[Observation, ...]:
        """Show operations in progress."""
        return tuple(
            replace(one, operating=MINE, operation_phase=OperationPhase.RUNNING, settled=False)
            if one.application in self.rolling
            else one
            for one in super().observations(environment)
        )

    async def update_application(self, request: UpdateApplicationInput) -> WriteResult:
        with self.busy("write"):
            await asyncio.sleep(0.02)
            return await super().update_application(request)

    @activity.defn
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        with self.busy("write"):
            await asyncio.sleep(0.02)
            application = request.deployment.application
            if self.keys.get(application, ("", ""))[0] == request.key:
                return WriteResult(outcome=WriteOutcome.ALREADY)
            self.keys[application] = (request.key, request.artifact.revision)
            self.operations.append(application)
            self.rolling.add(application)
            asyncio.get_running_loop().call_later(ROLLOUT_SECONDS, self._arrive, request)
            return WriteResult(outcome=WriteOutcome.DONE)

    def _arrive(self, request: SyncApplicationInput) -> None:
        self.rolling.discard(request.deployment.application)
        self.runs["staging"][request.deployment.name] = request.artifact.revision

    @activity.defn
    async def watch_deployments(self, request: WatchDeploymentsInput) -> ReadDeploymentsResult:
        with self.busy(f"watch {request.deployments[0].application.split('-')[1]}"):
            return await super().watch_deployments(request)

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        with self.busy("read"):
            return await super().read_deployments(request)


@asynccontextmanager
async def fleet(address: str) -> AsyncIterator[Fleet]:
    async with together_in(Fleet, address, dev=MINE) as world:
        world.history_limit = 60
        staging = world.environments["staging"]
        (one,) = staging.deployments
        world.environments["staging"] = replace(
            staging, final=True, deployments=tuple(_application(one, number) for number in range(APPLICATIONS))
        )
        world.runs["staging"] = {one.name: OLD for one in world.environments["staging"].deployments}
        yield world


async def test_two_hundred_applications_in_one_wave_do_not_wait_in_two_hundred_slots(temporal_server: str) -> None:
    async with fleet(temporal_server) as world:
        await world.track(411)
        status = await asyncio.wait_for(world.ends(411), 60)
        assert status == [("staging", "Promoted")]
        everyone = {one.application for one in world.environments["staging"].deployments}
        # Each is written and synced once, although the story continued as new in between.
        assert len(everyone) == APPLICATIONS
        assert Counter(world.writes) == Counter(everyone)
        assert Counter(world.operations) == Counter(everyone)
        record = world.by_tracker["web-411"].promotions[0]
        assert {one.result for one in record.applications} == {"Promoted"}
        assert len(record.applications) == APPLICATIONS

        assert 1 < world.most["write"] <= WRITES_AT_ONCE < APPLICATIONS / 4
        # The tracker, the source and the target each read for themselves, and no application has a call of its own.
        assert world.most["read"] <= 3

        # The story crossed the limit of its history between two batches' arrival, and so did the place.
        stories = await read_runs(world.client, world.handles["web-411"].id)
        assert len(stories) > 1
        assert _scheduled(stories[0], "deliver_application")
        assert not _scheduled(stories[-1], "trigger_round")
        places = await read_runs(world.client, environment_workflow_id(world.installation, "shop", "staging", "web"))
        assert len(places) > 1
        assert [_most_watches(run) for run in places if _scheduled(run, "watch_deployments")]
        assert all(_most_watches(run) <= 1 for run in places)
        # A run that continues as new leaves its watch behind until that one's next heartbeat.
        assert world.most["watch staging"] <= len(places)


def _scheduled(run: Sequence[HistoryEvent], activity_type: str) -> set[int]:
    """Return the ids of the events that schedule an activity."""
    return {
        event.event_id
        for event in run
        if event.activity_task_scheduled_event_attributes.activity_type.name == activity_type
    }


def _most_watches(run: Sequence[HistoryEvent]) -> int:
    """Return how many watches a run awaited at once."""
    watches, awaited, most = _scheduled(run, "watch_deployments"), set[int](), 0
    for event in run:
        if event.event_id in watches:
            awaited.add(event.event_id)
        for ended in (
            event.activity_task_completed_event_attributes,
            event.activity_task_failed_event_attributes,
            event.activity_task_timed_out_event_attributes,
            event.activity_task_cancel_requested_event_attributes,
        ):
            awaited.discard(ended.scheduled_event_id)
        most = max(most, len(awaited))
    return most


def _application(one: DeploymentSpec, number: int) -> DeploymentSpec:
    return replace(one, name=f"web-{number}", application=f"web-staging-{number}", wave=0)
