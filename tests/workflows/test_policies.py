"""Which activity has an end whatever answers, and who may await one that has none."""

import ast
import inspect
from pathlib import Path

from activities.models.tracking import Timings
from workflows import policies
from workflows.identity import Queues

ROOT = Path(__file__).parents[2]
IN_THE_BACKGROUND = {
    "workflows/environment/observer.py",
    "workflows/environment/publishing.py",
    "workflows/credential_check/workflow.py",
    "workflows/commit_status/workflow.py",
    "workflows/subscription_fault/workflow.py",
    "workflows/drift/workflow.py",
    "workflows/event_sink/workflow.py",
    "workflows/promotion/steps/publishing.py",
    "workflows/environment/reports.py",
}
"""Awaited in the background, or by a workflow that takes no commands."""
LAST_SIGNAL = ("workflows/promotion/membership.py", "send_last_view")
"""Of a promotion that has ended."""


def unbounded() -> set[str]:
    """Return the policies under which an activity may last whatever happens."""
    made = {
        name: make(Queues(installation="i"), Timings(), summary="what for")
        for name, make in inspect.getmembers(policies, inspect.isfunction)
        if make.__module__ == policies.__name__ and not name.startswith("_")
    }
    return {name for name, config in made.items() if not config.get("schedule_to_close_timeout")}


def uses() -> set[tuple[str, str]]:
    """Return the files of workflows with the policies that each names."""
    return {
        (path.relative_to(ROOT).as_posix(), node.attr)
        for path in (ROOT / "workflows").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "policies"
    }


def test_every_activity_that_a_step_awaits_has_an_end() -> None:
    found = {(path, name) for path, name in uses() if name in unbounded()}
    assert {one for one in found if one[0] not in IN_THE_BACKGROUND} == {LAST_SIGNAL}
    assert {path for path, _ in found - {LAST_SIGNAL}} == IN_THE_BACKGROUND
