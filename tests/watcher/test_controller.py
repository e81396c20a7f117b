"""What the controller does about a tracker, decided on fake ports."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from activities.models.tracking import TrackerRef
from crds.api.ports import ApiError, Document
from crds.api.reflector import Key, ObjectChange
from tests.watcher.fakes import (
    EVENTS_REFUSED,
    NOW,
    FakeKubernetes,
    FakePromotions,
    no_drift,
    running_status,
    tracker_document,
)
from worker.temporal.outcomes import WorkflowState
from worker.watcher import trackers
from worker.watcher.entries import FINALIZER, TrackerEntry, read_tracker
from worker.watcher.trackers import ENDING_LOOK, STALL_LOOK, TRACKERS, TrackerController

KEY = Key("shop", "web-412")


class Scene:
    """A controller over a cluster with at most one tracker."""

    def __init__(self) -> None:
        self.kubernetes = FakeKubernetes()
        self.promotions = FakePromotions()
        self.entry: TrackerEntry | None = None
        self.now = NOW
        self.controller = TrackerController(
            kubernetes=self.kubernetes,
            promotions=self.promotions,
            find=lambda key: self.entry if key == KEY else None,
            clear_drift=no_drift,
            clock=lambda: self.now,
        )

    def show(self, document: Document | None) -> None:
        """Let the controller see a new version of the tracker."""
        old = self.entry
        if document is not None:
            self.kubernetes.put(TRACKERS, document)
        else:
            self.kubernetes.objects.clear()
        self.entry = None if document is None else read_tracker(document)
        self.controller.follow(ObjectChange(key=KEY, old=old, new=self.entry))

    def refresh(self) -> None:
        """Let the controller see what the API server holds now."""
        self.show(self.tracker)

    @property
    def tracker(self) -> Document:
        return self.kubernetes.objects[TRACKERS.plural, "shop", "web-412"]

    def condition(self, kind: str) -> dict[str, Any]:
        found = [one for one in self.tracker.get("status", {}).get("conditions", ()) if one["type"] == kind]
        return found[0] if found else {}


@pytest.fixture
async def scene() -> Scene:
    return Scene()


def attempt(number: int = 1, uid: str = "uid-1") -> TrackerRef:
    return TrackerRef(namespace="shop", name="web-412", uid=uid, attempt=number)


async def test_a_new_tracker_gets_its_finalizer_before_its_workflow_and_is_accepted(scene: Scene) -> None:
    scene.show(tracker_document(finalizer=False))
    assert await scene.controller.reconcile(KEY) == STALL_LOOK
    assert scene.kubernetes.writes[0] == ("web-412", "merge")
    assert scene.tracker["metadata"]["finalizers"] == [FINALIZER]
    assert [started for started, _ in scene.promotions.started] == [attempt()]
    assert scene.condition("Accepted")["status"] == "True"
    assert scene.condition("WorkflowAvailable")["reason"] == "Running"


async def test_no_workflow_starts_when_temporal_is_away_but_the_finalizer_is_there(scene: Scene) -> None:
    scene.promotions.away = True
    scene.show(tracker_document(finalizer=False))
    with pytest.raises(ConnectionError):
        await scene.controller.reconcile(KEY)
    assert scene.tracker["metadata"]["finalizers"] == [FINALIZER]
    assert scene.promotions.started == []


async def test_reconciling_again_writes_nothing(scene: Scene) -> None:
    scene.show(tracker_document())
    await scene.controller.reconcile(KEY)
    scene.refresh()
    writes = list(scene.kubernetes.writes)
    await scene.controller.reconcile(KEY)
    assert scene.kubernetes.writes == writes


@pytest.mark.parametrize("state", ["Completed", "Closed", "Aborted"])
async def test_a_tracker_that_ended_is_never_started_again(scene: Scene, state: str) -> None:
    scene.show(tracker_document(finalizer=False, status=running_status(state=state)))
    await scene.controller.reconcile(KEY)
    assert scene.promotions.started == []
    assert scene.kubernetes.writes == []


async def test_a_workflow_that_does_not_go_on_is_shown_with_the_reason_and_looked_at_until_it_does(
    scene: Scene,
) -> None:
    scene.show(tracker_document(status=running_status()))
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.promotions.stalls[attempt()] = "no worker polls the queue east.promotions"
    assert await scene.controller.reconcile(KEY) == STALL_LOOK
    condition = scene.condition("WorkflowAvailable")
    assert (condition["status"], condition["reason"]) == ("False", "WorkflowStalled")
    assert "no worker polls the queue east.promotions" in condition["message"]
    assert scene.condition("Stalled")["status"] == "True"

    scene.refresh()
    writes = list(scene.kubernetes.writes)
    assert await scene.controller.reconcile(KEY) == STALL_LOOK
    assert scene.kubernetes.writes == writes
    scene.promotions.stalls.clear()
    assert await scene.controller.reconcile(KEY) is None
    assert scene.condition("WorkflowAvailable")["reason"] == "Running"


async def test_a_workflow_that_was_started_and_never_published_is_looked_at_as_well(scene: Scene) -> None:
    scene.show(tracker_document())
    assert await scene.controller.reconcile(KEY) == STALL_LOOK
    scene.refresh()
    scene.promotions.stalls[attempt()] = "no worker polls the queue east.promotions"
    await scene.controller.reconcile(KEY)
    assert scene.condition("WorkflowAvailable")["reason"] == "WorkflowStalled"


async def test_an_attempt_is_finished_once_its_workflow_ended_and_that_is_no_missing_workflow(scene: Scene) -> None:
    scene.show(tracker_document())
    await scene.controller.reconcile(KEY)
    scene.show({**scene.tracker, "status": {**scene.tracker["status"], **running_status(state="Completed")}})
    assert await scene.controller.reconcile(KEY) == ENDING_LOOK
    assert scene.condition("WorkflowAvailable")["reason"] == "Running"
    scene.promotions.states[attempt()] = WorkflowState.COMPLETED
    assert await scene.controller.reconcile(KEY) is None
    condition = scene.condition("WorkflowAvailable")
    assert (condition["status"], condition["reason"]) == ("True", "Finished")


async def test_an_ended_attempt_does_not_keep_the_next_one_from_starting(scene: Scene) -> None:
    scene.show(tracker_document(attempt=2, status=running_status(attempt=1, state="Completed")))
    await scene.controller.reconcile(KEY)
    assert [started for started, _ in scene.promotions.started] == [attempt(2)]


async def test_an_ended_attempt_that_still_presents_its_end_gets_a_signal_that_a_newer_one_begins(scene: Scene) -> None:
    scene.promotions.states[attempt(1)] = WorkflowState.RUNNING
    scene.show(tracker_document(attempt=2, status=running_status(attempt=1, state="Completed")))
    await scene.controller.reconcile(KEY)
    assert scene.promotions.deleted == [attempt(1)]


async def test_the_conditions_are_about_the_attempt_at_hand(scene: Scene) -> None:
    scene.show(tracker_document())
    await scene.controller.reconcile(KEY)
    assert scene.condition("Accepted")["message"] == "attempt 1 is accepted"
    raised = tracker_document(attempt=2)
    raised["status"] = {**running_status(), **scene.tracker["status"]}
    scene.show(raised)
    await scene.controller.reconcile(KEY)
    assert scene.condition("Accepted")["message"] == "attempt 2 is accepted"
    assert scene.condition("WorkflowAvailable")["message"] == "attempt 2 is running"
    scene.show({**scene.tracker, "status": {**scene.tracker["status"], **running_status(attempt=2, state="Aborted")}})
    scene.promotions.states[attempt(2)] = WorkflowState.COMPLETED
    await scene.controller.reconcile(KEY)
    assert scene.condition("WorkflowAvailable")["message"] == "attempt 2 ended as Aborted"


async def test_a_raised_attempt_ends_the_workflow_of_the_one_before(scene: Scene) -> None:
    scene.promotions.states[attempt(1)] = WorkflowState.RUNNING
    scene.show(tracker_document(attempt=2, status=running_status(attempt=1)))
    await scene.controller.reconcile(KEY)
    assert scene.promotions.deleted == [attempt(1)]
    assert [started for started, _ in scene.promotions.started] == [attempt(2)]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (WorkflowState.TERMINATED, "Terminated"),
        (WorkflowState.FAILED, "Failed"),
        (WorkflowState.ABSENT, "Lost"),
        (WorkflowState.COMPLETED, "Lost"),
    ],
)
async def test_a_missing_workflow_is_reported_and_not_started_again(
    scene: Scene, state: WorkflowState, reason: str
) -> None:
    if state is not WorkflowState.ABSENT:
        scene.promotions.states[attempt()] = state
    scene.show(tracker_document(status=running_status()))
    await scene.controller.reconcile(KEY)
    assert scene.promotions.started == []
    condition = scene.condition("WorkflowAvailable")
    assert (condition["status"], condition["reason"]) == ("False", reason)
    assert "restart web-412" in condition["message"]


async def test_a_workflow_that_closed_after_its_last_status_is_not_called_lost(scene: Scene) -> None:
    scene.show(tracker_document(status=running_status()))
    scene.kubernetes.put(TRACKERS, tracker_document(status=running_status(state="Completed")))
    scene.promotions.states[attempt()] = WorkflowState.COMPLETED
    await scene.controller.reconcile(KEY)
    assert scene.condition("WorkflowAvailable") == {}


async def test_status_writes_do_not_make_the_controller_ask_temporal_but_a_resync_does(scene: Scene) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.show(tracker_document(status=running_status()))
    await scene.controller.reconcile(KEY)
    scene.refresh()
    reads = scene.promotions.reads
    await scene.controller.reconcile(KEY)
    assert scene.promotions.reads == reads
    scene.controller.follow(ObjectChange(key=KEY, old=scene.entry, new=scene.entry))
    await scene.controller.reconcile(KEY)
    assert scene.promotions.reads == reads + 1


async def test_deletion_signals_the_workflow_once_and_waits_for_it(scene: Scene) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.show(tracker_document(deleting=NOW, status=running_status()))
    assert await scene.controller.reconcile(KEY) is not None
    assert await scene.controller.reconcile(KEY) is not None
    assert scene.promotions.deleted == [attempt()]
    assert scene.tracker["metadata"]["finalizers"] == [FINALIZER]
    scene.promotions.states[attempt()] = WorkflowState.COMPLETED
    assert await scene.controller.reconcile(KEY) is None
    assert scene.tracker["metadata"]["finalizers"] == []
    assert scene.kubernetes.events == {}


async def test_a_tracker_whose_workflow_is_absent_is_let_go_at_once(scene: Scene) -> None:
    scene.show(tracker_document(deleting=NOW))
    assert await scene.controller.reconcile(KEY) is None
    assert scene.tracker["metadata"]["finalizers"] == []


async def test_after_ten_minutes_the_tracker_goes_with_a_warning_that_names_what_may_run(scene: Scene) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.show(tracker_document(deleting=NOW, status=running_status()))
    await scene.controller.reconcile(KEY)
    scene.now = NOW + timedelta(minutes=10)
    assert await scene.controller.reconcile(KEY) is None
    assert scene.tracker["metadata"]["finalizers"] == []
    ((target, reason, message),) = scene.kubernetes.events.values()
    assert (target.uid, reason) == ("uid-1", "DeletionIncomplete")
    assert "web #412" in message


async def test_after_ten_minutes_the_tracker_goes_though_temporal_is_away_and_its_workflow_is_signalled_later(
    scene: Scene,
) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.promotions.away = True
    scene.show(tracker_document(deleting=NOW, status=running_status()))
    with pytest.raises(ConnectionError):
        await scene.controller.reconcile(KEY)
    assert scene.tracker["metadata"]["finalizers"] == [FINALIZER]
    scene.now = NOW + timedelta(minutes=10)
    assert await scene.controller.reconcile(KEY) is None
    assert scene.tracker["metadata"]["finalizers"] == []
    ((_, reason, message),) = scene.kubernetes.events.values()
    assert reason == "DeletionIncomplete"
    assert "Temporal does not answer" in message
    scene.show(None)
    scene.promotions.away = False
    await scene.controller.reconcile(KEY)
    assert scene.promotions.deleted == [attempt()]


async def test_a_signalled_tracker_goes_after_ten_minutes_though_temporal_went_away_meanwhile(scene: Scene) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.show(tracker_document(deleting=NOW, status=running_status()))
    await scene.controller.reconcile(KEY)
    scene.promotions.away = True
    scene.now = NOW + timedelta(minutes=10)
    assert await scene.controller.reconcile(KEY) is None
    assert scene.tracker["metadata"]["finalizers"] == []
    assert len(scene.kubernetes.events) == 1


async def test_a_tracker_of_a_vanished_ones_name_goes_after_ten_minutes_though_neither_can_be_signalled(
    scene: Scene,
) -> None:
    scene.promotions.away = True
    scene.show(tracker_document(status=running_status()))
    scene.show(tracker_document(uid="uid-2", deleting=NOW))
    scene.now = NOW + timedelta(minutes=10)
    with pytest.raises(ConnectionError):
        await scene.controller.reconcile(KEY)
    assert scene.tracker["metadata"]["finalizers"] == []
    scene.promotions.away = False
    await scene.controller.reconcile(KEY)
    assert attempt() in scene.promotions.deleted


@pytest.mark.parametrize("refusal", EVENTS_REFUSED)
async def test_a_namespace_that_takes_no_events_does_not_keep_its_trackers(scene: Scene, refusal: ApiError) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.show(tracker_document(deleting=NOW - timedelta(minutes=10), status=running_status()))
    scene.kubernetes.events_refused = refusal
    assert await scene.controller.reconcile(KEY) is None
    assert scene.tracker["metadata"]["finalizers"] == []


async def test_other_finalizers_stay(scene: Scene) -> None:
    document = tracker_document(deleting=NOW)
    document["metadata"]["finalizers"].append("example.com/other")
    scene.show(document)
    await scene.controller.reconcile(KEY)
    assert scene.tracker["metadata"]["finalizers"] == ["example.com/other"]


async def test_a_tracker_recreated_under_its_name_is_another_one(scene: Scene) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.show(tracker_document(status=running_status()))
    await scene.controller.reconcile(KEY)
    scene.show(tracker_document(uid="uid-2"))
    await scene.controller.reconcile(KEY)
    assert scene.promotions.deleted == [attempt()]
    assert [started for started, _ in scene.promotions.started] == [attempt(uid="uid-2")]


async def test_the_workflow_of_a_tracker_that_vanished_is_signalled_even_when_temporal_was_away(scene: Scene) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.show(tracker_document(status=running_status()))
    await scene.controller.reconcile(KEY)
    scene.show(None)
    scene.promotions.away = True
    with pytest.raises(ConnectionError):
        await scene.controller.reconcile(KEY)
    scene.promotions.away = False
    await scene.controller.reconcile(KEY)
    assert scene.promotions.deleted == [attempt()]


async def test_a_changed_poke_annotation_wakes_the_workflow_once(scene: Scene) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.show(tracker_document(status=running_status()))
    await scene.controller.reconcile(KEY)
    scene.show(tracker_document(status=running_status(), poke="2"))
    await scene.controller.reconcile(KEY)
    await scene.controller.reconcile(KEY)
    assert scene.promotions.poked == [attempt()]


@pytest.mark.parametrize("state", ["Testing", "Completed"])
async def test_a_watcher_of_another_release_leaves_a_condition_whose_text_is_another(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    scene.promotions.states[attempt()] = WorkflowState.RUNNING
    scene.show(tracker_document(status=running_status()))
    await scene.controller.reconcile(KEY)
    scene.tracker["status"]["state"] = state
    if state == "Completed":
        scene.promotions.states[attempt()] = WorkflowState.COMPLETED
    scene.refresh()
    await scene.controller.reconcile(KEY)
    scene.refresh()
    stands, writes = scene.condition("WorkflowAvailable"), len(scene.kubernetes.writes)
    assert stands["status"] == "True"
    for name in ("_running", "_finished"):
        original = getattr(trackers, name)
        monkeypatch.setattr(
            trackers, name, lambda entry, original=original: replace(original(entry), message="all is well")
        )
    scene.controller.look_for(KEY)
    await scene.controller.reconcile(KEY)
    assert (scene.condition("WorkflowAvailable"), len(scene.kubernetes.writes)) == (stands, writes)
