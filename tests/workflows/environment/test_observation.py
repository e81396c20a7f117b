"""What an observation changes, and for whom it matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.models.delivery import Observation, OperationPhase
from activities.models.places import Role
from activities.models.tracking import Timings
from crds.reasons.vocabulary import Health, Phase
from tests.workflows.environment.test_lane import member
from tests.worlds.refusals import unread
from workflows.environment import observation
from workflows.environment.state import Observed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = Observation(
    deployment="eu", component="api", application="eu", runs="1", written="1", settled=True, health=Health.HEALTHY
)
WRITTEN = replace(OLD, written="2", settled=False, sync_status="OutOfSync")
OPERATING = replace(WRITTEN, operating="2", operation_phase=OperationPhase.RUNNING)
ROLLING = replace(OPERATING, runs="2", operating=None, health=Health.PROGRESSING)
DONE = replace(OLD, runs="2", written="2")
HOLDER = member(2, "2", Phase.HOLDER)


def test_a_holder_learns_nothing_of_its_own_rollout_until_it_is_done() -> None:
    assert [observation.essence(HOLDER, step) for step in (WRITTEN, OPERATING, ROLLING)] == ["", "", ""]
    assert observation.essence(HOLDER, DONE) not in ("", observation.essence(HOLDER, OLD))


@pytest.mark.parametrize(
    "event",
    [
        replace(OPERATING, operation_phase=OperationPhase.FAILED, operation_message="no such image"),
        replace(ROLLING, health=Health.DEGRADED),
        replace(WRITTEN, written="x"),
        replace(OPERATING, operating="x"),
        replace(ROLLING, failure=unread()),
    ],
)
def test_a_holder_learns_of_failures_and_of_others_at_once(event: Observation) -> None:
    assert observation.essence(HOLDER, event) != ""


def test_who_waits_for_the_target_learns_of_each_revision_and_of_its_arrival_but_not_of_health_on_the_way() -> None:
    waiting = member(3, "3", Phase.WORKING)
    seen = [observation.essence(waiting, step) for step in (OLD, WRITTEN, OPERATING, ROLLING, DONE)]
    assert len(set(seen)) == 5
    assert observation.essence(waiting, replace(ROLLING, health=Health.DEGRADED)) == seen[3]


def test_a_source_learns_when_its_change_has_settled() -> None:
    source = member(2, "2", Phase.WORKING, role=Role.SOURCE)
    assert observation.essence(source, ROLLING) != observation.essence(source, DONE)


def test_what_cannot_be_read_for_a_while_is_believed_to_be_as_it_was_and_the_whole_is_no_newer() -> None:
    other = replace(OLD, deployment="us")
    known = Observed(observations=(OLD, other), at=NOW)
    later, lost = NOW + timedelta(minutes=1), replace(OLD, runs=None, failure=unread("503", passing=True))
    moved = replace(other, runs="2")
    assert observation.bridged(known, (lost, moved), later) == ([OLD, moved], NOW)
    # What stays until a person fixes it is shown at once, and nothing is believed of what was never seen.
    refused = replace(lost, failure=unread())
    assert observation.bridged(known, (refused, moved), later) == ((refused, moved), later)
    assert observation.bridged(Observed(), (lost,), later) == ((lost,), later)
    unknown = Observed(observations=(refused,), at=NOW)
    assert observation.bridged(unknown, (lost,), later) == ((lost,), later)


def test_another_text_alone_does_not_matter() -> None:
    assert not observation.matters([OLD], [replace(OLD, message="reconciled 3 s ago", url="https://argocd.example")])
    assert observation.matters([OLD], [DONE])


def test_a_component_has_an_artifact_only_where_all_its_deployments_agree() -> None:
    us = replace(OLD, deployment="us")
    assert [one.revision for one in observation.artifacts([OLD, us])] == ["1"]
    assert observation.artifacts([OLD, replace(us, runs="2")]) == ()
    assert observation.artifacts([OLD, replace(us, failure=unread())]) == ()


def test_the_holder_counts_as_bringer_of_its_artifact_and_a_merge_commit_of_itself() -> None:
    first = observation.after_read(Observed(), [OLD], NOW, [member(1, "1", Phase.WORKING, role=Role.SOURCE)], "")
    assert first.moved_by == {"eu": "t1"}
    assert first.since == {}
    moved = observation.after_read(first, [DONE], NOW + timedelta(minutes=1), [HOLDER, member(9, "2")], "t2")
    assert (moved.moved_by, moved.since) == ({"eu": "t2"}, {"eu": NOW + timedelta(minutes=1)})
    assert [(one.artifacts[0].revision, one.tracker) for one in moved.history] == [("2", "t2"), ("1", "t1")]
    foreign = observation.after_read(moved, [replace(DONE, runs="x")], NOW + timedelta(minutes=2), [], "")
    assert foreign.moved_by == {}


def test_an_unreadable_deployment_keeps_what_was_known_of_its_past() -> None:
    first = observation.after_read(Observed(), [OLD], NOW, [member(1, "1", role=Role.SOURCE)], "")
    blind = observation.after_read(first, [replace(OLD, runs=None, failure=unread())], NOW, [], "")
    again = observation.after_read(blind, [OLD], NOW, [], "")
    assert (again.moved_by, len(again.history)) == ({"eu": "t1"}, 1)
    moved = observation.after_read(blind, [replace(OLD, runs="x")], NOW, [], "")
    assert (moved.moved_by, len(moved.history)) == ({}, 2)


def test_the_history_keeps_the_newest_twenty() -> None:
    known = Observed()
    for revision in range(30):
        known = observation.after_read(known, [replace(OLD, runs=str(revision))], NOW, [], "")
    assert [one.artifacts[0].revision for one in known.history] == [str(29 - back) for back in range(20)]


def test_pauses_grow_from_ten_seconds_to_two_minutes_and_shrink_after_a_change() -> None:
    pause: timedelta | None = None
    seen = []
    for _ in range(6):
        pause = observation.next_pause(pause, Timings(), changed=False)
        seen.append(pause.total_seconds())
    assert seen == [10, 20, 40, 80, 120, 120]
    assert observation.next_pause(pause, Timings(), changed=True) == timedelta(seconds=10)
