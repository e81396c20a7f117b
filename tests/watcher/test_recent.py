"""Whose write was the last one writes again without a read; every other answer comes from a fresh one."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from activities.models.status import LaneStatus, PlaceStatus, PublishPlaceInput, PublishStatusInput
from activities.resources import KubernetesResources
from crds.api import recent
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiConflict, ApiResource, ApiUnavailable, Document
from crds.api.publishing import WantedCondition, publish_conditions
from crds.api.recent import RecentWrites
from crds.api.reflector import Reflector
from crds.conditions import ConditionType
from crds.reasons.conditions import ConditionReason
from crds.reasons.vocabulary import State
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from tests.watcher.fakes import until
from tests.watcher.samples import ENVIRONMENTS, Quiet, conditions, full_status, ref_of, tracker
from worker.watcher.trackers import TRACKERS

STEPS = 7
"""Statuses of one hop, about."""


class Counted(KubernetesApi):
    """A real API server whose calls are counted; the next writes may lose their answers."""

    counts: Counter[str]
    lost: int = 0

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        self.counts["reads"] += 1
        return await super().get(resource, namespace, name)

    async def apply(self, *args: Any, **kwargs: Any) -> Document:
        return await self._written(super().apply(*args, **kwargs))

    async def patch(self, *args: Any, **kwargs: Any) -> Document:
        return await self._written(super().patch(*args, **kwargs))

    async def _written(self, writing: Any) -> Document:
        self.counts["writes"] += 1
        try:
            answer: Document = await writing
        except ApiConflict:
            self.counts["conflicts"] += 1
            raise
        if self.lost:
            self.lost -= 1
            raise ApiUnavailable("no answer in time")
        return answer


@pytest.fixture
def counted(api: KubernetesApi) -> Counted:
    api.__class__ = Counted
    assert isinstance(api, Counted)
    api.counts = Counter()
    return api


def publishing(counted: Counted) -> tuple[RecentWrites, KubernetesResources]:
    writes = RecentWrites(counted)
    return writes, KubernetesResources(kubernetes=writes, observer=Quiet())


def step(created: Document, sequence: int, *, attempt: int = 1, state: State = State.TESTING) -> PublishStatusInput:
    status = replace(full_status(sequence, state=state), attempt=attempt)
    return PublishStatusInput(tracker=replace(ref_of(created), attempt=attempt), status=status)


def place(namespace: str, sequence: int) -> PublishPlaceInput:
    status = PlaceStatus(repository="web", sequence=sequence, deployments=(), lane=LaneStatus(holder=f"web-{sequence}"))
    return PublishPlaceInput(namespace=namespace, environment="dev", status=status)


async def test_a_hop_of_seven_statuses_reads_its_tracker_once(counted: Counted, namespace: str) -> None:
    created = await counted.create(TRACKERS, namespace, tracker())
    _, resources = publishing(counted)
    for sequence in range(1, STEPS + 1):
        assert (await resources.publish_status(step(created, sequence))).written
    assert counted.counts == {"reads": 1, "writes": STEPS}


async def test_a_change_of_metadata_is_the_basis_of_the_next_status(counted: Counted, namespace: str) -> None:
    created = await counted.create(TRACKERS, namespace, tracker())
    writes, resources = publishing(counted)
    await writes.merge(TRACKERS, namespace, "web-412", {"metadata": {"finalizers": ["pilotage.dev/promotion"]}})
    assert (await resources.publish_status(step(created, 1))).written
    assert counted.counts == {"writes": 1}


async def test_a_place_that_publishes_again_reads_nothing(counted: Counted, namespace: str) -> None:
    deployment = {
        "name": "web",
        "repositoryRef": {"name": "web"},
        "argocd": {"instanceRef": {"name": "argocd"}, "project": "shop", "application": "web"},
    }
    await counted.create(ENVIRONMENTS, namespace, {"metadata": {"name": "dev"}, "spec": {"deployments": [deployment]}})
    _, resources = publishing(counted)
    for sequence in range(1, 6):
        assert (await resources.publish_place(place(namespace, sequence))).written
    assert counted.counts == {"reads": 1, "writes": 5}
    older = await resources.publish_place(place(namespace, 3))
    assert (older.written, older.reason, older.sequence) == (False, "OlderSequence", 5)
    assert counted.counts["reads"] == 2


async def test_what_is_not_written_is_judged_by_a_fresh_read(counted: Counted, namespace: str) -> None:
    created = await counted.create(TRACKERS, namespace, tracker())
    _, resources = publishing(counted)
    assert (await resources.publish_status(step(created, 1))).written
    # Restarted by a person: what our last write answered does not know the second attempt.
    await counted.merge(TRACKERS, namespace, "web-412", {"spec": {"attempt": 2}})
    assert (await resources.publish_status(step(created, 2, attempt=2))).written
    assert (await resources.publish_status(step(created, 3))).reason == "OtherAttempt"
    await counted.delete(TRACKERS, namespace, "web-412")
    again = await counted.create(TRACKERS, namespace, tracker())
    assert (await resources.publish_status(step(created, 4, attempt=2))).reason == "Recreated"
    assert (await resources.publish_status(step(again, 1))).written


async def test_the_change_of_another_is_never_written_over(counted: Counted, namespace: str) -> None:
    created = await counted.create(TRACKERS, namespace, tracker())
    writes, resources = publishing(counted)
    assert (await resources.publish_status(step(created, 1))).written
    accepted = WantedCondition(
        type=ConditionType.ACCEPTED, status=True, reason=ConditionReason.ACCEPTED, message="first"
    )
    wanted = {"namespace": namespace, "name": "web-412", "uid": created["metadata"]["uid"]}
    # Another process, whose write ours does not know.
    assert await publish_conditions(counted, PullRequestTracker.definition, wanted=(accepted,), **wanted)
    assert (await resources.publish_status(step(created, 2))).written
    assert counted.counts["conflicts"] == 1
    found = await counted.get(TRACKERS, namespace, "web-412")
    assert conditions(found)["Accepted"]["message"] == "first"
    assert found["status"]["sequence"] == 2
    assert writes.take(TRACKERS, namespace, "web-412") == found


async def test_what_a_watch_shows_of_another_writer_is_the_basis_of_the_next_write(
    counted: Counted, namespace: str
) -> None:
    created = await counted.create(TRACKERS, namespace, tracker())
    writes, resources = publishing(counted)
    versions: set[str] = set()

    def project(document: Document) -> str:
        versions.add(document["metadata"]["resourceVersion"])
        return str(document["metadata"]["resourceVersion"])

    mirror = Reflector(
        kubernetes=writes, resource=TRACKERS, namespace=namespace, project=project, on_change=lambda change: None
    )
    following = asyncio.create_task(mirror.run())
    await until(lambda: mirror.has_synced)
    try:
        for sequence in range(1, 9, 2):
            assert (await resources.publish_status(step(created, sequence))).written
            other = KubernetesResources(kubernetes=counted, observer=Quiet())
            assert (await other.publish_status(step(created, sequence + 1))).written
            version = (await counted.get(TRACKERS, namespace, "web-412"))["metadata"]["resourceVersion"]
            await until(lambda version=version: version in versions)  # type: ignore[misc]
        assert counted.counts["conflicts"] == 0
        # Of ours the first one; of the other, and of this test, one each time.
        assert counted.counts["reads"] == 1 + 2 * 4
        await counted.delete(TRACKERS, namespace, "web-412")
        await until(lambda: not mirror.objects)
        assert writes.take(TRACKERS, namespace, "web-412") is None
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def test_the_first_status_of_what_a_watch_shows_as_added_needs_no_read(counted: Counted, namespace: str) -> None:
    there = await counted.create(TRACKERS, namespace, tracker(1))
    writes, resources = publishing(counted)
    mirror = Reflector(
        kubernetes=writes,
        resource=TRACKERS,
        namespace=namespace,
        project=lambda document: str(document["metadata"]["name"]),
        on_change=lambda change: None,
    )
    following = asyncio.create_task(mirror.run())
    await until(lambda: mirror.has_synced)
    try:
        added = await counted.create(TRACKERS, namespace, tracker(2))
        await until(lambda: len(mirror.objects) == 2)
        assert (await resources.publish_status(step(added, 1))).written
        assert counted.counts == {"writes": 1}
        # What a list shows may be all there is, of which few are written.
        assert (await resources.publish_status(step(there, 1))).written
        assert counted.counts == {"reads": 1, "writes": 2}
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def test_after_a_write_without_an_answer_the_object_is_read(counted: Counted, namespace: str) -> None:
    created = await counted.create(TRACKERS, namespace, tracker())
    writes, resources = publishing(counted)
    assert (await resources.publish_status(step(created, 1))).written
    counted.lost = 1
    with pytest.raises(Exception, match="no answer in time"):
        await resources.publish_status(step(created, 2))
    assert writes.take(TRACKERS, namespace, "web-412") is None
    assert (await resources.publish_status(step(created, 2))).reason == "AlreadyWritten"


async def test_two_writers_of_one_process_do_not_take_the_same_basis(counted: Counted, namespace: str) -> None:
    created = await counted.create(TRACKERS, namespace, tracker())
    writes, resources = publishing(counted)
    assert (await resources.publish_status(step(created, 1))).written
    assert writes.take(TRACKERS, namespace, "web-412") is not None
    assert writes.take(TRACKERS, namespace, "web-412") is None


async def test_what_is_kept_is_bounded_in_number_and_bytes(
    counted: Counted, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = RecentWrites(counted, kept=2)
    resources = KubernetesResources(kubernetes=writes, observer=Quiet())
    created = [await counted.create(TRACKERS, namespace, tracker(number)) for number in (1, 2, 3)]
    for one in created:
        assert (await resources.publish_status(step(one, 1))).written
    assert writes.take(TRACKERS, namespace, "web-1") is None
    assert writes.take(TRACKERS, namespace, "web-2") is not None
    monkeypatch.setattr(recent, "KEPT_BYTES", 1000)
    assert (await resources.publish_status(step(created[2], 2))).written
    assert writes.take(TRACKERS, namespace, "web-3") is None
