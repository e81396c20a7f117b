"""The reference against the code: whatever is published is documented, and whatever is documented is published."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.models.configuration import PolicyOutcome
from activities.models.drift import Drift
from activities.models.status import State
from crds.conditions import ConditionReason, ConditionType, TrackerReason
from crds.schema.enum_docs import member_documents
from crds.schema.generate import generated_files
from workflows.promotion.state import Refusal

ROOT = Path(__file__).parents[2]
PUBLISHERS = ("workflows", "activities", "crds", "worker")
REASONED = {"enter": 1, "Ended": 1, "ConditionStatus": None, "Obstacle": None, "WantedCondition": None}
"""Calls that publish a reason, with the reason's place where it may be given without its name."""


def _calls() -> Iterator[ast.Call]:
    for package in PUBLISHERS:
        for path in (ROOT / package).rglob("*.py"):
            yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _constants(node: ast.expr) -> set[str]:
    """Take the strings that an expression may be: itself, or either branch of a condition."""
    if isinstance(node, ast.IfExp):
        return _constants(node.body) | _constants(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def _given(calls: set[str], keyword: str) -> set[str]:
    found: set[str] = set()
    for call in _calls():
        name = _name(call)
        if name not in calls:
            continue
        found |= {text for one in call.keywords if one.arg == keyword for text in _constants(one.value)}
        place = REASONED[name]
        if keyword == "reason" and place is not None and len(call.args) > place:
            found |= _constants(call.args[place])
    return found


def _members_used(enum: str) -> set[str]:
    return {
        node.attr
        for package in PUBLISHERS
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == enum
    }


def _readiness_reasons() -> set[str]:
    """Take what `_reason` returns: the only place where a reason is not given to a call as it is."""
    tree = ast.parse((ROOT / "workflows/promotion/steps/gates.py").read_text())
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "_reason")
    returned = (node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value)
    return {text for value in returned for text in _constants(value)}


CONDITION_REASONS = _given({"ConditionStatus", "Obstacle", "WantedCondition"}, "reason")
TRACKER_REASONS = (
    _given({"enter", "Ended"}, "reason")
    | _readiness_reasons()
    | {str(one) for one in Refusal if one}
    | {str(one) for one in PolicyOutcome if one is not PolicyOutcome.FOUND}
)


def test_the_reasons_are_found_in_the_code() -> None:
    assert {"TestRefused", "Presented", "PresentationFailed", "Resolved"} <= CONDITION_REASONS
    assert {"Deleted", "NothingToDeploy", "SourceMoved", "BlockedBy", "Partial", "InvalidPolicy"} <= TRACKER_REASONS


def test_every_published_type_is_documented() -> None:
    published = _given({"ConditionStatus"}, "type")
    assert {"Completed", "ReferencesResolved", "Presented"} <= published <= {str(one) for one in ConditionType}


def test_every_published_reason_is_documented() -> None:
    assert {str(one) for one in ConditionReason} >= CONDITION_REASONS
    assert {str(one) for one in (*TrackerReason, *State)} >= TRACKER_REASONS


def test_no_reason_is_documented_that_nothing_publishes() -> None:
    unused = {one.name for one in ConditionReason if one.value not in CONDITION_REASONS}
    # A drift's kind is the reason of its condition.
    unused -= {kind.name for kind in Drift}
    assert unused - _members_used("ConditionReason") == set()
    assert {str(one) for one in TrackerReason} - TRACKER_REASONS == {"WaitingForReference"}


@pytest.mark.parametrize("enum", [ConditionType, ConditionReason, TrackerReason])
def test_each_stands_in_the_reference_with_its_meaning(
    enum: type[ConditionType | ConditionReason | TrackerReason],
) -> None:
    page = generated_files()["docs/reference/conditions.md"]
    documented = dict(member_documents(enum))
    assert list(documented) == [one.value for one in enum]
    assert all(f"| `{value}` | {text} |" in page for value, text in documented.items())
