"""One workflow that Temporal does not know any more has the others looked for, long before the next resync."""

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from activities.models.tracking import TrackerRef
from crds.api.ports import WATCH_TIMEOUT, ApiResource, Document, WatchEvent, resource_of
from crds.reasons.conditions import ConditionReason
from crds.v1alpha1.test_runner import TestRunner
from tests.watcher.fakes import (
    FakeCredentialChecks,
    FakeDriftLooks,
    FakeEventSinks,
    FakeKubernetes,
    FakePromotions,
    FakeRepositorySyncs,
    command_document,
    fake_drift_statuses,
    running_status,
    tracker_document,
    until,
)
from worker.temporal.outcomes import WorkflowState
from worker.watcher.commands import COMMANDS
from worker.watcher.controllers import Watcher
from worker.watcher.entries import FINALIZER
from worker.watcher.trackers import TRACKERS

NUMBERS = (412, 413, 414)


class WatchedKubernetes(FakeKubernetes):
    """Report each object that is put to each watch."""

    def __init__(self) -> None:
        super().__init__()
        self.put_in_order: list[tuple[str, Document]] = []

    def put(self, resource: ApiResource, document: Document) -> Document:
        self.put_in_order.append((resource.plural, document))
        return super().put(resource, document)

    @asynccontextmanager
    async def watch(
        self,
        resource: ApiResource,
        namespace: str | None,
        *,
        resource_version: str,
        timeout: timedelta = WATCH_TIMEOUT,  # noqa: ASYNC109 the port names it so
        field_selector: str | None = None,
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """Report what was put before the watch as well: a mirror takes what it knows for no change."""

        async def events() -> AsyncIterator[WatchEvent]:
            reported = 0
            while True:
                while reported < len(self.put_in_order):
                    plural, document = self.put_in_order[reported]
                    reported += 1
                    if plural == resource.plural:
                        yield WatchEvent(type="MODIFIED", object=copy.deepcopy(document))
                await asyncio.sleep(0.01)

        yield events()


class Scene:
    """A watcher that has taken three running trackers on and has nothing more to do."""

    def __init__(self) -> None:
        self.kubernetes = WatchedKubernetes()
        self.promotions = FakePromotions()
        for number in NUMBERS:
            self.show(tracker_document(number=number, uid=f"uid-{number}", status=running_status()))
            self.promotions.states[attempt(number)] = WorkflowState.RUNNING
        self.watcher = Watcher(
            kubernetes=self.kubernetes,
            promotions=self.promotions,
            connections=FakeCredentialChecks(),
            repositories=FakeRepositorySyncs(),
            drift=FakeDriftLooks(),
            drift_statuses=fake_drift_statuses(self.kubernetes),
            sinks=FakeEventSinks(),
            # No API server, which would verify who commands.
            commands_unverified=True,
        )

    def show(self, document: Document) -> None:
        self.kubernetes.put(TRACKERS, document)

    def reasons(self) -> list[str]:
        """Return what each tracker's WorkflowAvailable shows."""
        found = []
        for number in NUMBERS:
            status = self.kubernetes.objects[TRACKERS.plural, "shop", f"web-{number}"].get("status", {})
            found += [one["reason"] for one in status.get("conditions", ()) if one["type"] == "WorkflowAvailable"]
        return found

    async def give_command(self) -> None:
        self.kubernetes.put(COMMANDS, command_document("hold"))

    async def change_runner(self) -> None:
        spec = {"jenkins": {"url": "https://ci.example"}}
        metadata = {"namespace": "shop", "name": "jenkins", "uid": "uid-runner", "generation": 1}
        self.kubernetes.put(resource_of(TestRunner.definition), {"metadata": metadata, "spec": spec})

    async def poke(self) -> None:
        name = f"web-{NUMBERS[0]}"
        tracker = self.kubernetes.objects[TRACKERS.plural, "shop", name]
        annotated = {**tracker["metadata"], "annotations": {"pilotage.dev/poke": "1"}}
        self.show({**tracker, "metadata": annotated})


def attempt(number: int) -> TrackerRef:
    return TrackerRef(namespace="shop", name=f"web-{number}", uid=f"uid-{number}", attempt=1)


@asynccontextmanager
async def watching() -> AsyncIterator[Scene]:
    scene = Scene()
    task = asyncio.create_task(scene.watcher.run())
    try:
        await until(lambda: scene.reasons() == [ConditionReason.RUNNING] * 3)
        yield scene
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_all_trackers_are_looked_at_when_temporal_is_back() -> None:
    async with watching() as scene:
        scene.promotions.states.clear()
        scene.watcher.look_at_all()
        await until(lambda: scene.reasons() == [ConditionReason.LOST] * 3)
        assert scene.promotions.started == []


@pytest.mark.parametrize("act", [Scene.give_command, Scene.change_runner, Scene.poke])
async def test_a_workflow_that_does_not_answer_has_all_the_others_looked_for(
    act: Callable[[Scene], Awaitable[None]],
) -> None:
    async with watching() as scene:
        scene.promotions.states.clear()
        await act(scene)
        await until(lambda: scene.reasons() == [ConditionReason.LOST] * 3)
        assert scene.promotions.started == []


async def test_many_lost_workflows_have_the_others_looked_for_once() -> None:
    async with watching() as scene:
        scene.promotions.states.clear()
        reads = scene.promotions.reads
        scene.watcher.look_at_all()
        await until(lambda: scene.reasons() == [ConditionReason.LOST] * 3)
        await asyncio.sleep(0.3)
        # Once because of the call, once because the first was found lost, and what our own writes bring.
        assert scene.promotions.reads - reads <= 9


async def test_a_workflow_that_somebody_terminated_shows_nothing_about_the_others() -> None:
    async with watching() as scene:
        scene.promotions.states[attempt(NUMBERS[0])] = WorkflowState.TERMINATED
        reads = scene.promotions.reads
        await scene.poke()
        await until(lambda: ConditionReason.TERMINATED in scene.reasons())
        await asyncio.sleep(0.2)
        assert scene.reasons().count(ConditionReason.RUNNING) == 2
        assert scene.promotions.reads - reads <= 3
        assert all(FINALIZER in one["metadata"]["finalizers"] for one in scene.kubernetes.objects.values())
