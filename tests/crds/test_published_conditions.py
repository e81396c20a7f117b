"""The reference against the code: whatever is published is documented, and whatever is documented is published."""

import ast
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest

from activities.models.configuration import PolicyOutcome
from activities.models.promotion import Verb
from crds.conditions import ConditionType
from crds.reasons.conditions import ConditionReason
from crds.reasons.events import EventReason
from crds.reasons.problems import FailureKind
from crds.reasons.trackers import ApplicationOutcome, RecordResult, TrackerReason, WaitingReason
from crds.reasons.vocabulary import Drift, State
from crds.schema.enum_docs import member_documents
from crds.schema.generate import generated_files
from workflows.promotion.state import Refusal

ROOT = Path(__file__).parents[2]
PUBLISHERS = ("workflows", "activities", "crds", "providers", "worker")
REASONED = {"enter": 1, "Ended": 1, "ConditionStatus": None, "WantedCondition": None}
"""Calls that publish a reason, with the reason's place where it may be given without its name."""
REASONS: Mapping[str, type[StrEnum]] = {"TrackerReason": TrackerReason, "State": State}
"""Enums whose members such a call may be given."""


@cache
def _nodes() -> tuple[ast.Call | ast.Attribute, ...]:
    return tuple(
        node
        for package in PUBLISHERS
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call | ast.Attribute)
    )


def _calls() -> Iterator[ast.Call]:
    yield from (node for node in _nodes() if isinstance(node, ast.Call))


@cache
def _pages() -> Mapping[str, str]:
    return generated_files()


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _constants(node: ast.expr) -> set[str]:
    """Take the strings that an expression may be: itself, a member of an enum, or either branch of a condition."""
    if isinstance(node, ast.IfExp):
        return _constants(node.body) | _constants(node.orelse)
    if isinstance(node, ast.Call) and _name(node) == "str":
        return _constants(node.args[0])
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in REASONS:
        return {REASONS[node.value.id][node.attr].value}
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
        for node in _nodes()
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == enum
    }


@cache
def _condition_reasons() -> frozenset[str]:
    # An obstacle's reason is that of the condition and of the wait.
    obstacles = (
        WaitingReason.WAITING_FOR_REFERENCE,
        WaitingReason.UNAVAILABLE,
        WaitingReason.DEPLOYMENT_UNREADABLE,
        WaitingReason.COMPONENT_NOT_DEPLOYED,
        WaitingReason.TEST_REFUSED,
    )
    return frozenset({*_given({"ConditionStatus", "WantedCondition"}, "reason"), *map(str, obstacles)})


@cache
def _tracker_reasons() -> frozenset[str]:
    return frozenset(
        {
            *_given({"enter", "Ended"}, "reason"),
            *(TrackerReason[name].value for name in _members_used("TrackerReason")),
            *(str(one) for one in Refusal if one),
            *(str(one) for one in PolicyOutcome if one is not PolicyOutcome.FOUND),
        }
    )


def test_the_reasons_are_found_in_the_code() -> None:
    assert {"TestRefused", "Presented", "PresentationFailed", "Resolved"} <= _condition_reasons()
    assert {"Deleted", "NothingToDeploy", "SourceMoved", "BlockedBy", "Partial", "InvalidPolicy"} <= _tracker_reasons()


def test_every_published_type_is_documented() -> None:
    published = _given({"ConditionStatus"}, "type")
    assert {"Completed", "ReferencesResolved", "Presented"} <= published <= {str(one) for one in ConditionType}


def test_every_published_reason_is_documented() -> None:
    assert {str(one) for one in ConditionReason} >= _condition_reasons()
    assert {str(one) for one in (*TrackerReason, *State)} >= _tracker_reasons()


def test_no_reason_is_documented_that_nothing_publishes() -> None:
    unused = {one.name for one in ConditionReason if one.value not in _condition_reasons()}
    assert unused - _members_used("ConditionReason") == set()
    assert {str(one) for one in TrackerReason} - _tracker_reasons() == set()


def test_every_reason_of_a_wait_has_a_state_that_publishes_it() -> None:
    assert _members_used("WaitingReason") == {one.name for one in WaitingReason}


def test_every_reason_of_an_event_has_an_event_that_publishes_it() -> None:
    # What an event names by a value that is its reason in the status as well.
    values = {
        *(str(one) for one in Refusal if one),
        *(str(one) for one in PolicyOutcome if one is not PolicyOutcome.FOUND),
        *(f"Command{verb.capitalize()}" for verb in Verb),
        *_given({"Ended"}, "reason"),
        *(str(one) for one in RecordResult),
    }
    assert values <= {str(one) for one in EventReason}
    named = {EventReason(one).name for one in values}
    assert _members_used("EventReason") | named == {one.name for one in EventReason}


def test_every_result_of_a_record_is_documented_and_given() -> None:
    assert _members_used("RecordResult") == {one.name for one in RecordResult}
    assert _members_used("ApplicationOutcome") == {one.name for one in ApplicationOutcome}


@pytest.mark.parametrize(
    "enum",
    [
        ConditionType,
        ConditionReason,
        Drift,
        TrackerReason,
        WaitingReason,
        EventReason,
        RecordResult,
        ApplicationOutcome,
        FailureKind,
    ],
)
def test_each_stands_in_the_reference_with_its_meaning(enum: type[StrEnum]) -> None:
    page = _pages()[f"docs/reference/{'events' if enum is EventReason else 'conditions'}.md"]
    documented = dict(member_documents(enum))
    assert list(documented) == [one.value for one in enum]
    assert all(f"| `{value}` | {text} |" in page for value, text in documented.items())
