"""Changed declarations are validated as a whole and wake exactly those who wait for them."""

import asyncio
import threading
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from crds.api.ports import ApiError, ApiInvalid, ApiResource, Document, resource_of
from crds.api.reflector import Key, ObjectChange
from crds.resource import Resource
from crds.rules.field_errors import FieldError
from crds.rules.flux import validate_commit_status
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from tests.watcher.fakes import (
    EVENTS_REFUSED,
    FakeKubernetes,
    FakePromotions,
    running_status,
    tracker_document,
    until,
)
from worker.watcher import declarations
from worker.watcher.declarations import DeclarationController, read_declaration
from worker.watcher.entries import TrackerEntry, read_tracker
from worker.watcher.waking import WAITS

SECRET = {"name": "token"}


def environment(name: str, *, write: bool = True, final: bool = False, instance: str = "argocd") -> Document:
    deployment = {
        "name": "web",
        "repositoryRef": {"name": "web"},
        "argocd": {"instanceRef": {"name": instance}, "project": "shop", "application": f"web-{name}"},
    }
    spec: Document = {"deployments": [deployment], "final": final}
    if write:
        spec["write"] = {"argocd": {"set": "TargetRevision"}}
    return {"metadata": _metadata(name), "spec": spec}


def policy(*, parameter: str = "${revision}", runner: str = "jenkins") -> Document:
    test = {"name": "unit", "runnerRef": {"name": runner}, "job": "web/unit", "parameters": {"X": parameter}}
    spec = {"sourceEnvironment": "dev", "targetEnvironment": "staging", "tests": [test]}
    return {"metadata": _metadata("dev-to-staging"), "spec": spec}


def _metadata(name: str, namespace: str = "shop") -> Document:
    return {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1}


class Scene:
    """Everything that a policy from dev to staging needs, and trackers that wait."""

    def __init__(self) -> None:
        self.kubernetes = FakeKubernetes()
        self.promotions = FakePromotions()
        self.kinds: dict[type[Resource], dict[Key, Resource]] = {}
        self.trackers: list[TrackerEntry] = []
        self.synced = True
        self.controller = DeclarationController(
            kubernetes=self.kubernetes,
            promotions=self.promotions,
            trackers=lambda: self.trackers,
            declared=self.declared,
            has_synced=lambda: self.synced,
        )
        self.declare(Environment, environment("dev", write=False))
        self.declare(Environment, environment("staging", final=True))
        self.declare(
            TestRunner,
            {"metadata": _metadata("jenkins"), "spec": {"jenkins": {"url": "https://ci"}, "secretRef": SECRET}},
        )
        self.declare(
            ArgoCDInstance, {"metadata": _metadata("argocd"), "spec": {"server": "https://cd", "secretRef": SECRET}}
        )
        self.declare(ScmProvider, {"metadata": _metadata("github"), "spec": {"github": {}, "secretRef": SECRET}})
        self.declare(
            GitRepository,
            {
                "metadata": _metadata("web"),
                "spec": {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}},
            },
        )

    def declared(self, kind: type[Resource]) -> Mapping[Key, Resource]:
        return self.kinds.get(kind, {})

    def declare(self, kind: type[Resource], document: Document) -> ObjectChange[Resource]:
        self.kubernetes.put(resource_of(kind.definition), document)
        key = Key(document["metadata"].get("namespace", ""), document["metadata"]["name"])
        known = self.kinds.setdefault(kind, {})
        change = ObjectChange(key=key, old=known.get(key), new=read_declaration(kind)(document))
        assert change.new is not None
        known[key] = change.new
        return change

    async def change(self, kind: type[Resource], document: Document) -> None:
        self.controller.follow(kind, self.declare(kind, document))
        await self.controller.handle("shop")

    def waiting(self, what: str, number: int = 412, state: str = "Testing") -> None:
        status = running_status(waiting=what, state=state)
        self.trackers.append(read_tracker(tracker_document(number=number, status=status)))

    def valid(self, kind: type[Resource], name: str) -> dict[str, Any]:
        conditions = self.kubernetes.objects[kind.definition.plural, "shop", name]["status"]["conditions"]
        (found,) = [one for one in conditions if one["type"] == "Valid"]
        return dict(found)


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_a_policy_that_fits_is_valid_and_so_is_what_it_stands_on(scene: Scene) -> None:
    await scene.change(PromotionPolicy, policy())
    for kind, name in ((PromotionPolicy, "dev-to-staging"), (Environment, "dev"), (GitRepository, "web")):
        assert scene.valid(kind, name)["status"] == "True", scene.valid(kind, name)


async def test_an_invalid_policy_is_published_with_each_field_path(scene: Scene) -> None:
    await scene.change(PromotionPolicy, policy(parameter="${nonsense}", runner="gone"))
    condition = scene.valid(PromotionPolicy, "dev-to-staging")
    assert condition["status"] == "False"
    assert "spec.tests[0].parameters.X" in condition["message"]
    assert "spec.tests[0].runnerRef.name" in condition["message"]


async def test_what_is_invalid_has_one_event_for_each_thing_that_is_wrong(scene: Scene) -> None:
    await scene.change(PromotionPolicy, policy(runner="gone"))
    await scene.controller.handle("shop")
    await scene.change(Environment, environment("staging", instance="gone"))

    posted = [
        (target.kind, target.name, reason, message) for target, reason, message in scene.kubernetes.events.values()
    ]

    conditions = [
        ("PromotionPolicy", "dev-to-staging", scene.valid(PromotionPolicy, "dev-to-staging")),
        ("Environment", "staging", scene.valid(Environment, "staging")),
    ]
    assert posted == [(kind, name, one["reason"], one["message"]) for kind, name, one in conditions]
    assert [one["status"] for _, _, one in conditions] == ["False", "False"]


@pytest.mark.parametrize("refusal", EVENTS_REFUSED)
async def test_a_namespace_that_takes_no_events_keeps_no_condition_from_being_written(
    scene: Scene, refusal: ApiError
) -> None:
    scene.kubernetes.events_refused = refusal
    await scene.change(PromotionPolicy, policy(runner="gone"))
    assert scene.valid(PromotionPolicy, "dev-to-staging")["status"] == "False"


async def test_a_runner_that_appears_makes_the_policy_valid(scene: Scene) -> None:
    await scene.change(PromotionPolicy, policy(runner="later"))
    assert scene.valid(PromotionPolicy, "dev-to-staging")["status"] == "False"
    await scene.change(
        TestRunner, {"metadata": _metadata("later"), "spec": {"jenkins": {"url": "https://ci"}, "secretRef": SECRET}}
    )
    assert scene.valid(PromotionPolicy, "dev-to-staging")["status"] == "True"


async def test_patterns_are_judged_next_to_the_event_loop(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def judge(declared: CommitStatus, *, providers: Collection[str] | None) -> list[FieldError]:
        threads.append(threading.get_ident())
        return validate_commit_status(declared, providers=providers)

    monkeypatch.setattr(declarations, "validate_commit_status", judge)
    spec = {"providerRef": {"name": "git"}, "eventSources": [{"kind": "Kustomization", "name": "web"}]}
    await scene.change(CommitStatus, {"metadata": _metadata("web"), "spec": {**spec, "inclusionList": ["("]}})
    assert "spec.inclusionList[0]" in scene.valid(CommitStatus, "web")["message"]
    assert threads != []
    assert threading.get_ident() not in threads


async def test_what_stands_there_already_is_not_written_again(scene: Scene) -> None:
    await scene.change(PromotionPolicy, policy())
    writes = len(scene.kubernetes.writes)
    await scene.controller.handle("shop")
    assert len(scene.kubernetes.writes) == writes


async def test_nothing_is_called_missing_before_everything_was_listed(scene: Scene) -> None:
    scene.synced = False
    scene.controller.follow(PromotionPolicy, scene.declare(PromotionPolicy, policy(runner="gone")))
    assert await scene.controller.handle("shop") is not None
    assert scene.kubernetes.writes == []
    scene.synced = True
    assert await scene.controller.handle("shop") is None
    assert scene.valid(PromotionPolicy, "dev-to-staging")["status"] == "False"


async def test_a_policy_wakes_the_trackers_that_wait_for_one_and_no_others(scene: Scene) -> None:
    scene.waiting("Policy", 1)
    scene.waiting("Reference", 2)
    scene.waiting("Verdict", 3)
    scene.waiting("Policy", 4, state="Completed")
    await scene.change(PromotionPolicy, policy())
    assert [attempt.name for attempt in scene.promotions.poked] == ["web-1", "web-2"]
    assert scene.promotions.places == []


async def test_an_argo_cd_instance_wakes_the_places_that_it_serves(scene: Scene) -> None:
    scene.waiting("Verdict")
    await scene.change(
        ArgoCDInstance, {"metadata": _metadata("argocd"), "spec": {"server": "https://cd.new", "secretRef": SECRET}}
    )
    assert scene.promotions.places == [("shop", "dev", "web"), ("shop", "staging", "web")]


async def test_an_environment_wakes_its_own_places_only(scene: Scene) -> None:
    scene.waiting("Verdict")
    await scene.change(Environment, environment("staging", final=False))
    assert scene.promotions.places == [("shop", "staging", "web")]


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("away", [False, True])
async def test_an_environment_wakes_the_places_that_it_names_no_more(scene: Scene, deleted: bool, away: bool) -> None:
    scene.waiting("Lane")
    document = environment("staging", final=True)
    document["spec"]["deployments"][0]["repositoryRef"]["name"] = "api"
    change = scene.declare(Environment, document)
    if deleted:
        change = ObjectChange(key=change.key, old=change.old, new=None)
        del scene.kinds[Environment][change.key]
    scene.controller.follow(Environment, change)
    if away:
        scene.promotions.away = True
        with pytest.raises(ConnectionError):
            await scene.controller.handle("shop")
        scene.promotions.away = False
    await scene.controller.handle("shop")
    assert scene.promotions.places == [("shop", "staging", "web")]


async def test_no_place_is_woken_when_no_change_is_on_the_way(scene: Scene) -> None:
    await scene.change(Environment, environment("staging", final=False))
    assert scene.promotions.places == []


async def test_a_status_write_of_our_own_is_no_change(scene: Scene) -> None:
    read = read_declaration(PromotionPolicy)
    one, other = policy(), policy()
    other["metadata"]["resourceVersion"] = "999"
    other["status"] = {"trackersInFlight": 3}
    assert read(one) == read(other)


async def test_a_cluster_scoped_provider_concerns_every_namespace_with_trackers(scene: Scene) -> None:
    scene.waiting("Reference")
    change = scene.declare(
        ClusterScmProvider, {"metadata": {"name": "all", "uid": "u"}, "spec": {"github": {}, "secretRef": SECRET}}
    )
    scene.controller.follow(ClusterScmProvider, change)
    await scene.controller.handle("shop")
    assert [attempt.name for attempt in scene.promotions.poked] == ["web-412"]


async def test_a_cluster_scoped_provider_makes_a_repository_valid_that_was_there_before_any_tracker(
    scene: Scene,
) -> None:
    spec = {
        "scmProviderRef": {"kind": "ClusterScmProvider", "name": "all"},
        "github": {"owner": "acme", "name": "web"},
    }
    scene.declare(GitRepository, {"metadata": _metadata("web"), "spec": spec})
    await scene.controller.handle("shop")
    assert scene.valid(GitRepository, "web")["reason"] == "ReferenceNotFound"
    provider = {"metadata": {"name": "all", "uid": "u"}, "spec": {"github": {}, "secretRef": SECRET}}
    scene.controller.follow(ClusterScmProvider, scene.declare(ClusterScmProvider, provider))
    running = asyncio.create_task(scene.controller.queue.run())
    await until(lambda: scene.valid(GitRepository, "web")["status"] == "True")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_tracker_that_looked_before_a_change_and_shows_its_wait_only_afterwards_is_poked(scene: Scene) -> None:
    scene.waiting("Sync", state="AwaitingSync")
    await scene.change(PromotionPolicy, policy())
    assert scene.promotions.poked == []
    (before,) = scene.trackers
    scene.trackers.clear()
    scene.waiting("Policy", state="AwaitingPolicy")
    change = ObjectChange(key=Key("shop", "web-412"), old=before, new=scene.trackers[0])
    scene.controller.follow_tracker(change)
    await scene.controller.handle("shop")
    assert [attempt.name for attempt in scene.promotions.poked] == ["web-412"]
    # It waits still, and nothing has changed.
    scene.controller.follow_tracker(ObjectChange(key=change.key, old=change.new, new=change.new))
    await scene.controller.handle("shop")
    assert len(scene.promotions.poked) == 1


async def test_a_held_tracker_is_woken_too_since_its_status_does_not_show_what_else_it_waits_for(scene: Scene) -> None:
    scene.waiting("Release", state="Held")
    await scene.change(PromotionPolicy, policy())
    assert [attempt.name for attempt in scene.promotions.poked] == ["web-412"]


@pytest.mark.parametrize("kind", [PromotionPolicy, Environment, TestRunner, GitRepository])
def test_every_kind_that_a_policy_is_judged_by_wakes_who_waits_for_one(kind: type[Resource]) -> None:
    assert "Policy" in WAITS[kind]


async def test_pokes_that_failed_are_sent_later(scene: Scene) -> None:
    scene.waiting("Policy")
    scene.promotions.away = True
    scene.controller.follow(PromotionPolicy, scene.declare(PromotionPolicy, policy()))
    with pytest.raises(ConnectionError):
        await scene.controller.handle("shop")
    scene.promotions.away = False
    await scene.controller.handle("shop")
    assert [attempt.name for attempt in scene.promotions.poked] == ["web-412"]


async def test_an_object_that_takes_no_condition_keeps_none_of_its_neighbours_back(scene: Scene) -> None:
    scene.waiting("Policy")
    scene.kubernetes.refused = {"dev", "dev-to-staging"}
    with pytest.raises(ApiInvalid, match="dev-to-staging is invalid"):
        await scene.change(PromotionPolicy, policy())
    assert [attempt.name for attempt in scene.promotions.poked] == ["web-412"]
    assert [scene.valid(*one)["status"] for one in ((Environment, "staging"), (GitRepository, "web"))] == ["True"] * 2

    scene.kubernetes.refused = set()
    await scene.controller.handle("shop")

    assert scene.valid(PromotionPolicy, "dev-to-staging")["status"] == "True"
    assert scene.valid(Environment, "dev")["status"] == "True"
    assert len(scene.promotions.poked) == 1, "trackers are not woken again for a condition that was written late"


async def test_a_policy_counts_the_trackers_that_hold_its_snapshot(scene: Scene) -> None:
    await scene.change(PromotionPolicy, policy())

    def on_the_way(state: str) -> TrackerEntry:
        hop = {"index": 0, "source": "dev", "target": "staging", "policy": {"name": "dev-to-staging"}}
        return read_tracker(tracker_document(status={**running_status(state=state), "hop": hop}))

    def counted() -> int:
        status = scene.kubernetes.objects[PromotionPolicy.definition.plural, "shop", "dev-to-staging"]["status"]
        return int(status["trackersInFlight"])

    assert counted() == 0
    scene.trackers = [on_the_way("Testing"), on_the_way("Promoting"), on_the_way("Completed")]
    scene.controller.follow_tracker(ObjectChange(key=Key("shop", "web-412"), old=None, new=scene.trackers[0]))
    await scene.controller.handle("shop")
    assert counted() == 2


async def test_a_tracker_that_takes_its_policy_costs_no_look_at_what_is_declared(scene: Scene) -> None:
    await scene.change(PromotionPolicy, policy())
    hop = {"index": 0, "source": "dev", "target": "staging", "policy": {"name": "dev-to-staging"}}
    entry = read_tracker(tracker_document(status={**running_status(state="Testing"), "hop": hop}))
    scene.trackers = [entry]
    read: list[tuple[str, str]] = []
    get = scene.kubernetes.get

    async def noted(resource: ApiResource, namespace: str | None, name: str) -> Document:
        read.append((resource.plural, name))
        return await get(resource, namespace, name)

    scene.kubernetes.get = noted  # type: ignore[method-assign]
    scene.controller.follow_tracker(ObjectChange(key=Key("shop", "web-412"), old=None, new=entry))
    await scene.controller.handle("shop")
    assert set(read) == {(PromotionPolicy.definition.plural, "dev-to-staging")}
    # Something declared changes at the same time: everything is judged.
    scene.controller.follow_tracker(ObjectChange(key=Key("shop", "web-412"), old=None, new=entry))
    await scene.change(PromotionPolicy, policy(parameter="${branch}"))
    assert {plural for plural, _ in read} > {PromotionPolicy.definition.plural}


async def test_what_is_wrong_with_an_object_of_the_longest_name_has_an_event_of_a_name_that_fits(scene: Scene) -> None:
    name = f"{'n' * 235}.{'n' * 17}"
    spec = {"providerRef": {"name": "gone"}, "eventSources": [{"kind": "Kustomization", "name": "*"}]}
    await scene.change(CommitStatus, {"metadata": _metadata(name), "spec": spec})
    [event] = scene.kubernetes.events
    assert len(event) <= 253
    assert ".." not in event
    assert scene.valid(CommitStatus, name)["status"] == "False"
