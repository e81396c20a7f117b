"""The largest legal value of each wire type, signal, carried state and status fits what has to take it."""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args, get_type_hints

import pytest

from activities import contracts, memberships
from activities.models.budgets import STATUS_BYTES, VALUE_BYTES
from activities.models.delivery import WatchDeploymentsInput
from activities.models.drift import DriftNotice, DriftWorkflowInput
from activities.models.memberships import JoinPlaceResult, OpenHopResult, TakeLaneResult
from activities.models.places import MemberSignal, PlaceSignal
from activities.models.pull_requests_news import PullRequestNews
from activities.models.status import PublishPlaceInput, PublishStatusInput
from activities.resources import render_tracker_status
from crds.rules.status_budget import size_of
from tests.architecture.largest import largest, within_their_edges
from workflows.environment import carrying as place_carrying
from workflows.environment.observation import as_watched
from workflows.environment.presentation import newest_sets
from workflows.environment.state import EnvironmentStart
from workflows.promotion.rules import carrying
from workflows.promotion.state import PromotionStart
from workflows.promotion.steps.publishing import newest_events
from workflows.sizes import encoded_size

BUDGETED = (
    JoinPlaceResult,
    OpenHopResult,
    PublishPlaceInput,
    PublishStatusInput,
    TakeLaneResult,
    WatchDeploymentsInput,
)
"""Types whose senders keep a budget of their own; a test below names it for each."""


def wire_types() -> Iterator[Any]:
    """Name what activities take and answer, and what places and promotions send each other."""
    yield from (MemberSignal, PlaceSignal, PullRequestNews, DriftNotice)
    for _, contract in inspect.getmembers(contracts, inspect.isclass):
        if contract.__module__ == contracts.__name__:
            for name, method in vars(contract).items():
                if callable(method) and not name.startswith("_"):
                    kinds = (one for kind in get_type_hints(method).values() for one in get_args(kind) or (kind,))
                    yield from (kind for kind in kinds if kind is not type(None))


TYPES = sorted(set(wire_types()) - set(BUDGETED), key=lambda kind: str(kind.__name__))


def test_what_the_edges_bound_as_a_whole_fills_most_of_its_bound() -> None:
    assert within_their_edges()


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_the_largest_value_of_a_wire_type_stays_below_a_megabyte(kind: Any) -> None:
    assert encoded_size(largest(kind)) < VALUE_BYTES


def test_a_watch_is_asked_for_with_what_it_compares_alone() -> None:
    request = largest(WatchDeploymentsInput)
    assert encoded_size(replace(request, known=as_watched(request.known))) < VALUE_BYTES


def test_a_hop_is_opened_without_the_view_of_a_target_that_has_no_room_in_the_answer() -> None:
    opened = largest(OpenHopResult)
    assert encoded_size(opened) > VALUE_BYTES
    kept = memberships.opened_with_room(opened)
    assert encoded_size(kept) < VALUE_BYTES
    assert (kept.found, kept.environment, kept.sent, kept.answer) == (opened.found, opened.environment, False, None)


def test_a_place_is_joined_without_a_declaration_that_has_no_room_in_the_answer() -> None:
    joined = largest(JoinPlaceResult)
    assert encoded_size(joined) > VALUE_BYTES
    kept = memberships.joined_with_room(joined)
    assert encoded_size(kept) < VALUE_BYTES
    assert (kept.environment, kept.answer) == (None, joined.answer)


def test_a_lane_is_taken_without_the_read_of_a_target_that_has_no_room_in_the_answer() -> None:
    taken = largest(TakeLaneResult)
    assert encoded_size(taken) > VALUE_BYTES
    kept = memberships.taken_with_room(taken)
    assert encoded_size(kept) < VALUE_BYTES
    assert (kept.observations, kept.answer, kept.taken) == (None, taken.answer, taken.taken)


def test_the_largest_status_of_a_place_keeps_the_newest_of_its_history() -> None:
    request = largest(PublishPlaceInput)
    status = replace(request.status, history=newest_sets(request.status.history))
    assert status.history
    assert encoded_size(replace(request, status=status)) < VALUE_BYTES


def test_the_largest_status_of_a_tracker_stays_below_what_etcd_takes() -> None:
    request = largest(PublishStatusInput)
    status = replace(request.status, promotions=tuple(carrying.kept_records(request.status.promotions)))
    events, _ = newest_events(request.events)

    assert encoded_size(replace(request, status=status, events=events)) < VALUE_BYTES
    assert size_of(render_tracker_status(status, {"metadata": {"uid": "u"}})) < STATUS_BYTES


def test_the_largest_story_is_carried_below_a_megabyte() -> None:
    start = largest(PromotionStart)
    assert encoded_size(start) > VALUE_BYTES
    assert encoded_size(carrying.fitting(start)) < VALUE_BYTES


def test_the_largest_state_of_a_place_is_carried_below_a_megabyte() -> None:
    start = largest(EnvironmentStart)
    assert encoded_size(start) > VALUE_BYTES
    roster = start.carried.roster
    members = tuple(
        replace(one, signal=replace(one.signal, tracker=replace(one.signal.tracker, uid=f"{number:036d}")))
        for number, one in enumerate(roster.members)
    )
    start = replace(start, carried=replace(start.carried, roster=replace(roster, members=members)))
    state = place_carrying.fitting(start.carried)
    assert encoded_size(replace(start, carried=state)) < VALUE_BYTES + 2_000
    assert len(state.roster.members) + len(state.roster.awaited) >= len(members)


def test_the_largest_state_of_what_looks_for_drift_is_carried_below_a_megabyte() -> None:
    assert encoded_size(largest(DriftWorkflowInput)) < VALUE_BYTES
