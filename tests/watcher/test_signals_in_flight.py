"""What is wanted while a signal is on its way is signalled by itself, and what did not arrive is signalled again."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from crds.api.ports import Document
from crds.api.reflector import ObjectChange
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_provider import ScmProvider
from tests.watcher import test_connections, test_controller, test_drift, test_event_sinks
from tests.watcher.fakes import FakeEventSinks, running_status, tracker_document
from worker.temporal.outcomes import WorkflowState, WorkflowsUnavailable
from worker.watcher.event_sinks import EventSinkController

KEY = test_controller.KEY
ATTEMPT = test_controller.attempt()


class Once:
    """Let a call through, and do something before its first answer arrives."""

    def __init__(self, call: Callable[..., Awaitable[Any]], meanwhile: Callable[..., None]) -> None:
        self._call = call
        self._meanwhile = meanwhile
        self._done = False

    async def __call__(self, *asked: Any) -> Any:
        answer = await self._call(*asked)
        if not self._done:
            self._done = True
            self._meanwhile()
        return answer


class FirstLost(Once):
    """Have Temporal give no answer to the first call."""

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        super().__init__(call, self._lose)

    def _lose(self) -> None:
        raise WorkflowsUnavailable("Temporal is away")


def poked(annotation: str) -> Document:
    return tracker_document(status=running_status(), poke=annotation)


async def running() -> test_controller.Scene:
    """Return a controller whose one tracker runs and shows it."""
    scene = test_controller.Scene()
    scene.promotions.states[ATTEMPT] = WorkflowState.RUNNING
    scene.show(poked("1"))
    await scene.controller.reconcile(KEY)
    scene.refresh()
    await scene.controller.reconcile(KEY)
    return scene


async def test_a_tracker_that_is_poked_during_a_poke_is_poked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await running()
    scene.show(poked("2"))
    monkeypatch.setattr(scene.promotions, "poke", Once(scene.promotions.poke, lambda: scene.show(poked("3"))))
    for _ in range(3):
        await scene.controller.reconcile(KEY)
    assert scene.promotions.poked == [ATTEMPT] * 2


async def test_a_poke_that_found_no_workflow_is_sent_once_it_runs() -> None:
    scene = await running()
    scene.promotions.states.clear()
    scene.show(poked("2"))
    await scene.controller.reconcile(KEY)
    scene.promotions.states[ATTEMPT] = WorkflowState.RUNNING
    for _ in range(2):
        await scene.controller.reconcile(KEY)
    assert scene.promotions.poked == [ATTEMPT] * 2


async def test_a_poke_that_was_lost_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await running()
    scene.show(poked("2"))
    monkeypatch.setattr(scene.promotions, "poke", FirstLost(scene.promotions.poke))
    with pytest.raises(WorkflowsUnavailable):
        await scene.controller.reconcile(KEY)
    await scene.controller.reconcile(KEY)
    assert scene.promotions.poked == [ATTEMPT] * 2


async def test_a_look_that_is_wanted_during_a_look_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await running()
    scene.controller.look_for(KEY)

    def vanish() -> None:
        scene.promotions.states[ATTEMPT] = WorkflowState.TERMINATED
        scene.controller.look_for(KEY)

    monkeypatch.setattr(scene.promotions, "look", Once(scene.promotions.look, vanish))
    for _ in range(2):
        await scene.controller.reconcile(KEY)
    assert scene.condition("WorkflowAvailable")["reason"] == "Terminated"


async def test_a_look_that_got_no_answer_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await running()
    scene.controller.look_for(KEY)
    scene.promotions.states[ATTEMPT] = WorkflowState.TERMINATED
    monkeypatch.setattr(scene.promotions, "look", FirstLost(scene.promotions.look))
    with pytest.raises(WorkflowsUnavailable):
        await scene.controller.reconcile(KEY)
    await scene.controller.reconcile(KEY)
    assert scene.condition("WorkflowAvailable")["reason"] == "Terminated"


async def test_a_monitor_that_comes_during_a_poke_has_its_instance_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = test_drift.Scene()
    scene.see(None, test_drift.document("one"))
    another = Once(scene.looks.poke, lambda: scene.see(None, test_drift.document("two")))
    monkeypatch.setattr(scene.looks, "poke", another)
    for _ in range(3):
        await scene.controller.handle(test_drift.ARGOCD)
    assert [what for what, _ in scene.looks.sent] == ["poke", "poke", "ensure"]


async def test_an_instance_whose_poke_was_lost_is_poked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = test_drift.Scene()
    scene.see(None, test_drift.document("one"))
    monkeypatch.setattr(scene.looks, "poke", FirstLost(scene.looks.poke))
    with pytest.raises(WorkflowsUnavailable):
        await scene.controller.handle(test_drift.ARGOCD)
    await scene.controller.handle(test_drift.ARGOCD)
    assert [what for what, _ in scene.looks.sent] == ["poke", "poke"]


@pytest.mark.parametrize("lost", [False, True], ids=["during", "lost"])
async def test_a_sink_that_changes_again_is_poked_again(monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    workflows = FakeEventSinks()
    controller = EventSinkController(workflows=workflows, has_synced=lambda: True)
    first, second, third = (test_event_sinks.sink(url=f"https://{name}.example.com") for name in "abc")

    def change(old: Any, new: Any) -> None:
        controller.follow(EventSink, ObjectChange(key=test_event_sinks.KEY, old=old, new=new))

    change(first, second)
    call = FirstLost(workflows.poke) if lost else Once(workflows.poke, lambda: change(second, third))
    monkeypatch.setattr(workflows, "poke", call)
    if lost:
        with pytest.raises(WorkflowsUnavailable):
            await controller.handle(test_event_sinks.KEY)
    await controller.handle(test_event_sinks.KEY)
    assert [one.uid for one in workflows.poked] == ["uid-1", "uid-1"]
    await controller.handle(test_event_sinks.KEY)
    assert len(workflows.poked) == 2


@pytest.mark.parametrize("lost", [False, True], ids=["during", "lost"])
async def test_a_repository_whose_provider_changes_again_is_checked_again(
    monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    scene = test_connections.Scene()

    def secret(name: str, generation: int) -> None:
        spec = {"github": {}, "secretRef": {"name": name}}
        scene.follow(ScmProvider, "github", spec, generation=generation)

    secret("one", 1)
    scene.follow(GitRepository, "web", test_connections.repository())
    await scene.settle()
    # Adding the repository had nothing of its own to poke: only what comes now is counted.
    secret("two", 2)
    call = FirstLost(scene.checks.poke) if lost else Once(scene.checks.poke, lambda: secret("three", 3))
    monkeypatch.setattr(scene.checks, "poke", call)
    if lost:
        with pytest.raises(WorkflowsUnavailable):
            await scene.settle()
        scene.follow(GitRepository, "web", test_connections.repository())
    await scene.settle()
    assert scene.checks.of("poke") == [("web", 1)] * 2
