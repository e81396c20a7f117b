"""How commands reach workflows, and that none is executed twice."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from activities.models.promotion import Command, CommandAnswer
from activities.models.tracking import TrackerRef
from crds.api.ports import ApiConflict, ApiResource, Document
from crds.api.reflector import Key
from tests.watcher.fakes import (
    NOW,
    FakeKubernetes,
    FakePromotions,
    command_document,
    running_status,
    tracker_document,
)
from worker.temporal.outcomes import WorkflowState
from worker.watcher.commands import COMMANDS, CommandExecutor
from worker.watcher.entries import CommandEntry, read_command
from worker.watcher.trackers import TRACKERS

RUNNING = TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=1)


class LosingAnswers(FakeKubernetes):
    """Refuse to write answers, as where somebody labels the command at the same moment."""

    lost = 0

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
        if self.lost and "accepted" in document["status"]:
            self.lost -= 1
            raise ApiConflict("the object has been modified", status=409)
        return await super().apply(
            resource, namespace, name, document, field_manager=field_manager, force=force, subresource=subresource
        )


class Scene:
    """An executor, and a tracker whose workflow runs."""

    def __init__(self) -> None:
        self.kubernetes = LosingAnswers()
        self.promotions = FakePromotions()
        self.promotions.states[RUNNING] = WorkflowState.RUNNING
        self.kubernetes.put(TRACKERS, tracker_document(status=running_status()))
        self.entries: dict[Key, CommandEntry] = {}
        self.looked_for: list[Key] = []
        self.now: datetime = NOW
        self.watcher: CommandExecutor | None = None

    def executor(self) -> CommandExecutor:
        """One watcher; the same one each time, which tries again."""
        if self.watcher is None:
            self.watcher = self.another_watcher()
        return self.watcher

    def another_watcher(self, **options: Any) -> CommandExecutor:
        return CommandExecutor(
            kubernetes=self.kubernetes,
            promotions=self.promotions,
            find=self.entries.get,
            on_absent=self.looked_for.append,
            clock=lambda: self.now,
            **options,
        )

    def give(self, document: Document) -> Key:
        self.kubernetes.put(COMMANDS, document)
        key = Key("shop", document["metadata"]["name"])
        self.entries[key] = read_command(document)
        return key

    async def run(self, document: Document) -> Document:
        key = self.give(document)
        await self.executor().execute(key)
        return self.answer(key)

    def answer(self, key: Key) -> Document:
        """The status without the claim."""
        status: Document = self.kubernetes.objects[COMMANDS.plural, key.namespace, key.name].get("status", {})
        claim = ("claimedBy", "claimedAt", "claims", "attempt")
        return {name: value for name, value in status.items() if name not in claim}

    @property
    def tracker(self) -> Document:
        return self.kubernetes.objects[TRACKERS.plural, "shop", "web-412"]


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_a_retry_asks_the_workflow_of_the_attempt_that_had_the_command_first(scene: Scene) -> None:
    key = scene.give(command_document("hold"))
    scene.kubernetes.lost = 1
    with pytest.raises(ApiConflict):
        await scene.executor().execute(key)
    scene.kubernetes.put(TRACKERS, tracker_document(attempt=2, status=running_status(attempt=2)))
    second = TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=2)
    scene.promotions.states[second] = WorkflowState.RUNNING
    await scene.executor().execute(key)
    assert scene.answer(key)["accepted"] is True
    assert [attempt for attempt, _, _ in scene.promotions.commands] == [RUNNING]


async def test_a_command_of_an_attempt_that_never_took_it_is_not_given_to_the_next(scene: Scene) -> None:
    key = scene.give(command_document("hold"))
    scene.promotions.away = True
    with pytest.raises(ConnectionError):
        await scene.executor().execute(key)
    scene.promotions.away = False
    scene.kubernetes.put(TRACKERS, tracker_document(attempt=2, status=running_status(attempt=2)))
    scene.promotions.states = {
        RUNNING: WorkflowState.COMPLETED,
        TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=2): WorkflowState.RUNNING,
    }
    await scene.executor().execute(key)
    assert scene.answer(key)["accepted"] is False
    assert "attempt 2 has taken over" in scene.answer(key)["message"]
    assert scene.promotions.commands == []


async def test_what_a_workflow_took_is_recorded_although_its_tracker_is_being_deleted_by_then(scene: Scene) -> None:
    key = scene.give(command_document("abort"))
    scene.kubernetes.lost = 1
    with pytest.raises(ApiConflict):
        await scene.executor().execute(key)
    scene.kubernetes.put(TRACKERS, tracker_document(status=running_status(), deleting=NOW))
    await scene.executor().execute(key)
    assert scene.answer(key)["accepted"] is True


async def test_a_command_for_a_tracker_that_is_being_deleted_is_not_sent(scene: Scene) -> None:
    scene.kubernetes.put(TRACKERS, tracker_document(status=running_status(), deleting=NOW))
    status = await scene.run(command_document("promote"))
    assert status["accepted"] is False
    assert scene.promotions.commands == []


@pytest.mark.parametrize("verb", ["retest", "retry", "promote", "hold", "release", "abort"])
async def test_a_command_reaches_the_workflow_under_its_own_uid(scene: Scene, verb: str) -> None:
    status = await scene.run(command_document(verb))
    conditions = {one["type"]: one["status"] for one in status.pop("conditions")}
    assert conditions == {"Ready": "True", "Stalled": "False"}
    status.pop("observedGeneration")
    assert status == {"accepted": True, "message": f"{verb} taken", "executedAt": "2026-03-01T12:00:00Z"}
    ((attempt, found, command),) = scene.promotions.commands
    assert attempt == RUNNING
    assert (found, command.request_id, command.actor) == (verb, "cmd-1", "alice")
    assert (command.target_environment, command.revision, command.reason) == ("staging", "abc", "because")


async def test_a_refresh_has_the_workflow_look_again_and_is_no_update(scene: Scene) -> None:
    assert (await scene.run(command_document("refresh")))["accepted"] is True
    assert (scene.promotions.poked, scene.promotions.commands) == ([RUNNING], [])


async def test_a_refresh_has_the_environments_of_the_promotion_look_again(scene: Scene) -> None:
    status = {**running_status(), "environment": "dev", "hop": {"source": "dev", "target": "staging"}}
    scene.kubernetes.put(TRACKERS, tracker_document(status=status))
    assert (await scene.run(command_document("refresh")))["accepted"] is True
    assert scene.promotions.places == [("shop", "dev", "web"), ("shop", "staging", "web")]


async def test_a_refresh_of_a_promotion_that_is_over_names_restart(scene: Scene) -> None:
    scene.promotions.states = {RUNNING: WorkflowState.COMPLETED}
    answer = await scene.run(command_document("refresh"))
    assert (answer["accepted"], "restart web-412" in answer["message"]) == (False, True)
    assert scene.promotions.places == []


async def test_what_a_person_saw_at_the_target_reaches_the_workflow(scene: Scene) -> None:
    document = command_document("promote")
    document["spec"]["targetRevisions"] = {"web": "bbbbbbbbbbbb", "api": ""}
    await scene.run(document)
    ((_, _, command),) = scene.promotions.commands
    assert command.seen == {"web": "bbbbbbbbbbbb", "api": ""}


async def test_a_refusal_is_answered_with_the_workflow_s_message(scene: Scene) -> None:
    scene.promotions.answers["promote"] = CommandAnswer(accepted=False, message="tests still run")
    status = await scene.run(command_document("promote"))
    assert (status["accepted"], status["message"]) == (False, "tests still run")


async def test_a_command_is_sent_again_while_temporal_is_away_and_then_answered(scene: Scene) -> None:
    key = scene.give(command_document("promote"))
    scene.promotions.away = True
    with pytest.raises(ConnectionError):
        await scene.executor().execute(key)
    assert scene.answer(key) == {}
    scene.promotions.away = False
    await scene.executor().execute(key)
    assert scene.answer(key)["accepted"] is True


async def test_an_answer_that_was_not_written_does_not_execute_the_command_again(scene: Scene) -> None:
    key = scene.give(command_document("promote"))
    scene.kubernetes.lost = 1
    with pytest.raises(ApiConflict):
        await scene.executor().execute(key)
    await scene.executor().execute(key)
    assert scene.answer(key)["accepted"] is True
    assert len(scene.promotions.commands) == 1


async def test_an_answered_command_is_left_alone(scene: Scene) -> None:
    key = scene.give(command_document("promote"))
    await scene.executor().execute(key)
    await scene.executor().execute(key)
    assert len(scene.promotions.commands) == 1


async def test_a_command_for_no_tracker_is_refused(scene: Scene) -> None:
    scene.kubernetes.objects.clear()
    status = await scene.run(command_document("hold"))
    assert status["accepted"] is False
    assert "no PullRequestTracker web-412" in status["message"]


async def test_a_command_meant_for_an_earlier_tracker_of_the_name_is_refused(scene: Scene) -> None:
    status = await scene.run(command_document("promote", created="2026-03-01T10:00:00Z"))
    assert status["accepted"] is False
    assert "earlier one" in status["message"]
    assert scene.promotions.commands == []


async def test_a_command_after_the_end_is_answered_with_how_to_go_on(scene: Scene) -> None:
    scene.kubernetes.put(TRACKERS, tracker_document(status=running_status(state="Completed")))
    scene.promotions.states[RUNNING] = WorkflowState.COMPLETED
    status = await scene.run(command_document("promote"))
    assert status["accepted"] is False
    assert "over (Completed)" in status["message"]
    assert "restart web-412" in status["message"]


async def test_a_command_for_a_lost_workflow_is_refused(scene: Scene) -> None:
    scene.promotions.states.clear()
    status = await scene.run(command_document("promote"))
    assert status["accepted"] is False
    assert "does not run" in status["message"]


async def test_a_command_right_after_its_tracker_waits_for_the_workflow(scene: Scene) -> None:
    scene.kubernetes.put(TRACKERS, tracker_document())
    scene.promotions.states.clear()
    key = scene.give(command_document("hold"))
    assert await scene.executor().execute(key) is not None
    assert scene.answer(key) == {}
    scene.promotions.states[RUNNING] = WorkflowState.RUNNING
    assert await scene.executor().execute(key) is None
    assert scene.answer(key)["accepted"] is True


async def test_a_command_that_lay_while_the_watcher_was_away_waits_for_a_workflow_that_never_started(
    scene: Scene,
) -> None:
    scene.kubernetes.put(TRACKERS, tracker_document())
    scene.promotions.states.clear()
    key = scene.give(command_document("hold"))
    scene.now = NOW + timedelta(hours=1)
    assert await scene.executor().execute(key) is not None
    assert scene.answer(key) == {}
    assert scene.looked_for == [Key("shop", "web-412")]
    scene.promotions.states[RUNNING] = WorkflowState.RUNNING
    assert await scene.executor().execute(key) is None
    assert scene.answer(key)["accepted"] is True


async def test_a_command_is_sent_again_to_a_workflow_that_started_between_two_looks(scene: Scene) -> None:
    class StartingMeanwhile(FakePromotions):
        async def execute(self, attempt: TrackerRef, verb: str, command: Command) -> CommandAnswer | None:
            answer = await super().execute(attempt, verb, command)
            self.states[attempt] = WorkflowState.RUNNING
            return answer

    scene.promotions = StartingMeanwhile()
    scene.now = NOW + timedelta(hours=1)
    key = scene.give(command_document("hold"))
    assert await scene.executor().execute(key) is not None
    assert scene.answer(key) == {}
    assert await scene.executor().execute(key) is None
    assert scene.answer(key)["accepted"] is True


async def test_restart_raises_the_attempt_of_an_ended_tracker(scene: Scene) -> None:
    scene.kubernetes.put(TRACKERS, tracker_document(status=running_status(state="Aborted")))
    status = await scene.run(command_document("restart", environment="dev"))
    assert (status["accepted"], status["message"]) == (True, "attempt 2 begins")
    assert scene.tracker["spec"]["attempt"] == 2


async def test_restart_raises_the_attempt_of_a_lost_workflow(scene: Scene) -> None:
    scene.promotions.states[RUNNING] = WorkflowState.TERMINATED
    status = await scene.run(command_document("restart", environment="dev"))
    assert status["accepted"] is True
    assert scene.tracker["spec"]["attempt"] == 2


async def test_restart_of_a_promotion_that_goes_on_is_refused(scene: Scene) -> None:
    status = await scene.run(command_document("restart", environment="dev"))
    assert status["accepted"] is False
    assert "still goes on (Testing)" in status["message"]
    assert scene.tracker["spec"]["attempt"] == 1


async def test_restart_needs_the_right_on_the_tracker_s_own_environment(scene: Scene) -> None:
    scene.kubernetes.put(TRACKERS, tracker_document(status=running_status(state="Completed")))
    status = await scene.run(command_document("restart", environment="sandbox"))
    assert status["accepted"] is False
    assert scene.tracker["spec"]["attempt"] == 1


async def test_a_restart_whose_answer_was_lost_raises_the_attempt_once(scene: Scene) -> None:
    scene.kubernetes.put(TRACKERS, tracker_document(status=running_status(state="Completed")))
    key = scene.give(command_document("restart", environment="dev"))
    scene.kubernetes.lost = 1
    with pytest.raises(ApiConflict):
        await scene.executor().execute(key)
    # Meanwhile even the second attempt may have ended.
    scene.tracker["status"] = running_status(attempt=2, state="Completed")
    await scene.executor().execute(key)
    assert scene.tracker["spec"]["attempt"] == 2
    assert scene.answer(key)["accepted"] is True
