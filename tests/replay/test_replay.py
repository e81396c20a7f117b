"""The code of today decides in each recorded history as the code that recorded it did."""

import re
from functools import cache

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.worker import Replayer

from tests.architecture.command_order import command_order, read_source
from tests.histories.corpus import DIRECTORY, MACHINE, SUFFIX, Run, kind_of, read_story, recorded_stories, texts
from tests.histories.record import END_TO_END, OURS, stories
from worker.serving.registry import WORKFLOWS
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.sandbox import workflow_runner

BYTES_ALLOWED = 3_000_000
REMEDY = """
This history was recorded by code that may carry promotions right now; today's code would get stuck in them. What to do:
  - nothing that was released has ever run the old code: record again with `make record-histories` (under two minutes),
    and accept the new order with `make accept-command-order`;
  - released: keep the old behaviour for runs that began with it, behind `workflow.patched("<name>")`, until this
    history replays unchanged.
docs/operate/compatibility.md has the whole story."""
STORIES = recorded_stories()


@cache
def runs() -> tuple[Run, ...]:
    """Read the corpus once; who changes a run reads it again."""
    return tuple(run for story in STORIES for run in read_story(story))


@pytest.fixture(scope="module")
def replayer() -> Replayer:
    return Replayer(workflows=WORKFLOWS, workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER)


@pytest.fixture(scope="module")
def events() -> list[HistoryEvent]:
    """All recorded events."""
    return [event for run in runs() for event in run.history.events]


@pytest.mark.parametrize("story", STORIES)
async def test_the_histories_of_a_story_replay(story: str, replayer: Replayer) -> None:
    for run in read_story(story):
        result = await replayer.replay_workflow(run.history, raise_on_replay_failure=False)
        assert result.replay_failure is None, f"{run.name}: {result.replay_failure}\n{REMEDY}"


def test_every_story_of_a_test_is_recorded() -> None:
    missing = {END_TO_END, *stories()} - set(STORIES)
    assert not missing, f"run `make record-histories` (under two minutes): {', '.join(sorted(missing))}"


def test_recordings_name_no_machine_path_identity_or_credential() -> None:
    found = {
        f"{run.name}: {match.group()}"
        for run in runs()
        for text in texts(run.history)
        for match in MACHINE.finditer(text)
    }
    assert found == set()


def test_the_machine_pattern_knows_what_it_must_find() -> None:
    for text in ("4711@builder-3.example.com", "/home/ada/pilotage/x.py", "Bearer abcdefgh1234", "ghp_abcdefghijkl"):
        assert MACHINE.search(text), text
    assert MACHINE.search("web-412@sha256 1f2e3d promotion/local/shop") is None


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in DIRECTORY.rglob(f"*{SUFFIX}")) < BYTES_ALLOWED


def test_every_workflow_activity_and_handler_occurs_in_the_corpus(events: list[HistoryEvent]) -> None:
    order = command_order(read_source())
    called = {item for functions in order.values() for items in functions.values() for item in items}
    wanted = {item.rpartition(".")[2] for item in called if item.startswith("activity ")}
    scheduled = {event.activity_task_scheduled_event_attributes.activity_type.name for event in events}
    assert wanted - scheduled == set()
    assert {kind_of(run.history) for run in runs()} == OURS
    handlers = {item for functions in order.values() for item in functions["handlers"]}
    assert {item for item in handlers if re.match("update ", item)} <= {f"update {name}" for name in _updates(events)}
    assert {"place", "member", "poke", "deleted"} <= _signals(events)


def test_continued_runs_and_what_they_carry_are_in_the_corpus() -> None:
    carried = {
        run.kind
        for run in runs()
        if run.history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    }
    assert {"PromotionWorkflow", "EnvironmentWorkflow"} <= carried


async def test_a_changed_order_fails_the_replay(replayer: Replayer) -> None:
    story = next(run for run in read_story(END_TO_END) if run.kind == "PromotionWorkflow")
    first = next(
        event for event in story.history.events if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )
    first.activity_task_scheduled_event_attributes.activity_type.name = "another_activity"
    result = await replayer.replay_workflow(story.history, raise_on_replay_failure=False)
    assert "another_activity" in str(result.replay_failure)


def _updates(events: list[HistoryEvent]) -> set[str]:
    return {event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name for event in events}


def _signals(events: list[HistoryEvent]) -> set[str]:
    return {event.workflow_execution_signaled_event_attributes.signal_name for event in events}
