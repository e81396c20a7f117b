"""Who declares a connection is sent to its workflow: once per generation, and when what it stands on changes."""

from collections.abc import Mapping

import pytest

from crds.api.ports import Document
from crds.api.reflector import Key, ObjectChange
from crds.resource import Resource
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from tests.watcher.fakes import FakeCredentialChecks
from worker.watcher.credential_checks import CredentialCheckController, Item
from worker.watcher.declarations import read_declaration

SECRET = {"name": "token"}
JENKINS: Document = {"jenkins": {"url": "https://ci"}, "secretRef": SECRET}
PROVIDER: Document = {"github": {}, "secretRef": SECRET}


def repository(kind: str = "ScmProvider", provider: str = "github") -> Document:
    return {"scmProviderRef": {"kind": kind, "name": provider}, "github": {"owner": "acme", "name": "web"}}


def actions(name: str = "web") -> Document:
    return {"githubActions": {"repositoryRef": {"name": name}}}


class Scene:
    """A controller over what is declared; changes are worked off at once."""

    def __init__(self) -> None:
        self.checks = FakeCredentialChecks()
        self.kinds: dict[type[Resource], dict[Key, Resource]] = {}
        self.synced = True
        self.controller = CredentialCheckController(
            checks=self.checks, declared=self.declared, has_synced=lambda: self.synced
        )

    def declared(self, kind: type[Resource]) -> Mapping[Key, Resource]:
        return self.kinds.get(kind, {})

    def follow(
        self,
        kind: type[Resource],
        name: str,
        spec: Document | None,
        *,
        generation: int = 1,
        uid: str = "uid",
        namespace: str = "shop",
    ) -> None:
        known = self.kinds.setdefault(kind, {})
        key = Key(namespace, name)
        old = known.pop(key, None)
        new: Resource | None = None
        if spec is not None:
            metadata = {"name": name, "uid": f"{uid}-{name}", "generation": generation}
            new = known[key] = read_declaration(kind)({"metadata": metadata, "spec": spec})
        self.controller.follow(kind, ObjectChange(key=key, old=old, new=new))

    async def settle(self) -> list[tuple[str, str]]:
        """Work off the queue, and return what was sent since the last time as (what, kind/name)."""
        before = len(self.checks.sent)
        queue = self.controller.queue
        while queue.depth:
            item = await queue._take()
            queue._handling.discard(item)
            await self.controller.handle(item)
        return [(what, f"{one.kind}/{one.name}") for what, one, _ in self.checks.sent[before:]]


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_a_resource_is_sent_when_first_seen_and_at_each_new_generation(scene: Scene) -> None:
    scene.follow(TestRunner, "jenkins", JENKINS)
    assert await scene.settle() == [("seen", "TestRunner/jenkins")]
    scene.follow(TestRunner, "jenkins", JENKINS, generation=2)
    assert await scene.settle() == [("seen", "TestRunner/jenkins")]
    assert scene.checks.of("seen") == [("jenkins", 1), ("jenkins", 2)]


async def test_looking_at_it_once_more_only_makes_sure_that_somebody_cares(scene: Scene) -> None:
    scene.follow(ArgoCDInstance, "argocd", {"server": "https://cd", "secretRef": SECRET})
    await scene.settle()
    for _ in range(3):
        key = Key("shop", "argocd")
        kept = scene.kinds[ArgoCDInstance][key]
        scene.controller.follow(ArgoCDInstance, ObjectChange(key=key, old=kept, new=kept))
        assert await scene.settle() == [("ensure", "ArgoCDInstance/argocd")]


async def test_what_declares_no_connection_is_nobodys_business(scene: Scene) -> None:
    spec = {"sourceEnvironment": "dev", "targetEnvironment": "staging", "tests": []}
    scene.follow(PromotionPolicy, "dev-to-staging", spec)
    assert await scene.settle() == []


async def test_a_changed_provider_has_its_repositories_and_their_runners_checked_again(scene: Scene) -> None:
    scene.follow(ScmProvider, "github", PROVIDER)
    scene.follow(GitRepository, "web", repository())
    scene.follow(GitRepository, "other", repository(provider="another"))
    scene.follow(TestRunner, "actions", actions())
    scene.follow(TestRunner, "jenkins", JENKINS)
    await scene.settle()
    scene.follow(ScmProvider, "github", PROVIDER, generation=2)
    poked = [name for what, name in await scene.settle() if what == "poke"]
    assert sorted(poked) == ["GitRepository/web", "TestRunner/actions"]


async def test_a_provider_that_appears_or_goes_is_a_change_too(scene: Scene) -> None:
    scene.follow(GitRepository, "web", repository())
    await scene.settle()
    scene.follow(ScmProvider, "github", PROVIDER)
    assert ("poke", "GitRepository/web") in await scene.settle()
    scene.follow(ScmProvider, "github", None)
    assert ("poke", "GitRepository/web") in await scene.settle()


async def test_a_cluster_provider_concerns_the_repositories_of_every_namespace(scene: Scene) -> None:
    for namespace in ("shop", "bank"):
        scene.follow(GitRepository, f"web-{namespace}", repository("ClusterScmProvider", "shared"), namespace=namespace)
    scene.follow(GitRepository, "web", repository("ScmProvider", "shared"))
    await scene.settle()
    scene.follow(ClusterScmProvider, "shared", PROVIDER, namespace="")
    poked = [name for what, name in await scene.settle() if what == "poke"]
    assert sorted(poked) == ["GitRepository/web-bank", "GitRepository/web-shop"]


async def test_a_provider_of_another_namespace_concerns_no_one_here(scene: Scene) -> None:
    scene.follow(GitRepository, "web", repository())
    await scene.settle()
    scene.follow(ScmProvider, "github", PROVIDER, namespace="bank")
    assert await scene.settle() == [("seen", "ScmProvider/github")]


async def test_a_watcher_that_starts_has_nothing_checked_that_is_known(scene: Scene) -> None:
    scene.synced = False
    scene.follow(GitRepository, "web", repository())
    scene.follow(ScmProvider, "github", PROVIDER)
    assert {what for what, _ in await scene.settle()} == {"seen"}


async def test_a_deleted_resource_is_sent_to_its_workflow(scene: Scene) -> None:
    scene.follow(TestRunner, "jenkins", JENKINS)
    await scene.settle()
    scene.follow(TestRunner, "jenkins", None)
    assert await scene.settle() == [("gone", "TestRunner/jenkins")]


async def test_a_recreated_resource_is_sent_again_and_its_predecessor_ends(scene: Scene) -> None:
    scene.follow(TestRunner, "jenkins", JENKINS, uid="first")
    await scene.settle()
    scene.follow(TestRunner, "jenkins", JENKINS, uid="second")
    assert [what for what, _ in await scene.settle()] == ["gone", "seen"]
    assert [one.uid for _, one, _ in scene.checks.sent[-2:]] == ["first-jenkins", "second-jenkins"]


async def test_what_could_not_be_sent_is_sent_later(scene: Scene) -> None:
    scene.follow(ScmProvider, "github", PROVIDER)
    scene.follow(GitRepository, "web", repository())
    await scene.settle()
    scene.follow(ScmProvider, "github", PROVIDER, generation=2)
    items = (Item(ScmProvider, Key("shop", "github")), Item(GitRepository, Key("shop", "web")))
    scene.checks.away = True
    for item in items:
        with pytest.raises(ConnectionError):
            await scene.controller.handle(item)
    scene.checks.away = False
    before = len(scene.checks.sent)
    for item in items:
        await scene.controller.handle(item)
    assert [what for what, _, _ in scene.checks.sent[before:]] == ["seen", "poke", "ensure"]
