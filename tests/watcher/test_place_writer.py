"""Many repositories write one Environment's status: together, without conflicts, and each for itself."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from activities.models.status import (
    DeploymentStatus,
    LaneStatus,
    PlaceStatus,
    PublishPlaceInput,
    PublishStatusResult,
)
from activities.resources import KubernetesResources
from crds.api.kubernetes import KubernetesApi
from crds.api.places import PLACE_MANAGER, PlaceWriter
from crds.api.ports import ApiConflict, ApiInvalid, ApiUnavailable, Document
from tests.watcher.samples import ENVIRONMENTS, Quiet

REPOSITORIES = tuple(f"shop-{number}" for number in range(16))
WRITES = 6
"""Of each repository, one after the other, as a place that publishes what changed."""
CONFLICTS_PER_WRITE = 0.1


class Counted(KubernetesApi):
    """A real API server whose calls are counted, and before which something refuses some repositories."""

    counts: Counter[str]
    refused: frozenset[str] = frozenset()
    arrived: asyncio.Event
    proceed: asyncio.Event
    unavailable: int = 0

    async def patch(self, *args: Any, **kwargs: Any) -> Document:
        self.counts["patches"] += 1
        self.arrived.set()
        await self.proceed.wait()
        if self.unavailable:
            self.unavailable -= 1
            raise ApiUnavailable("HTTP 503", status=503)
        entries = [one["value"] for one in args[3] if one["path"].startswith("/status/repositories/")]
        if any(one["repository"] in self.refused for one in entries):
            raise ApiInvalid("status.repositories[0].lane: Invalid value", status=422)
        try:
            return await super().patch(*args, **kwargs)
        except ApiConflict:
            self.counts["conflicts"] += 1
            raise


@pytest.fixture
async def counted(api: KubernetesApi, namespace: str) -> Counted:
    deployments = [
        {
            "name": name,
            "repositoryRef": {"name": name},
            "argocd": {"instanceRef": {"name": "argocd"}, "project": "shop", "application": name},
        }
        for name in REPOSITORIES
    ]
    await api.create(ENVIRONMENTS, namespace, {"metadata": {"name": "dev"}, "spec": {"deployments": deployments}})
    api.__class__ = Counted
    assert isinstance(api, Counted)
    api.counts, api.arrived, api.proceed = Counter(), asyncio.Event(), asyncio.Event()
    api.proceed.set()
    return api


def place(namespace: str, repository: str, sequence: int) -> PublishPlaceInput:
    deployment = DeploymentStatus(name=repository, artifact=None, health="Healthy")
    lane = LaneStatus(holder=f"{repository}-{sequence}")
    status = PlaceStatus(repository=repository, sequence=sequence, deployments=(deployment,), lane=lane)
    return PublishPlaceInput(namespace=namespace, environment="dev", status=status)


async def written(api: KubernetesApi, namespace: str) -> dict[str, int]:
    status = (await api.get(ENVIRONMENTS, namespace, "dev"))["status"]
    assert all(one["lane"]["holder"] == f"{one['repository']}-{one['sequence']}" for one in status["repositories"])
    return {one["repository"]: one["sequence"] for one in status["repositories"]}


async def publish_in_turn(resources: KubernetesResources, namespace: str, repository: str) -> None:
    for sequence in range(1, WRITES + 1):
        answer = await resources.publish_place(place(namespace, repository, sequence))
        assert answer == PublishStatusResult(written=True)


async def test_sixteen_repositories_that_publish_at_once_never_conflict_in_one_watcher(
    counted: Counted, namespace: str
) -> None:
    resources = KubernetesResources(kubernetes=counted, observer=Quiet())
    await asyncio.gather(*(publish_in_turn(resources, namespace, name) for name in REPOSITORIES))
    assert await written(counted, namespace) == dict.fromkeys(REPOSITORIES, WRITES)
    # One that came first alone, and then all that waited meanwhile.
    assert counted.counts["conflicts"] == 0
    assert counted.counts["patches"] <= 2 * WRITES + 1


async def test_two_watchers_conflict_rarely_and_lose_nothing(counted: Counted, namespace: str) -> None:
    one, other = (KubernetesResources(kubernetes=counted, observer=Quiet()) for _ in range(2))
    await asyncio.gather(
        *(publish_in_turn(one, namespace, name) for name in REPOSITORIES[:8]),
        *(publish_in_turn(other, namespace, name) for name in REPOSITORIES[8:]),
    )
    assert await written(counted, namespace) == dict.fromkeys(REPOSITORIES, WRITES)
    assert counted.counts["conflicts"] <= CONFLICTS_PER_WRITE * WRITES * len(REPOSITORIES), counted.counts


async def test_a_refused_entry_keeps_no_other_one_out_and_is_the_only_one_that_is_reduced(
    counted: Counted, namespace: str
) -> None:
    resources = KubernetesResources(kubernetes=counted, observer=Quiet())
    counted.refused = frozenset({"shop-3", "shop-11"})
    writer = PlaceWriter(counted)
    outcomes = await asyncio.gather(
        *(writer.publish(namespace, "dev", {"repository": name, "sequence": 2}) for name in REPOSITORIES),
        return_exceptions=True,
    )
    refused = {name for name, one in zip(REPOSITORIES, outcomes, strict=True) if isinstance(one, ApiInvalid)}
    assert refused == counted.refused
    entries = (await counted.get(ENVIRONMENTS, namespace, "dev"))["status"]["repositories"]
    assert {one["repository"] for one in entries} == {*REPOSITORIES} - refused
    counted.refused = frozenset()
    assert (await resources.publish_place(place(namespace, "shop-3", 3))).written


async def test_entries_of_one_repository_keep_their_order_in_the_line(counted: Counted, namespace: str) -> None:
    writer = PlaceWriter(counted)
    sequences = (3, 9, 9, 7, 12)
    answers = await asyncio.gather(
        *(writer.publish(namespace, "dev", {"repository": "shop-0", "sequence": one}) for one in sequences)
    )
    reasons = [(one.written, one.reason) for one in answers]
    assert reasons == [(True, ""), (True, ""), (True, "AlreadyWritten"), (False, "OlderSequence"), (True, "")]
    assert answers[3].sequence == 9


async def test_one_that_is_cancelled_while_it_writes_for_others_leaves_them_to_the_next(
    counted: Counted, namespace: str
) -> None:
    writer = PlaceWriter(counted)
    counted.proceed.clear()
    first, *others = [
        asyncio.create_task(writer.publish(namespace, "dev", {"repository": name, "sequence": 1}))
        for name in REPOSITORIES[:4]
    ]
    await counted.arrived.wait()
    first.cancel()
    counted.proceed.set()
    assert all(one.written for one in await asyncio.gather(*others))
    with pytest.raises(asyncio.CancelledError):
        await first
    entries = (await counted.get(ENVIRONMENTS, namespace, "dev"))["status"]["repositories"]
    assert {one["repository"] for one in entries} >= {*REPOSITORIES[1:4]}


async def test_an_api_server_that_is_away_is_asked_once_for_all_that_wait(counted: Counted, namespace: str) -> None:
    writer = PlaceWriter(counted)
    counted.proceed.clear()
    tasks = [
        asyncio.create_task(writer.publish(namespace, "dev", {"repository": name, "sequence": 1}))
        for name in REPOSITORIES
    ]
    await counted.arrived.wait()
    counted.unavailable = 2
    counted.proceed.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, ApiUnavailable) for one in outcomes)
    assert counted.counts["patches"] == 2


async def test_entries_belong_to_one_field_manager_and_other_conditions_stay_with_theirs(
    counted: Counted, namespace: str
) -> None:
    condition = {"type": "Valid", "status": "True", "reason": "Valid", "lastTransitionTime": "2026-03-01T12:00:00Z"}
    await counted.apply(
        ENVIRONMENTS,
        namespace,
        "dev",
        {"status": {"conditions": [{**condition, "message": ""}]}},
        field_manager="pilotage-watcher",
        subresource="status",
    )
    resources = KubernetesResources(kubernetes=counted, observer=Quiet())
    for sequence, name in enumerate(REPOSITORIES[:3], start=1):
        await resources.publish_place(place(namespace, name, sequence))
    found = await counted.get(ENVIRONMENTS, namespace, "dev")
    assert {one["type"] for one in found["status"]["conditions"]} >= {"Valid", "Writable", "Ready"}
    owners = {
        one["manager"]: one["fieldsV1"]["f:status"]
        for one in found["metadata"]["managedFields"]
        if one.get("subresource") == "status"
    }
    assert set(owners) == {"pilotage-watcher", PLACE_MANAGER}
    assert "f:repositories" not in owners["pilotage-watcher"]
    assert 'k:{"type":"Valid"}' not in owners[PLACE_MANAGER]["f:conditions"]
