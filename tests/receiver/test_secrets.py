"""Which Secret proves the webhooks of a resource, and that no other one is read for them."""

from collections.abc import Callable

import pytest

from tests.receiver.world import GITHUB, SECRET, World, declared, repository, shop
from worker.receiver.hooks import KINDS, Hook, hook_at
from worker.receiver.secrets import SECRET_KEY, NoSecret, WebhookSecrets

OWN = "own-secret-of-webhooks"
JENKINS = {"url": "https://ci.example.com"}
SHARED = {"kind": "ClusterScmProvider", "name": "shared"}


def secrets(world: World) -> WebhookSecrets:
    return WebhookSecrets(world.cluster, world.mirrors, system_namespace="pilotage")


def at(kind: str, name: str, *, namespace: str = "shop") -> Hook:
    return Hook(namespace="" if kind == "ClusterScmProvider" else namespace, kind=kind, name=name)


def with_shared_provider() -> World:
    world = shop()
    world.cluster.put_secret("shared-token", {"token": "t-1", SECRET_KEY: "shared"}, namespace="pilotage")
    world.cluster.put_secret("own", {SECRET_KEY: OWN}, namespace="pilotage")
    spec = {"github": GITHUB, "secretRef": {"name": "shared-token"}}
    world.apply(declared("ClusterScmProvider", "shared", spec, namespace=""))
    world.apply(repository("api", provider=SHARED))
    return world


@pytest.mark.parametrize(
    ("kind", "name", "spec"),
    [
        ("GitRepository", "web", {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}),
        ("ScmProvider", "github", {"github": GITHUB, "secretRef": {"name": "github-token"}}),
        ("ClusterScmProvider", "shared", {"github": GITHUB, "secretRef": {"name": "shared-token"}}),
        ("TestRunner", "jenkins", {"jenkins": JENKINS, "secretRef": {"name": "jenkins-token"}}),
        ("ArgoCDInstance", "argocd", {"server": "https://argocd", "secretRef": {"name": "argocd-token"}}),
    ],
)
async def test_a_resource_is_proved_by_the_secret_that_it_names_for_its_webhooks(
    kind: str, name: str, spec: dict[str, object]
) -> None:
    world, hook = with_shared_provider(), at(kind, name)
    world.cluster.put_secret("own", {SECRET_KEY: OWN})
    assert await secrets(world).read(hook) in (SECRET, "shared")
    world.cluster.asked.clear()
    changed = {**spec, "webhookSecretRef": {"name": "own"}}
    world.apply(declared(kind, name, changed, namespace=hook.namespace))
    assert await secrets(world).read(hook) == OWN
    # Neither credential nor certificate: the receiver may have no right to read them.
    assert world.cluster.asked == ["own"]


@pytest.mark.parametrize(("hook", "secret"), [
    (at("GitRepository", "api"), "shared"),
    (at("TestRunner", "actions"), SECRET),
])  # fmt: skip
async def test_what_names_no_secret_has_that_of_its_provider(hook: Hook, secret: str) -> None:
    assert await secrets(with_shared_provider()).read(hook) == secret


async def test_a_runner_of_a_repository_has_the_secret_that_this_names_for_its_webhooks() -> None:
    world = shop()
    world.cluster.put_secret("own", {SECRET_KEY: OWN})
    changed = repository("web")
    changed["spec"]["webhookSecretRef"] = {"name": "own"}
    world.apply(changed)
    assert await secrets(world).read(at("TestRunner", "actions")) == OWN


def without_key(world: World) -> None:
    world.cluster.put_secret("github-token", {"token": "t-1"})


def empty(world: World) -> None:
    world.cluster.put_secret("github-token", {SECRET_KEY: " "})


def without_consent(world: World) -> None:
    world.cluster.put_secret("github-token", {SECRET_KEY: SECRET}, consents=False)


def gone(world: World) -> None:
    world.cluster.secrets.clear()


def nowhere(world: World) -> None:
    world.cluster.objects.clear()


@pytest.mark.parametrize("change", [without_key, empty, without_consent, gone, nowhere])
async def test_why_there_is_no_secret_is_answered(change: Callable[[World], None]) -> None:
    world = shop()
    change(world)
    with pytest.raises(NoSecret, match=r"github|web"):
        await secrets(world).read(at("GitRepository", "web"))


async def test_a_runner_without_any_secret_has_none() -> None:
    world = shop()
    world.apply(declared("TestRunner", "bare", {"jenkins": JENKINS}))
    with pytest.raises(NoSecret):
        await secrets(world).read(at("TestRunner", "bare"))


@pytest.mark.parametrize(("kind", "name", "sender"), [
    ("GitRepository", "web", "github"),
    ("ScmProvider", "github", "github"),
    ("ClusterScmProvider", "shared", "github"),
    ("TestRunner", "jenkins", "jenkins"),
    ("TestRunner", "actions", "github"),
    ("ArgoCDInstance", "argocd", "argocd"),
])  # fmt: skip
def test_who_sends_to_an_address_is_what_its_resource_declares(kind: str, name: str, sender: str) -> None:
    world = with_shared_provider()
    assert secrets(world).sender(at(kind, name)) == sender
    assert secrets(world).sender(at(kind, "unknown")) is None


def test_an_address_names_a_resource_of_a_kind_that_has_webhooks() -> None:
    assert [hook_at("shop", kind, "x") is not None for kind in KINDS] == [
        kind != "ClusterScmProvider" for kind in KINDS
    ]
    assert hook_at("-", "ClusterScmProvider", "x") == Hook(namespace="", kind="ClusterScmProvider", name="x")
    assert hook_at("shop", "gitrepository", "x") is hook_at("shop", "Environment", "x") is None
