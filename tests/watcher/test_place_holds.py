"""Environment holds: each has an id and an end, and only its holder releases it."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from crds.api.ports import ApiResource, ApiUnavailable, Document
from crds.api.reflector import Key
from crds.fields import format_time
from crds.v1alpha1.environment_status import MAX_HOLDS
from tests.watcher.fakes import NOW, FakeKubernetes, FakePromotions, running_status, tracker_document
from worker.temporal.outcomes import WorkflowsUnavailable
from worker.watcher.commands import COMMANDS, CommandExecutor
from worker.watcher.entries import CommandEntry, read_command
from worker.watcher.place_holds import ENVIRONMENTS
from worker.watcher.trackers import TRACKERS

LANE = {
    "holder": "web-412",
    "members": [{"tracker": "web-412", "phase": "Holder"}, {"tracker": "web-413", "phase": "Ready"}],
}
Give = Callable[..., Any]


class Scene:
    """A watcher, and an environment whose lane web-412 has while web-413 waits."""

    def __init__(self) -> None:
        self.kubernetes, self.promotions = FakeKubernetes(), FakePromotions()
        self.entries: dict[Key, CommandEntry] = {}
        self.now = NOW
        self.watcher = CommandExecutor(
            kubernetes=self.kubernetes, promotions=self.promotions, find=self.entries.get, clock=lambda: self.now
        )
        status = {"repositories": [{"repository": "web", "lane": LANE}]}
        metadata = {"namespace": "shop", "name": "prod", "uid": "e-1"}
        self.kubernetes.put(ENVIRONMENTS, {"metadata": metadata, "spec": {}, "status": status})
        self.kubernetes.put(TRACKERS, tracker_document(status=running_status()))

    async def give(self, name: str, verb: str, *, by: str = "alice", **spec: str) -> Document:
        """Carry out a command and return its answer."""
        self.declare(name, verb, by=by, **spec)
        return await self.again(name)

    def declare(self, name: str, verb: str, *, by: str = "alice", **spec: str) -> Key:
        """Give a command that no watcher has seen yet."""
        asked = {"verb": verb, "environment": "prod", "requestedBy": by, **spec}
        metadata = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "generation": 1}
        document = self.kubernetes.put(COMMANDS, {"metadata": metadata, "spec": asked})
        key = Key("shop", name)
        self.entries[key] = read_command(document)
        return key

    async def again(self, name: str) -> Document:
        """Try a command until it is answered, and return its answer."""
        while await self.watcher.execute(Key("shop", name)) is not None:
            pass
        status: Document = self.kubernetes.objects[COMMANDS.plural, "shop", name]["status"]
        return status

    @property
    def holds(self) -> list[Document]:
        """The holds in the status of the environment."""
        status = self.kubernetes.objects[ENVIRONMENTS.plural, "shop", "prod"]["status"]
        return list(status.get("holds", ()))


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_a_hold_is_answered_with_its_id_its_end_who_had_written_and_who_was_stopped(scene: Scene) -> None:
    answer = await scene.give("hold-prod-1", "hold", duration="2h", reason="migration")

    until = format_time(NOW + timedelta(hours=2))
    assert answer["accepted"] is True
    assert answer["message"] == (
        f"hold-prod-1: nothing is written to prod until {until}; had written, or was writing: web-412; stopped: web-413"
    )
    [hold] = scene.holds
    assert (hold["id"], hold["by"], hold["until"], hold["reason"]) == ("hold-prod-1", "alice", until, "migration")
    entry = scene.kubernetes.objects[ENVIRONMENTS.plural, "shop", "prod"]["status"]["repositories"][0]
    assert entry["lane"] == LANE


async def test_only_the_holder_releases_a_hold_and_no_other_one(scene: Scene) -> None:
    await scene.give("hold-1", "hold")
    await scene.give("hold-2", "hold", by="bob")

    refused = await scene.give("release-1", "release", hold="hold-2")
    assert (refused["accepted"], "hold hold-2 is bob's" in refused["message"]) == (False, True)
    assert [hold["id"] for hold in scene.holds] == ["hold-1", "hold-2"]

    released = await scene.give("release-2", "release", hold="hold-1")
    assert (released["accepted"], "still held by bob" in released["message"]) == (True, True)
    assert [hold["id"] for hold in scene.holds] == ["hold-2"]


async def test_what_a_newer_release_wrote_of_a_hold_stays_when_another_one_comes_or_goes(scene: Scene) -> None:
    await scene.give("hold-1", "hold")
    scene.holds[0]["scope"] = "writes of databases"

    await scene.give("hold-2", "hold", by="bob")
    await scene.give("release-2", "release", by="bob", hold="hold-2")

    assert [(hold["id"], hold["scope"]) for hold in scene.holds] == [("hold-1", "writes of databases")]


async def test_a_release_wakes_who_has_the_lane(scene: Scene) -> None:
    await scene.give("hold-1", "hold")
    assert scene.promotions.poked == []

    await scene.give("release-1", "release", hold="hold-1")

    assert [one.name for one in scene.promotions.poked] == ["web-412"]


async def test_a_hold_that_is_over_is_none_and_gives_its_place_away(scene: Scene) -> None:
    await scene.give("hold-1", "hold", duration="1h")
    scene.now = NOW + timedelta(hours=1)

    await scene.give("hold-2", "hold")

    assert [hold["id"] for hold in scene.holds] == ["hold-2"]
    assert (await scene.give("release-1", "release", hold="hold-1"))["accepted"] is False


async def test_what_cannot_be_held_is_refused_by_name(scene: Scene) -> None:
    too_long = await scene.give("hold-1", "hold", duration="721h")
    elsewhere = await scene.give("hold-2", "hold", environment="nowhere")
    assert [one["accepted"] for one in (too_long, elsewhere)] == [False, False]
    assert ("30 days" in too_long["message"], "nowhere" in elsewhere["message"]) == (True, True)
    for number in range(MAX_HOLDS):
        await scene.give(f"many-{number}", "hold")
    assert (await scene.give("one-more", "hold"))["accepted"] is False
    assert len(scene.holds) == MAX_HOLDS


async def test_an_environment_without_a_status_is_held_too(scene: Scene) -> None:
    metadata = {"namespace": "shop", "name": "prod", "uid": "e-1"}
    scene.kubernetes.put(ENVIRONMENTS, {"metadata": metadata, "spec": {}})

    answer = await scene.give("hold-1", "hold")

    assert "had written, or was writing: none; stopped: none" in answer["message"]
    assert [hold["id"] for hold in scene.holds] == ["hold-1"]


async def test_a_hold_whose_answer_was_lost_is_not_made_twice(scene: Scene) -> None:
    await scene.give("hold-1", "hold")
    until = scene.holds[0]["until"]
    scene.now = NOW + timedelta(minutes=5)

    again = await scene.give("hold-1", "hold")

    assert (again["accepted"], [hold["until"] for hold in scene.holds]) == (True, [until])


async def test_a_command_with_the_name_of_another_persons_hold_gets_none(scene: Scene) -> None:
    await scene.give("hold-prod-1", "hold", duration="2h")
    answer = await scene.give("hold-prod-1", "hold", by="mallory", duration="24h")
    assert answer["accepted"] is False
    assert "alice" in answer["message"]
    assert [hold["by"] for hold in scene.holds] == ["alice"]


async def test_a_release_whose_wake_was_lost_is_accepted_and_wakes_at_its_next_try(scene: Scene) -> None:
    await scene.give("hold-1", "hold")
    scene.promotions.away = True
    with pytest.raises(WorkflowsUnavailable):
        await scene.give("release-1", "release", hold="hold-1")
    assert scene.holds == []
    scene.promotions.away = False

    answer = await scene.again("release-1")

    assert (answer["accepted"], answer["message"]) == (True, "prod has no hold hold-1 any more")
    assert [one.name for one in scene.promotions.poked] == ["web-412"]


async def test_a_release_of_what_is_no_hold_is_refused_at_its_first_try(scene: Scene) -> None:
    answer = await scene.give("release-1", "release", hold="hold-1")
    assert (answer["accepted"], answer["message"]) == (False, "prod has no hold hold-1; it has: none")
    assert scene.promotions.poked == []


class Losing(FakeKubernetes):
    """Takes no answer of a command."""

    def __init__(self, kubernetes: FakeKubernetes) -> None:
        super().__init__()
        self.__dict__ |= kubernetes.__dict__

    async def apply(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        document: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
    ) -> Document:
        if "accepted" in document.get("status", {}):
            raise ApiUnavailable("no answer", status=503)
        return await super().apply(
            resource, namespace, name, document, field_manager=field_manager, force=force, subresource=subresource
        )


async def test_a_release_of_what_is_no_hold_is_refused_also_where_its_first_answer_was_lost(scene: Scene) -> None:
    key = scene.declare("release-1", "release", hold="hold-1")
    losing = CommandExecutor(
        kubernetes=Losing(scene.kubernetes),
        promotions=scene.promotions,
        find=scene.entries.get,
        clock=lambda: scene.now,
    )
    with pytest.raises(ApiUnavailable):
        await losing.execute(key)
    scene.now = NOW + timedelta(seconds=61)

    answer = await scene.again("release-1")

    assert (answer["accepted"], answer["message"]) == (False, "prod has no hold hold-1; it has: none")
    assert scene.promotions.poked == []


async def test_a_release_whose_answer_was_lost_after_it_ended_the_hold_is_accepted(scene: Scene) -> None:
    await scene.give("hold-1", "hold")
    key = scene.declare("release-1", "release", hold="hold-1")
    losing = CommandExecutor(
        kubernetes=Losing(scene.kubernetes),
        promotions=scene.promotions,
        find=scene.entries.get,
        clock=lambda: scene.now,
    )
    with pytest.raises(ApiUnavailable):
        await losing.execute(key)
    scene.now = NOW + timedelta(seconds=61)

    assert (await scene.again("release-1"))["accepted"] is True
    assert scene.holds == []


class HeldUp(FakeKubernetes):
    """Keeps a watcher waiting when it reads an Environment."""

    def __init__(self, kubernetes: FakeKubernetes) -> None:
        super().__init__()
        self.__dict__ |= kubernetes.__dict__
        self.reached, self.gate = asyncio.Event(), asyncio.Event()

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        if resource == ENVIRONMENTS:
            self.reached.set()
            await self.gate.wait()
        return await super().get(resource, namespace, name)


async def test_a_watcher_that_was_held_up_after_its_claim_makes_no_hold_that_was_released_since(scene: Scene) -> None:
    slow = HeldUp(scene.kubernetes)
    held_up = CommandExecutor(
        kubernetes=slow, promotions=scene.promotions, find=scene.entries.get, clock=lambda: scene.now
    )
    key = scene.declare("hold-1", "hold")
    late = asyncio.create_task(held_up.execute(key))
    await slow.reached.wait()
    scene.now = NOW + timedelta(seconds=61)
    assert (await scene.again("hold-1"))["accepted"] is True
    assert (await scene.give("release-1", "release", hold="hold-1"))["accepted"] is True

    slow.gate.set()

    assert await late is not None
    assert await held_up.execute(key) is None
    assert scene.holds == []


async def test_a_watcher_whose_claim_was_taken_over_writes_no_hold(scene: Scene) -> None:
    slow = HeldUp(scene.kubernetes)
    held_up = CommandExecutor(
        kubernetes=slow, promotions=scene.promotions, find=scene.entries.get, clock=lambda: scene.now
    )
    late = asyncio.create_task(held_up.execute(scene.declare("hold-1", "hold")))
    await slow.reached.wait()
    scene.kubernetes.objects[COMMANDS.plural, "shop", "hold-1"]["status"]["claimedBy"] = "another"
    slow.gate.set()
    assert await late is not None
    assert scene.holds == []
