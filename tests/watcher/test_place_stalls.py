"""An Environment shows that a workflow of it does not go on, and that it does again."""

from typing import Any

import pytest

from crds.api.ports import ApiInvalid, Document
from crds.api.reflector import Key
from tests.watcher.fakes import NOW, FakeKubernetes
from worker.watcher.place_stalls import ENVIRONMENTS, PlaceStalls, Stalled

PROD = Key("shop", "prod")
CAUSE = "that of repository web: its task fails each time"


class Scene:
    """Two environments, and what Temporal reports."""

    def __init__(self) -> None:
        self.kubernetes = FakeKubernetes()
        self.stalled: Stalled = {}
        for name in ("staging", "prod"):
            metadata = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "generation": 1}
            self.kubernetes.put(ENVIRONMENTS, {"metadata": metadata, "spec": {}})
        self.stalls = self.watcher()

    def watcher(self, **options: Any) -> PlaceStalls:
        """Return what a watcher has that has just started."""

        async def find() -> Stalled:
            return self.stalled

        return PlaceStalls(self.kubernetes, find, clock=lambda: NOW, **options)

    def conditions(self, name: str = "prod") -> dict[str, Document]:
        """Return an environment's conditions by type."""
        status = self.kubernetes.objects[ENVIRONMENTS.plural, "shop", name].get("status", {})
        return {one["type"]: one for one in status.get("conditions", ())}


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_stalled_place_is_shown_on_its_environment_alone(scene: Scene) -> None:
    scene.stalled = {PROD: CAUSE}

    await scene.stalls.look()

    shown = scene.conditions()
    assert (shown["WorkflowAvailable"]["status"], shown["WorkflowAvailable"]["reason"]) == ("False", "WorkflowStalled")
    assert CAUSE in shown["WorkflowAvailable"]["message"]
    assert shown["Stalled"]["status"] == "True"
    assert scene.conditions("staging") == {}


async def test_a_place_that_goes_on_again_is_shown_so_also_by_a_watcher_that_was_started_meanwhile(
    scene: Scene,
) -> None:
    scene.stalled = {PROD: CAUSE}
    await scene.stalls.look()
    scene.stalled = {}

    await scene.watcher().look()

    shown = scene.conditions()
    assert (shown["WorkflowAvailable"]["status"], shown["WorkflowAvailable"]["reason"]) == ("True", "Running")
    assert shown["Stalled"]["status"] == "False"


async def test_a_watcher_of_some_namespaces_shows_those_alone(scene: Scene) -> None:
    scene.stalled = {PROD: CAUSE}
    await scene.watcher(namespaces=("other",)).look()
    assert scene.conditions() == {}


async def test_a_stalled_place_of_an_environment_that_is_gone_is_nothing(scene: Scene) -> None:
    scene.stalled = {Key("shop", "gone"): CAUSE, PROD: CAUSE}
    await scene.stalls.look()
    assert scene.conditions()["WorkflowAvailable"]["status"] == "False"


async def test_an_environment_that_takes_no_condition_keeps_none_of_the_others_back(scene: Scene) -> None:
    staging = Key("shop", "staging")
    scene.stalled = {staging: CAUSE, PROD: CAUSE}
    scene.kubernetes.refused = {"staging"}
    with pytest.raises(ApiInvalid):
        await scene.stalls.look()
    assert scene.conditions()["WorkflowAvailable"]["status"] == "False"

    scene.stalled, scene.kubernetes.refused = {staging: CAUSE}, {"prod"}
    with pytest.raises(ApiInvalid):
        await scene.stalls.look()
    assert scene.conditions("staging")["WorkflowAvailable"]["status"] == "False"

    scene.kubernetes.refused = set()
    await scene.stalls.look()
    assert scene.conditions()["WorkflowAvailable"]["status"] == "True"
