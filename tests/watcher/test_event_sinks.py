"""A changed or deleted EventSink is looked at at once, and shows what became of what it was sent."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.event_sinks.publishing import EventSinkStatuses
from activities.models.event_sinks import PublishEventSinkInput, SinkRef
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import Document, resource_of
from crds.api.reflector import Key, ObjectChange
from crds.resource import Resource
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.test_runner import TestRunner
from tests.watcher.fakes import NOW, FakeEventSinks
from tests.watcher.samples import conditions
from worker.watcher.declarations import read_declaration
from worker.watcher.event_sinks import EventSinkController

SINKS = resource_of(EventSink.definition)
KEY = Key("shop", "chat")
SPEC: dict[str, Any] = {"type": "Webhook", "url": "https://hooks.example.com"}


def sink(uid: str = "uid-1", **spec: Any) -> Resource:
    document = {"metadata": {"name": "chat", "namespace": "shop", "uid": uid}, "spec": {**SPEC, **spec}}
    return read_declaration(EventSink)(document)


async def poked(*changes: ObjectChange[Resource], kind: type[Resource] = EventSink, synced: bool = True) -> list[str]:
    workflows = FakeEventSinks()
    controller = EventSinkController(workflows=workflows, has_synced=lambda: synced)
    for change in changes:
        controller.follow(kind, change)
        await controller.handle(change.key)
    return [one.uid for one in workflows.poked]


async def test_a_sink_that_changes_goes_or_is_made_again_is_looked_at() -> None:
    before, after = sink(), sink(url="https://other.example.com")
    assert await poked(ObjectChange(key=KEY, old=before, new=after)) == ["uid-1"]
    assert await poked(ObjectChange(key=KEY, old=before, new=None)) == ["uid-1"]
    assert await poked(ObjectChange(key=KEY, old=before, new=sink("uid-2"))) == ["uid-1", "uid-2"]


async def test_what_did_not_change_is_left_alone() -> None:
    assert await poked(ObjectChange(key=KEY, old=sink(), new=sink())) == []
    assert await poked(ObjectChange(key=KEY, old=None, new=sink()), synced=False) == []
    assert await poked(ObjectChange(key=KEY, old=sink(), new=None), kind=TestRunner) == []


async def test_the_sink_shows_its_last_success_and_its_last_error_whatever_came_after(
    api: KubernetesApi, namespace: str
) -> None:
    created = await api.create(SINKS, namespace, {"metadata": {"name": "chat"}, "spec": SPEC})
    ref = SinkRef(namespace=namespace, name="chat", uid=created["metadata"]["uid"])
    good = PublishEventSinkInput(
        namespace=namespace, sink=ref, delivered=True, reason="Delivered", at=NOW, last_success=NOW
    )
    later = NOW + timedelta(hours=1)
    bad = PublishEventSinkInput(
        namespace=namespace, sink=ref, delivered=False, reason="Unavailable", message="503", at=later, waiting=3
    )

    async def publish(request: PublishEventSinkInput) -> Document:
        await ActivityEnvironment().run(EventSinkStatuses(api).publish_event_sink, request)
        return dict((await api.get(SINKS, namespace, "chat"))["status"])

    first = await publish(good)
    assert (first["lastSuccess"], first["waiting"], first.get("lastError")) == ("2026-03-01T12:00:00Z", 0, None)
    # A run that knows of no success yet takes nothing away.
    failed = await publish(bad)
    assert (failed["lastSuccess"], failed["waiting"]) == ("2026-03-01T12:00:00Z", 3)
    assert failed["lastError"] == {"time": "2026-03-01T13:00:00Z", "message": "503"}
    shown = conditions(await api.get(SINKS, namespace, "chat"))
    assert (shown["Ready"]["status"], shown["Ready"]["reason"], shown["Stalled"]["status"]) == (
        "False",
        "Unavailable",
        "False",
    )
    again = await publish(replace(good, at=later, last_success=later))
    assert (again["lastSuccess"], again["lastError"]["message"]) == ("2026-03-01T13:00:00Z", "503")
    other = replace(good, sink=replace(ref, uid="another"), waiting=9)
    assert (await publish(other))["waiting"] == 0
