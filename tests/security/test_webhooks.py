"""What comes to the receiver: to have others' webhooks forgotten, or sent after all of one's own."""

import asyncio
import base64
import io
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import generate_latest

from crds.api.reflector import Key
from providers.webhooks.events import ApplicationNotice, Notice, PullRequestNotice, RepositoryName, RunNotice
from tests.providers.webhook_samples import proof, pull_requests
from tests.receiver.world import (
    GITHUB,
    RUN_URL,
    SECRET,
    WEBHOOK,
    World,
    build,
    environment,
    provider_at,
    pull_request,
    repository,
    repository_at,
    shop,
    tracker,
)
from tests.watcher.fakes import until
from worker.logs import configure_logs
from worker.receiver import pokes as module
from worker.receiver.hooks import Hook
from worker.receiver.index import Place, Target
from worker.receiver.pokes import PENDING_LIMIT, Pokes
from worker.receiver.secrets import SECRET_KEY

MERGE = PullRequestNotice(repository=RepositoryName(full_name="acme/web"), number=412)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with shop().serving() as served:
        yield served


def place(namespace: str, number: int = 0) -> Place:
    return Place(namespace=namespace, environment=f"e{number}", repository="web")


@pytest.mark.parametrize("delivery", ["d-8", "d-9"])
async def test_to_have_deliveries_to_come_taken_for_repetitions_of_a_captured_one(world: World, delivery: str) -> None:
    """The id stands next to what is signed, and some hosts count it up."""
    captured = pull_request(413)
    for number in range(20):
        assert (await world.github("pull_request", captured, delivery=f"d-{number}"))[0] == 202
    assert (await world.github("pull_request", pull_request(), delivery=delivery))[1] == "1 workflow will look"
    assert "before" in (await world.github("pull_request", captured, delivery=delivery))[1]


async def test_to_leave_no_room_for_the_looks_of_others() -> None:
    pokes = Pokes(_never, gap=timedelta(hours=1))
    taken = sum(pokes.add(place("attacker", number)) for number in range(PENDING_LIMIT))
    assert PENDING_LIMIT // 2 < taken < PENDING_LIMIT
    assert pokes.add(place("shop"))
    await pokes.close()


async def test_to_have_the_looks_of_others_sent_after_all_of_ones_own() -> None:
    sent: list[str] = []
    goes_on = asyncio.Semaphore(0)

    async def slowly(target: Target) -> bool:
        await goes_on.acquire()
        sent.append(target.namespace)
        return True

    pokes = Pokes(slowly, gap=timedelta(hours=1))
    for number in range(500):
        pokes.add(place("attacker", number))
    await asyncio.sleep(0)
    pokes.add(place("shop"))
    for _ in range(2 * module.AT_ONCE):
        goes_on.release()
    await until(lambda: len(sent) == 2 * module.AT_ONCE, seconds=10)
    assert "shop" in sent
    await pokes.close()


async def test_to_have_a_delivery_of_a_shared_provider_reach_no_one_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery concerns the trackers of all namespaces that name the provider; one of them is full of its own."""
    monkeypatch.setattr(world.pokes._kept, "limit", 6)
    monkeypatch.setattr(world.pokes, "_gap_seconds", 3600)
    shared = {"kind": "ClusterScmProvider", "name": "github"}
    spec = {"github": GITHUB, "secretRef": {"name": "github-token"}}
    world.apply({"kind": "ClusterScmProvider", "metadata": {"name": "github", "generation": 1}, "spec": spec})
    for namespace in ("a-attacker", "shop"):
        world.apply(repository("web", namespace=namespace, provider=shared))
        world.apply(tracker(412, namespace=namespace))
    while world.pokes.add(place("a-attacker", len(world.pokes._at_work))):
        pass
    world.cluster.put_secret("github-token", {SECRET_KEY: SECRET}, namespace="pilotage")
    code, _ = await world.github("pull_request", pull_request(), path="/hooks/-/ClusterScmProvider/github")
    assert code == 429
    await until(lambda: any(one.namespace == "shop" for one in world.poked), seconds=10)


@pytest.mark.parametrize("secret", [SECRET, "the-secret-of-another-place"])
async def test_to_read_secrets_of_webhooks_from_logs_metrics_and_answers(secret: str) -> None:
    """Also one that does not fit: somebody sent it to the wrong address."""
    configure_logs(style="json", level="debug")
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(log := io.StringIO())
    canaries = {secret, base64.b64encode(f"anybody:{secret}".encode()).decode()}
    reasons: list[str] = []
    async with shop().serving() as world:
        for host, sample in pull_requests(ended=True).items():
            world.apply(provider_at(host))
            world.apply(repository_at(host))
            proving = proof(sample.sender, sample.raw, secret)
            code, reason = await world.post(WEBHOOK, sample.raw, {**sample.headers, **proving})
            assert code == (202 if secret == SECRET else 401), host
            reasons.append(reason)
            canaries |= {value.rpartition("=")[2] or value for value in proving.values() if len(value) > 8}
        reasons.append((await world.jenkins(build(), secret=secret))[1])
        read = [log.getvalue(), generate_latest(world.registry).decode(), *reasons]
    assert ("webhook_event" if secret == SECRET else "not proved") in log.getvalue()
    assert [one for one in canaries if any(one in text for text in read)] == []


class Unscanned(dict[Key, Any]):
    """Objects that are found by their keys alone."""

    def __iter__(self) -> Iterator[Key]:
        raise AssertionError("a delivery looks at all that is declared")

    items = values = keys = __iter__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("kind", "name", "notice"),
    [
        ("ScmProvider", "github", MERGE),
        ("GitRepository", "web", MERGE),
        ("ArgoCDInstance", "argocd", ApplicationNotice(name="web-dev")),
        ("TestRunner", "jenkins", RunNotice(url=RUN_URL)),
    ],
)
def test_to_hold_the_event_loop_of_the_receiver_with_much_that_is_declared(
    kind: str, name: str, notice: Notice
) -> None:
    world = shop()
    for mirror in world.mirrors._all:
        mirror._objects = Unscanned(mirror._objects)
    world.index._early.clear()
    hook = Hook(namespace="shop", kind=kind, name=name)
    assert bool(world.index.waiting(hook, (notice,))) is (kind != "TestRunner")


def test_to_have_one_delivery_poke_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.receiver.index.TARGETS_OF_NAMESPACE", 3)
    world = shop()
    for number in range(10):
        world.apply(environment(f"e{number}", None))
    hook = Hook(namespace="shop", kind="ArgoCDInstance", name="argocd")
    found = world.index.targets(hook, [ApplicationNotice(name="web-7")])
    assert len(set(found)) == len(found) == 3


async def _never(_target: Target) -> bool:
    await asyncio.Event().wait()
    return False
