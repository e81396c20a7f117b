"""A run is handed over once its history is long, the server suggests it, or a newer worker version asks."""

from dataclasses import dataclass

import pytest
from temporalio import workflow
from temporalio.workflow import ContinueAsNewVersioningBehavior

from workflows.runtime import lifetime

LIMIT = 500


@dataclass(frozen=True)
class Info:
    length: int = 1
    suggested: bool = False
    newer: bool = False

    def get_current_history_length(self) -> int:
        return self.length

    def is_continue_as_new_suggested(self) -> bool:
        return self.suggested

    def is_target_worker_deployment_version_changed(self) -> bool:
        return self.newer


class HandedOver(Exception):
    pass


@pytest.mark.parametrize(
    ("info", "long", "due"),
    [
        (Info(), False, False),
        (Info(length=LIMIT - 1), False, False),
        (Info(length=LIMIT), True, True),
        (Info(suggested=True), True, True),
        (Info(newer=True), False, True),
    ],
)
def test_when_a_run_is_due(info: Info, long: bool, due: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "info", lambda: info)
    assert lifetime.long_enough(LIMIT) is long
    assert lifetime.due(LIMIT) is due


@pytest.mark.parametrize(
    ("info", "behavior"),
    [
        (Info(length=LIMIT), None),
        (Info(newer=True), ContinueAsNewVersioningBehavior.AUTO_UPGRADE),
        (Info(length=LIMIT, newer=True), ContinueAsNewVersioningBehavior.AUTO_UPGRADE),
    ],
)
def test_the_next_run_begins_on_the_newer_version_if_one_asks(
    info: Info, behavior: ContinueAsNewVersioningBehavior | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, object]] = []

    def continue_as_new(start: object, *, initial_versioning_behavior: object) -> None:
        asked.append((start, initial_versioning_behavior))
        raise HandedOver

    monkeypatch.setattr(workflow, "info", lambda: info)
    monkeypatch.setattr(workflow, "continue_as_new", continue_as_new)
    with pytest.raises(HandedOver):
        lifetime.hand_over("state")
    assert asked == [("state", behavior)]
