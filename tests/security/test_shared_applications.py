"""Two Environments name one application: the older one has it, the younger one shows it and writes nothing."""

import threading
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.configuration import ResourceConfigActivities
from activities.delivery.file_edits import EditRefused, edits_of
from activities.deployments import ArgoCDActivities
from activities.models.configuration import DeploymentSpec, ReadEnvironmentInput
from activities.models.delivery import DeliverApplicationInput, SyncApplicationInput, WriteOutcome
from activities.models.tracking import Artifact
from activities.shared_applications import FRESH, SharedApplications
from crds.api.ports import ApiForbidden, ApiResource, Page
from crds.reasons.conditions import ConditionReason
from crds.rules.field_errors import FieldError
from crds.rules.shared_applications import server_of
from crds.rules.shared_branches import branch_errors, writes_branches
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from tests.activities.cluster import Cluster, environment, shop
from tests.activities.fakes import NEW, OLD, FakeDeployments, FakeOpener, FakePlaces, FakeScm, application, observe
from tests.watcher.test_declarations import Scene
from tests.watcher.test_declarations import environment as declared

OLDER, YOUNGER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def created(cluster: Cluster, name: str, at: str, *, namespace: str = "shop") -> None:
    cluster.objects["Environment", namespace, name]["metadata"]["creationTimestamp"] = at


def with_thief(server: str = "https://cd.example", name: str = "web-prod", *, at: str = YOUNGER) -> Cluster:
    """The main story, and a namespace of somebody else whose Environment names prod's application."""
    cluster = shop()
    cluster.add("ArgoCDInstance", "mine", {"server": server, "secretRef": {"name": "t"}}, namespace="thief")
    spec = environment("prod", application=name)
    spec["deployments"][0]["argocd"]["instanceRef"] = {"name": "mine"}
    cluster.add("Environment", "mine", spec, namespace="thief")
    cluster.add(
        "GitRepository",
        "web",
        {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}},
        namespace="thief",
    )
    for one in ("dev", "staging", "prod"):
        created(cluster, one, OLDER)
    created(cluster, "mine", at, namespace="thief")
    return cluster


async def read(cluster: Cluster, name: str, *, namespace: str = "shop", **applications: Any) -> list[DeploymentSpec]:
    argocd = FakeDeployments(applications={"web-prod": application("web-prod"), **applications})
    opener = FakeOpener(scm=FakeScm(), argocd=argocd)
    activities = ResourceConfigActivities(cluster.port(), opener, FakePlaces())
    request = ReadEnvironmentInput(namespace=namespace, environment=name, repository="web")
    answer = await ActivityEnvironment().run(activities.read_environment, request)
    assert answer.environment is not None, answer.failure
    return list(answer.environment.deployments)


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("https://cd.example", "web-prod"),
        ("https://cd.example", "argocd/web-prod"),
        ("https://CD.example:443/", "web-prod"),
        ("https://cd.example./", "web-prod"),
        ("http://cd.example", "web-prod"),
        ("https://cd.example:80", "web-prod"),
        ("https://cd.example//./x/../", "web-prod"),
        ("https://cd。example/%2e", "web-prod"),
    ],
)
async def test_to_write_a_foreign_application_from_a_namespace_of_ones_own(server: str, name: str) -> None:
    cluster = with_thief(server, name)
    (mine,) = await read(cluster, "mine", namespace="thief")
    assert mine.taken_by == "Environment shop/prod"
    (prods,) = await read(cluster, "prod")
    assert prods.taken_by == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://10.0.0.7", "https://167772167"),
        ("https://10.0.0.7/", "https://012.0.0.7"),
        ("https://10.0.0.7", "https://[::ffff:10.0.0.7]"),
        ("https://[fd00::7]:8443", "https://[FD00:0:0::7]:8443/"),
        ("https://bücher.example/argocd", "https://xn--bcher-kva.example/%61rgocd/"),
    ],
)
def test_to_write_a_foreign_application_by_another_way_to_write_its_server(one: str, other: str) -> None:
    spec = {"secretRef": {"name": "token"}}
    instances = [
        ArgoCDInstance.from_wire({"metadata": {"name": "cd", "namespace": "shop"}, "spec": {**spec, "server": server}})
        for server in (one, other, f"{one.rstrip('/')}/else")
    ]
    here, there, elsewhere = map(server_of, instances)
    assert here == there != elsewhere


async def test_to_write_a_foreign_application_by_a_selector() -> None:
    cluster = with_thief()
    cluster.objects["Environment", "thief", "mine"]["spec"]["deployments"][0]["argocd"] = {
        "instanceRef": {"name": "mine"},
        "project": "shop",
        "selector": {"matchLabels": {"app": "web"}},
    }
    found = await read(cluster, "mine", namespace="thief", **{"web-own": application("web-own")})
    assert {one.application: one.taken_by for one in found} == {"web-prod": "Environment shop/prod", "web-own": ""}


@pytest.mark.parametrize(
    ("owners", "theirs", "namespace", "taken"),
    [
        ("web-prod", "gitops/web-prod", "gitops", True),
        ("gitops/web-prod", "web-prod", "gitops", True),
        ("web-prod", "team/web-prod", "gitops", False),
        ("team/web-prod", "web-prod", "gitops", False),
        ("team/web-prod", "gitops/web-prod", "gitops", False),
    ],
)
@pytest.mark.parametrize("files", [False, True], ids=["no one writes files", "another place writes files"])
async def test_to_write_a_foreign_application_by_the_namespace_that_its_server_takes(
    owners: str, theirs: str, namespace: str, taken: bool, files: bool
) -> None:
    cluster = with_thief(name=theirs)
    if files:
        writing(cluster, "staging", IMAGE)
    cluster.objects["Environment", "shop", "prod"]["spec"]["deployments"][0]["argocd"]["application"] = owners
    there: dict[str, Any] = {"web-prod": application("web-prod", namespace=namespace)}
    (mine,) = await read(cluster, "mine", namespace="thief", **there)
    assert (mine.taken_by, mine.failure) == ("Environment shop/prod" if taken else "", None)
    (prods,) = await read(cluster, "prod", **there)
    assert prods.taken_by == ""


async def test_what_is_not_seen_under_its_bare_name_is_another_application() -> None:
    cluster = with_thief(name="gitops/hidden")
    cluster.objects["Environment", "shop", "prod"]["spec"]["deployments"][0]["argocd"]["application"] = "hidden"
    (mine,) = await read(cluster, "mine", namespace="thief")
    assert (mine.taken_by, mine.failure) == ("", None)


async def test_an_application_of_another_server_or_namespace_is_another_one() -> None:
    for server, name in (
        ("https://cd.example:8443", "web-prod"),
        ("https://cd.example/other", "web-prod"),
        ("https://cd.example", "team/web-prod"),
    ):
        (mine,) = await read(with_thief(server, name), "mine", namespace="thief")
        assert mine.taken_by == ""


async def test_who_was_there_first_keeps_it_and_of_one_second_the_first_by_name() -> None:
    (prods,) = await read(with_thief(at="2025-01-01T00:00:00Z"), "prod")
    assert prods.taken_by == "Environment thief/mine"
    (prods,) = await read(with_thief(at=OLDER), "prod")
    assert prods.taken_by == ""


async def test_nothing_is_written_or_synced_by_the_younger_one() -> None:
    argocd = FakeDeployments(applications={"web-prod": application("web-prod")})
    activities = ArgoCDActivities(FakeOpener(scm=FakeScm(), argocd=argocd))
    (mine,) = await read(with_thief(), "mine", namespace="thief")
    artifact = Artifact(component="web", revision=NEW)
    delivery = DeliverApplicationInput(namespace="thief", deployment=mine, artifact=artifact, expected=OLD, key="k")
    written = (await ActivityEnvironment().run(activities.deliver_application, delivery)).written
    sync = SyncApplicationInput(namespace="thief", deployment=mine, artifact=artifact, key="k")
    synced = await ActivityEnvironment().run(activities.sync_application, sync)
    for result in (written, synced):
        assert result.outcome is WriteOutcome.REFUSED
        assert "OwnedBy Environment shop/prod" in result.message
    assert (argocd.patches, argocd.syncs) == ([], [])
    seen = observe(mine, application("web-prod"))
    assert (seen.obstacle, "Environment shop/prod" in seen.writable) == (ConditionReason.OWNED_BY, True)


async def test_where_only_some_namespaces_may_be_listed_these_are_judged() -> None:
    class Bounded(Cluster):
        async def list_page(self, resource: ApiResource, namespace: str | None = None, **options: Any) -> Page:
            if namespace is None:
                raise ApiForbidden("environments is forbidden", status=403)
            return await super().list_page(resource, namespace, **options)

    cluster = with_thief()
    cluster.add("Environment", "second", environment("prod"))
    created(cluster, "second", YOUNGER)
    bounded = Bounded(objects=cluster.objects)
    (second,) = await read(bounded, "second")
    assert second.taken_by == "Environment shop/prod"
    (mine,) = await read(bounded, "mine", namespace="thief")
    assert mine.taken_by == ""

    class Closed(Cluster):
        async def list_page(self, resource: ApiResource, namespace: str | None = None, **options: Any) -> Page:
            raise ApiForbidden("argocdinstances is forbidden", status=403)

    (second,) = await read(Closed(objects=cluster.objects), "second")
    assert second.taken_by == ""


async def test_the_environments_of_a_cluster_are_listed_once_a_minute_at_most() -> None:
    cluster, now = with_thief(), [0.0]
    shared = SharedApplications(cluster.port(), clock=lambda: now[0])
    found = Environment.from_wire(cluster.objects["Environment", "thief", "mine"])
    (mine,) = await read(cluster, "mine", namespace="thief")
    before = cluster.pages
    for _ in range(3):
        await shared.mark(found, [mine])
    looked = cluster.pages - before
    now[0] = FRESH.total_seconds()
    await shared.mark(found, [mine])
    assert cluster.pages - before == 2 * looked == 4


async def test_the_younger_one_names_the_other_in_its_condition() -> None:
    scene = Scene()
    older, mine = declared("prod"), declared("prod")
    older["metadata"]["creationTimestamp"] = OLDER
    mine["metadata"] |= {"name": "mine", "uid": "uid-mine", "creationTimestamp": YOUNGER}
    await scene.change(Environment, older)
    await scene.change(Environment, mine)
    assert scene.valid(Environment, "prod")["status"] == "True"
    found = scene.valid(Environment, "mine")
    assert (found["status"], found["reason"]) == ("False", "ApplicationTaken")
    assert "Environment shop/prod" in found["message"]
    assert "spec.deployments[0].argocd.application" in found["message"]


async def test_the_condition_goes_once_the_older_one_of_another_namespace_names_it_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    secret = {"name": "token"}
    scene.declare(
        ArgoCDInstance,
        {
            "metadata": {"name": "argocd", "namespace": "docs", "uid": "uid-docs", "generation": 1},
            "spec": {"server": "https://cd/", "secretRef": secret},
        },
    )
    other = declared("staging")
    other["metadata"] |= {"namespace": "docs", "uid": "uid-other", "creationTimestamp": OLDER}
    younger = declared("staging")
    younger["metadata"]["creationTimestamp"] = YOUNGER
    scene.declare(Environment, younger)
    scene.controller.follow(Environment, scene.declare(Environment, other))
    for namespace in ("docs", "shop"):
        await scene.controller.handle(namespace)
    assert scene.valid(Environment, "staging")["reason"] == "ApplicationTaken"
    planned: list[str] = []
    monkeypatch.setattr(scene.controller.queue, "add_after", lambda key, _pause: planned.append(key))
    freed = declared("elsewhere")
    freed["metadata"] = {**other["metadata"], "generation": 2}
    scene.controller.follow(Environment, scene.declare(Environment, freed))
    await scene.controller.handle("docs")
    # The other namespace is looked at again by itself.
    assert planned == ["docs", "shop"]
    await scene.controller.handle("shop")
    assert scene.valid(Environment, "staging")["status"] == "True"


FILE = "apps/prod/kustomization.yaml"
IMAGE = {"file": FILE, "kustomizeImage": "ghcr.io/acme/web"}


def at(path: str, file: str = FILE) -> dict[str, str]:
    return {"file": file, "yamlPath": path, "value": "${artifact.tag}"}


def writing(cluster: Cluster, name: str, *edits: dict[str, str], branch: str = "main", namespace: str = "shop") -> None:
    """Have an Environment write files, with an application of its own."""
    spec = cluster.objects["Environment", namespace, name]["spec"]
    git = {"repositoryRef": {"name": "config"}, "branch": branch, "edits": list(edits)}
    spec["write"] = {"git": git}
    spec["deployments"][0]["argocd"]["application"] = f"web-{namespace}-{name}"
    host = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "config"}}
    cluster.add("GitRepository", "config", host, namespace=namespace)


@pytest.mark.parametrize(
    ("owners", "theirs", "taken"),
    [
        (IMAGE, IMAGE, True),
        (IMAGE, at("images[name=ghcr.io/acme/web].newTag"), True),
        (IMAGE, at("images[0].newTag"), True),
        (IMAGE, at("images[0].newTag", "apps/${target.vars.of}/kustomization.yaml"), True),
        (IMAGE, at("images[0].newTag", "apps/${sourceEnvironment}/kustomization.yaml"), True),
        (IMAGE, at("images[newTag=v1].newTag"), True),
        (IMAGE, at("images[name=ghcr.io/acme/api].newTag"), False),
        (IMAGE, at("images[0].newTag", "apps/mine/kustomization.yaml"), False),
        (at("web.image.tag"), at('web["image"].tag'), True),
        (at("web.image.tag"), at("web.image"), True),
        (at("web.image.tag"), at("web.image.tag.of"), True),
        (at("web.image.tag"), at("api.image.tag"), False),
        (at("list[0].tag"), at("list[1].tag"), False),
        (at("list[0].tag"), at("list.tag"), False),
    ],
)
@pytest.mark.parametrize("namespace", ["shop", "thief"])
async def test_to_write_the_file_of_another_place(
    owners: dict[str, str], theirs: dict[str, str], taken: bool, namespace: str
) -> None:
    cluster = with_thief()
    name = "mine" if namespace == "thief" else "sandbox"
    cluster.add("Environment", "sandbox", {**environment("prod"), "vars": {"of": "prod"}})
    created(cluster, "sandbox", YOUNGER)
    cluster.objects["Environment", "thief", "mine"]["spec"]["vars"] = {"of": "prod"}
    if namespace == "thief":
        # What a change comes from has a name of the namespace at hand.
        cluster.add("Environment", "prod", environment("prod"), namespace="thief")
        created(cluster, "prod", YOUNGER, namespace="thief")
    writing(cluster, "prod", owners)
    writing(cluster, name, theirs, namespace=namespace)
    (found,) = await read(cluster, name, namespace=namespace)
    assert found.taken_by == ("Environment shop/prod" if taken else "")
    (own,) = await read(cluster, "prod")
    assert own.taken_by == ""


async def test_the_same_file_of_another_branch_is_another_one() -> None:
    cluster = with_thief()
    writing(cluster, "prod", IMAGE)
    writing(cluster, "staging", IMAGE, branch="staging")
    created(cluster, "staging", YOUNGER)
    (staging,) = await read(cluster, "staging")
    assert staging.taken_by == ""


def merging(cluster: Cluster, name: str, *, source: str, target: str, namespace: str = "shop") -> None:
    """Have an Environment merge one branch into another."""
    writing(cluster, name, namespace=namespace)
    branch = {"repositoryRef": {"name": "config"}, "source": source, "target": target}
    cluster.objects["Environment", namespace, name]["spec"]["write"] = {"branch": branch}


@pytest.mark.parametrize(
    ("target", "taken"), [("env/prod", True), ("ENV/PROD", False), ("main", False), ("env/theirs", False)]
)
async def test_to_merge_into_the_branch_of_another_place(target: str, taken: bool) -> None:
    cluster = with_thief()
    merging(cluster, "prod", source="env/staging", target="env/prod")
    merging(cluster, "mine", source="mine", target=target, namespace="thief")
    (mine,) = await read(cluster, "mine", namespace="thief")
    (own,) = await read(cluster, "prod")
    assert (mine.taken_by, own.taken_by) == ("Environment shop/prod" if taken else "", "")


async def test_who_merges_into_a_branch_writes_all_files_of_it() -> None:
    cluster = with_thief()
    merging(cluster, "prod", source="env/staging", target="main")
    writing(cluster, "mine", IMAGE, namespace="thief")
    assert [one.taken_by for one in await read(cluster, "mine", namespace="thief")] == ["Environment shop/prod"]
    merging(cluster, "mine", source="mine", target="main", namespace="thief")
    writing(cluster, "prod", IMAGE)
    assert [one.taken_by for one in await read(cluster, "mine", namespace="thief")] == ["Environment shop/prod"]


async def test_a_branch_that_one_place_is_promoted_from_is_the_target_of_another() -> None:
    cluster = with_thief()
    merging(cluster, "staging", source="main", target="env/staging")
    merging(cluster, "prod", source="env/staging", target="env/prod")
    assert [one.taken_by for name in ("staging", "prod") for one in await read(cluster, name)] == ["", ""]


async def test_nothing_is_committed_for_who_writes_the_file_of_another_place() -> None:
    cluster = with_thief()
    writing(cluster, "prod", IMAGE)
    writing(cluster, "mine", IMAGE, namespace="thief")
    (mine,) = await read(cluster, "mine", namespace="thief")
    with pytest.raises(EditRefused, match="OwnedBy Environment shop/prod"):
        edits_of([mine], [Artifact(component="web", revision=NEW)], {})
    seen = observe(mine, application("web-thief-mine"))
    assert (seen.obstacle, "Environment shop/prod" in seen.writable) == (ConditionReason.OWNED_BY, True)


FILES = {"branch": "main", "edits": [{**at("web.tag"), "value": "${revision}"}]}


@pytest.mark.parametrize(
    ("write", "reason"),
    [({"git": FILES}, "FileTaken"), ({"branch": {"source": "env/dev", "target": "env/prod"}}, "BranchTaken")],
)
async def test_the_younger_one_names_what_is_taken_in_its_condition(
    monkeypatch: pytest.MonkeyPatch, write: dict[str, dict[str, Any]], reason: str
) -> None:
    scene, threads = Scene(), list[int]()

    def judged(*arguments: Any) -> list[FieldError]:
        if writes_branches(arguments[0]):
            threads.append(threading.get_ident())
        return branch_errors(*arguments)

    monkeypatch.setattr("worker.watcher.declarations.branch_errors", judged)
    config = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "config"}}
    metadata = {"name": "config", "namespace": "shop", "uid": "uid-config", "generation": 1}
    scene.declare(GitRepository, {"metadata": metadata, "spec": config})
    for name, at_ in (("prod", OLDER), ("mine", YOUNGER)):
        made = declared(name)
        made["metadata"] |= {"name": name, "uid": f"uid-{name}", "creationTimestamp": at_}
        made["spec"]["write"] = {
            way: {"repositoryRef": {"name": "config"}, **declares} for way, declares in write.items()
        }
        for index, one in enumerate(made["spec"]["deployments"]):
            one["argocd"]["application"] = f"{name}-{index}"
        await scene.change(Environment, made)
    assert scene.valid(Environment, "prod")["reason"] != reason
    found = scene.valid(Environment, "mine")
    assert (found["status"], found["reason"]) == ("False", reason)
    assert "Environment shop/prod" in found["message"]
    assert threading.get_ident() not in threads
    assert threads
