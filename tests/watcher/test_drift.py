"""Instances whose applications are watched are looked at, and monitors go with their tracker."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.models.drift import GoneTracker, InstanceRef
from crds.api.ports import ApiConflict, ApiError, ApiForbidden, ApiNotFound, ApiResource, Page, resource_of
from crds.api.reflector import Key, ObjectChange
from crds.resource import Resource
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.drift_monitor import DriftMonitor, MonitorLabel
from tests.watcher.fakes import (
    FakeDriftLooks,
    FakeKubernetes,
    FakePromotions,
    fake_drift_statuses,
    no_drift,
    tracker_document,
)
from worker.temporal.outcomes import WorkflowsUnavailable
from worker.watcher.drift import DriftController
from worker.watcher.entries import FINALIZER, MonitorEntry, TrackerEntry, read_monitor, read_tracker
from worker.watcher.trackers import DELETION_LIMIT, TRACKERS, TrackerController

MONITORS = resource_of(DriftMonitor.definition)
ARGOCD = Key("shop", "argocd")
INSTANCE = InstanceRef(namespace="shop", name="argocd", uid="uid-argocd")


def document(name: str, *, tracker_uid: str = "uid-1", instance: str = "argocd", **status: Any) -> dict[str, Any]:
    spec = {
        "trackerRef": {"name": "web-412"},
        "environment": "staging",
        "deployment": "web",
        "application": "web-staging",
        "project": "shop",
        "instanceRef": {"name": instance},
        "repositoryRef": {"name": "web"},
        "revision": "a" * 40,
        "promotedAt": "2026-01-01T12:00:00Z",
    }
    labels = {MonitorLabel.TRACKER.value: tracker_uid}
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": 1, "labels": labels}
    return {"metadata": metadata, "spec": spec, "status": status}


@dataclass
class Scene:
    """One controller over one namespace."""

    kubernetes: FakeKubernetes = field(default_factory=FakeKubernetes)
    looks: FakeDriftLooks = field(default_factory=FakeDriftLooks)
    declared: dict[Key, Resource] = field(default_factory=dict)
    controller: DriftController = field(init=False)

    def __post_init__(self) -> None:
        spec = {"server": "https://cd.example", "secretRef": {"name": "token"}}
        metadata = {"name": "argocd", "namespace": "shop", "uid": INSTANCE.uid}
        self.declared[ARGOCD] = ArgoCDInstance.from_wire({"metadata": metadata, "spec": spec})
        self.controller = DriftController(
            looks=self.looks,
            statuses=fake_drift_statuses(self.kubernetes),
            declared=lambda _kind: self.declared,
            has_synced=lambda: True,
        )

    def see(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        """Follow a change of a monitor."""
        name = (new or old or {})["metadata"]["name"]
        entries: list[MonitorEntry | None] = [None if one is None else read_monitor(one) for one in (old, new)]
        if new is not None:
            self.kubernetes.put(MONITORS, new)
        self.controller.follow(ObjectChange(key=Key("shop", name), old=entries[0], new=entries[1]))


async def test_a_new_monitor_has_its_instance_looked_at_and_a_resync_only_looks_after_the_workflow() -> None:
    scene = Scene()
    scene.see(None, document("one"))
    await scene.controller.handle(ARGOCD)
    await scene.controller.handle(ARGOCD)
    assert scene.looks.sent == [("poke", INSTANCE), ("ensure", INSTANCE)]


async def test_an_instance_without_monitors_is_left_alone() -> None:
    scene = Scene()
    first = document("one")
    scene.see(None, first)
    scene.see(first, None)
    await scene.controller.handle(ARGOCD)
    assert scene.looks.sent == []


async def test_monitors_of_an_instance_that_does_not_exist_show_it_and_others_are_looked_at() -> None:
    scene = Scene()
    scene.see(None, document("lost", instance="gone"))
    scene.see(None, document("found"))
    await scene.controller.handle(Key("shop", "gone"))
    await scene.controller.handle(ARGOCD)
    lost, found = (scene.kubernetes.objects[MONITORS.plural, "shop", name]["status"] for name in ("lost", "found"))
    assert (lost["kind"], "ArgoCDInstance `gone` does not exist" in lost["observed"]) == ("Unknown", True)
    assert found == {}
    assert scene.looks.sent == [("poke", INSTANCE)]


def test_monitors_are_counted_by_what_they_show() -> None:
    scene = Scene()
    before, after = document("one"), document("one", kind="OutOfSync")
    scene.see(None, before)
    scene.see(before, after)
    assert (scene.controller.count("OutOfSync"), scene.controller.count("Unhealthy")) == (1, 0)
    scene.see(after, None)
    assert scene.controller.count("OutOfSync") == 0


@pytest.mark.parametrize(("kind", "cleared"), [("OutOfSync", ["clear web 412"]), (None, [])])
async def test_a_tracker_takes_its_own_monitors_with_it(kind: str | None, cleared: list[str]) -> None:
    scene = Scene()
    kubernetes = scene.kubernetes
    deleting = tracker_document(uid="uid-1", deleting=datetime(2026, 1, 1, tzinfo=UTC))
    kubernetes.put(TRACKERS, deleting)
    kubernetes.put(MONITORS, document("own", **({"kind": kind} if kind else {})))
    kubernetes.put(MONITORS, document("taken-over", tracker_uid="uid-2", kind="OutOfSync"))
    entry = read_tracker(deleting)
    controller = TrackerController(
        kubernetes=kubernetes,
        promotions=FakePromotions(),
        find=lambda _key: entry,
        clear_drift=scene.controller.clear,
    )
    await controller.reconcile(Key("shop", "web-412"))
    left = [name for (plural, _, name) in kubernetes.objects if plural == MONITORS.plural]
    assert left == ["taken-over"]
    # What its pull request shows of them goes as well.
    assert scene.looks.sent == [(what, INSTANCE) for what in cleared]


async def test_a_drifted_tracker_goes_after_ten_minutes_though_temporal_is_away_and_is_cleared_once_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene, key, began = Scene(), Key("shop", "web-412"), datetime(2026, 1, 1, tzinfo=UTC)
    kubernetes, promotions, clear = scene.kubernetes, FakePromotions(), scene.looks.clear
    times = [began, began + DELETION_LIMIT]

    async def away(_instance: InstanceRef, _tracker: GoneTracker) -> None:
        raise WorkflowsUnavailable("Temporal is away")

    monkeypatch.setattr(scene.looks, "clear", away)
    promotions.away = True
    kubernetes.put(TRACKERS, tracker_document(uid="uid-1", deleting=began))
    kubernetes.put(MONITORS, document("own", kind="OutOfSync"))

    def find(_key: Key) -> TrackerEntry | None:
        found = kubernetes.objects.get((TRACKERS.plural, "shop", "web-412"))
        return read_tracker(found) if found is not None and found["metadata"]["finalizers"] else None

    controller = TrackerController(
        kubernetes=kubernetes,
        promotions=promotions,
        find=find,
        clear_drift=scene.controller.clear,
        clock=lambda: times[0],
    )
    for _ in range(2):
        assert find(key) is not None
        with pytest.raises(WorkflowsUnavailable):
            await controller.reconcile(key)
        times.reverse()
    assert find(key) is None
    assert [plural for (plural, _, _) in kubernetes.objects if plural == MONITORS.plural] == []
    monkeypatch.setattr(scene.looks, "clear", clear)
    for _ in range(2):
        await controller.reconcile(key)
    assert scene.looks.sent == [("clear web 412", INSTANCE)]


async def test_a_drifted_monitor_that_goes_has_the_pull_request_show_what_is_left() -> None:
    scene = Scene()
    drifted, kept = document("one", kind="Unhealthy"), document("two")
    for one in (drifted, kept):
        scene.see(None, one)
    await scene.controller.handle(ARGOCD)
    scene.see(drifted, None)
    await scene.controller.handle(ARGOCD)
    assert [what for what, _ in scene.looks.sent] == ["poke", "present web-412", "ensure"]
    scene.see(kept, None)
    await scene.controller.handle(ARGOCD)
    assert len(scene.looks.sent) == 3


async def test_the_last_monitor_of_an_instance_is_presented_once_after_an_answer_that_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    drifted = document("one", kind="Unhealthy")
    scene.see(None, drifted)
    await scene.controller.handle(ARGOCD)
    scene.see(drifted, None)
    present = scene.looks.present

    async def away(_instance: InstanceRef, _tracker: str) -> None:
        raise WorkflowsUnavailable("Temporal is away")

    monkeypatch.setattr(scene.looks, "present", away)
    with pytest.raises(WorkflowsUnavailable):
        await scene.controller.handle(ARGOCD)
    monkeypatch.setattr(scene.looks, "present", present)
    for _ in range(2):
        await scene.controller.handle(ARGOCD)
    assert scene.looks.sent == [("poke", INSTANCE), ("present web-412", INSTANCE)]


async def test_a_drifted_monitor_that_goes_after_its_instance_has_the_pull_request_show_what_is_left() -> None:
    scene = Scene()
    drifted, kept = document("one", kind="Unhealthy"), document("two")
    for one in (drifted, kept):
        scene.see(None, one)
    del scene.declared[ARGOCD]
    scene.see(drifted, None)
    await scene.controller.handle(ARGOCD)
    # What is left of its tracker's shows that the instance is missing before that is presented.
    assert scene.kubernetes.objects[MONITORS.plural, "shop", "two"]["status"]["kind"] == "Unknown"
    assert scene.looks.sent == [("present web-412", replace(INSTANCE, uid=""))]
    scene.see(kept, None)
    await scene.controller.handle(ARGOCD)
    assert len(scene.looks.sent) == 1


async def test_a_drifted_tracker_that_goes_after_its_instance_is_cleared() -> None:
    scene = Scene()
    del scene.declared[ARGOCD]
    kubernetes = scene.kubernetes
    kubernetes.put(MONITORS, document("own", kind="Unknown"))
    await deleting(kubernetes, clear_drift=scene.controller.clear).reconcile(Key("shop", "web-412"))
    assert scene.looks.sent == [("clear web 412", replace(INSTANCE, uid=""))]
    assert [plural for (plural, _, _) in kubernetes.objects if plural == MONITORS.plural] == []


@pytest.mark.parametrize(
    ("before", "after", "presented"),
    [
        ("Unhealthy", "Unknown", True),
        ("Unknown", "Unknown", False),
        (None, "Unknown", False),
        ("Unhealthy", "OutOfSync", False),
        ("Unhealthy", None, False),
    ],
)
async def test_drift_that_is_not_known_any_more_is_shown_so_and_what_a_look_finds_is_left_to_who_looked(
    before: str | None, after: str | None, presented: bool
) -> None:
    scene = Scene()
    old, new = (document("one", **({"kind": kind} if kind else {})) for kind in (before, after))
    scene.see(None, old)
    await scene.controller.handle(ARGOCD)
    scene.see(old, new)
    await scene.controller.handle(ARGOCD)
    assert (("present web-412", INSTANCE) in scene.looks.sent) is presented


@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_attempt_that_follows_another_one_begins_with_what_the_monitors_report(attempt: int) -> None:
    scene, promotions = Scene(), FakePromotions()
    entry = read_tracker(scene.kubernetes.put(TRACKERS, tracker_document(uid="uid-1", attempt=attempt)))
    scene.kubernetes.put(MONITORS, document("own", kind="Unhealthy", observed="Degraded"))
    scene.kubernetes.put(MONITORS, document("other", tracker_uid="uid-2", kind="OutOfSync"))
    controller = TrackerController(
        kubernetes=scene.kubernetes, promotions=promotions, find=lambda _key: entry, clear_drift=no_drift
    )
    await controller.reconcile(Key("shop", "web-412"))
    known = promotions.drift[entry.current]
    if attempt == 1:
        # Nothing of it is watched yet, and most trackers have one attempt.
        assert known is None
        return
    assert known is not None
    assert (known.drifted, len(known.lines), "Unhealthy" in known.lines[0]) == (True, 1, True)


class Writing(FakeKubernetes):
    """Changes a monitor right after it was listed, a few times."""

    def __init__(self, *labels: str) -> None:
        super().__init__()
        self.labels = list(labels)

    async def delete(self, resource: ApiResource, namespace: str | None, name: str, **seen: Any) -> None:
        if self.labels:
            self.put(MONITORS, document(name, tracker_uid=self.labels.pop(0)))
        await super().delete(resource, namespace, name, **seen)


class Refusing(FakeKubernetes):
    """Lets no one delete some objects."""

    async def delete(self, resource: ApiResource, namespace: str | None, name: str, **seen: Any) -> None:
        if name in self.refused:
            raise ApiForbidden(f"admission webhook denied the request: {name}", status=403)
        await super().delete(resource, namespace, name, **seen)


async def test_a_monitor_that_may_not_be_deleted_holds_no_other_one_and_its_tracker_ten_minutes_at_most() -> None:
    kubernetes, began = Refusing(), datetime(2026, 1, 1, tzinfo=UTC)
    times = [began]
    controller = deleting(kubernetes, clock=lambda: times[-1])
    for name in ("a-kept", "z-own"):
        kubernetes.put(MONITORS, document(name))
    kubernetes.refused = {"a-kept"}
    with pytest.raises(ApiForbidden):
        await controller.reconcile(Key("shop", "web-412"))
    assert [name for (plural, _, name) in kubernetes.objects if plural == MONITORS.plural] == ["a-kept"]
    assert kubernetes.objects[TRACKERS.plural, "shop", "web-412"]["metadata"]["finalizers"] == [FINALIZER]
    times.append(began + DELETION_LIMIT)
    await controller.reconcile(Key("shop", "web-412"))
    assert kubernetes.objects[TRACKERS.plural, "shop", "web-412"]["metadata"]["finalizers"] == []


def deleting(
    kubernetes: FakeKubernetes,
    *,
    clear_drift: Callable[[Key, GoneTracker], Awaitable[None]] = no_drift,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> TrackerController:
    """Return the controller of a tracker that is being deleted, with a monitor of its own."""
    tracker = tracker_document(uid="uid-1", deleting=datetime(2026, 1, 1, tzinfo=UTC))
    kubernetes.put(TRACKERS, tracker)
    if (MONITORS.plural, "shop", "own") not in kubernetes.objects:
        kubernetes.put(MONITORS, document("own"))
    entry = read_tracker(tracker)
    return TrackerController(
        kubernetes=kubernetes,
        promotions=FakePromotions(),
        find=lambda _key: entry,
        clear_drift=clear_drift,
        clock=clock,
    )


@pytest.mark.parametrize(
    ("labels", "left"), [(("uid-1", "uid-1"), []), (("uid-1", "uid-2"), ["own"])], ids=["written", "taken over"]
)
async def test_a_monitor_that_changes_while_its_tracker_goes_is_deleted_unless_it_was_taken_over(
    labels: tuple[str, ...], left: list[str]
) -> None:
    kubernetes = Writing(*labels)
    controller = deleting(kubernetes)
    await controller.reconcile(Key("shop", "web-412"))
    assert [name for (plural, _, name) in kubernetes.objects if plural == MONITORS.plural] == left
    assert kubernetes.objects[TRACKERS.plural, "shop", "web-412"]["metadata"]["finalizers"] == []


async def test_a_tracker_stays_as_long_as_its_monitor_keeps_changing() -> None:
    kubernetes = Writing(*["uid-1"] * 20)
    controller = deleting(kubernetes)
    with pytest.raises(ApiConflict):
        await controller.reconcile(Key("shop", "web-412"))
    assert kubernetes.objects[TRACKERS.plural, "shop", "web-412"]["metadata"]["finalizers"] == [FINALIZER]


class Unserved(FakeKubernetes):
    """Answers nothing about monitors, as without their definition, or without a role that grants them."""

    def __init__(self, error: ApiError) -> None:
        super().__init__()
        self.error = error

    async def list_all(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        if resource == MONITORS:
            raise self.error
        return await super().list_all(resource, namespace, label_selector=label_selector, field_selector=field_selector)


@pytest.mark.parametrize(
    "error",
    [ApiForbidden("driftmonitors is forbidden", status=403), ApiNotFound("404 page not found", status=404)],
    ids=["forbidden", "not defined"],
)
async def test_a_tracker_goes_after_ten_minutes_though_no_monitor_may_be_deleted(error: ApiError) -> None:
    kubernetes, now = Unserved(error), datetime(2026, 1, 1, tzinfo=UTC)
    controller = deleting(kubernetes, clock=lambda: now)
    with pytest.raises(type(error)):
        await controller.reconcile(Key("shop", "web-412"))
    now += timedelta(minutes=10)
    await controller.reconcile(Key("shop", "web-412"))
    assert kubernetes.objects[TRACKERS.plural, "shop", "web-412"]["metadata"]["finalizers"] == []
