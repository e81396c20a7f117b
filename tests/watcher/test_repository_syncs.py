"""A repository with trackers or `discovery` has a workflow that follows its list; no other has."""

from dataclasses import replace

from crds.api.ports import Document
from crds.api.reflector import Key, ObjectChange
from crds.resource import Resource
from crds.v1alpha1.git_repository import GitRepository
from tests.watcher.fakes import FakeRepositorySyncs, tracker_document
from worker.watcher.declarations import read_declaration
from worker.watcher.entries import TrackerEntry, read_tracker
from worker.watcher.repository_syncs import RepositorySyncController

WEB: Document = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
DISCOVERING: Document = {**WEB, "discovery": {"baseBranches": [{"baseBranch": "main", "environment": "dev"}]}}
KEY = Key("shop", "web")


class Scene:
    """A controller over one repository."""

    def __init__(self) -> None:
        self.syncs = FakeRepositorySyncs()
        self.known: dict[Key, Resource] = {}
        self.controller = RepositorySyncController(syncs=self.syncs, declared=lambda _kind: self.known)

    def declare(self, spec: Document | None, *, generation: int = 1, uid: str = "uid-web") -> None:
        old, new = self.known.pop(KEY, None), None
        if spec is not None:
            metadata = {"name": "web", "namespace": "shop", "uid": uid, "generation": generation}
            new = self.known[KEY] = read_declaration(GitRepository)({"metadata": metadata, "spec": spec})
        self.controller.follow(GitRepository, ObjectChange(key=KEY, old=old, new=new))

    def track(self, old: TrackerEntry | None, new: TrackerEntry | None) -> None:
        self.controller.follow_tracker(ObjectChange(key=Key("shop", "web-412"), old=old, new=new))

    async def asked(self) -> list[tuple[str, str]]:
        """Work off what was noted, and return what was asked since the last time."""
        before = len(self.syncs.asked)
        await self.controller.handle(KEY)
        return self.syncs.asked[before:]


ENTRY = read_tracker(tracker_document())


async def test_a_repository_without_trackers_and_discovery_is_left_alone() -> None:
    scene = Scene()
    scene.declare(WEB)
    assert await scene.asked() == []


async def test_one_with_discovery_is_followed_and_looked_at_when_that_changes() -> None:
    scene = Scene()
    scene.declare(DISCOVERING)
    assert await scene.asked() == [("ensure", "uid-web")]
    scene.declare(DISCOVERING)
    assert await scene.asked() == [("ensure", "uid-web")]
    scene.declare({**DISCOVERING, "mode": "Observe"}, generation=2)
    assert await scene.asked() == [("start_look", "uid-web")]


async def test_one_is_followed_as_long_as_it_has_a_tracker() -> None:
    scene = Scene()
    scene.declare(WEB)
    scene.track(None, ENTRY)
    assert await scene.asked() == [("ensure", "uid-web")]
    scene.track(ENTRY, replace(ENTRY, state="Completed"))
    assert await scene.asked() == [("ensure", "uid-web")]
    scene.track(ENTRY, None)
    assert await scene.asked() == []


async def test_a_tracker_that_was_created_again_counts_for_the_repository_that_it_names_now() -> None:
    """A watch that began again shows both at once."""
    scene = Scene()
    scene.declare(WEB)
    other = replace(ENTRY, uid="uid-before", repository="api")
    scene.track(None, other)
    scene.track(other, ENTRY)
    assert await scene.asked() == [("ensure", "uid-web")]
    scene.track(ENTRY, other)
    assert await scene.asked() == []


async def test_the_workflow_of_one_that_went_looks_and_finds_it_gone() -> None:
    scene = Scene()
    scene.declare(DISCOVERING)
    await scene.asked()
    scene.declare(DISCOVERING, uid="uid-again")
    assert await scene.asked() == [("poke", "uid-web"), ("ensure", "uid-again")]
    scene.declare(None)
    assert await scene.asked() == [("poke", "uid-again")]
