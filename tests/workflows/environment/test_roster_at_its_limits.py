"""Conditions of the roster that other tests pass by: each case differs from its neighbour in one of them alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from activities.models.places import Counter
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.test_members import HOUR, MINUTES, NOW, restarted, roster, signal_from
from workflows.environment.members import DEPARTED_KEPT, OLDER_WRITES, VANISHED, Roster
from workflows.environment.state import RosterState

SECOND = timedelta(seconds=1)
QUARANTINE = timedelta(seconds=60)


def asked(place: Roster, after: timedelta, *blockers: str) -> list[tuple[str, int]]:
    """Who is to be asked so long after noon, with the attempt of each."""
    due = place.due_to_be_asked(NOW + after, blockers=blockers, backstop=HOUR, holder_backstop=MINUTES)
    return [(one.uid, one.attempt) for one in due]


def deadlines(place: Roster, *blockers: str) -> list[timedelta]:
    """When the roster is to be looked at again, counted from noon."""
    times = place.deadlines(blockers=blockers, backstop=HOUR, holder_backstop=MINUTES)
    return [one - NOW for one in times]


def of_a_restarted_holder() -> Roster:
    place = roster()
    place.receive(signal_from(1, 90, Phase.HOLDER), NOW)
    place.receive(restarted(signal_from(1, 90, Phase.HOLDER)), NOW)
    return place


def test_a_signal_that_comes_twice_counts_once() -> None:
    place = roster()
    assert place.receive(signal_from(1, 1, Phase.READY), NOW)
    assert not place.receive(signal_from(1, 1, Phase.READY), NOW)
    assert place.receive(signal_from(1, 2, Phase.GONE), NOW)
    assert not place.receive(signal_from(1, 2, Phase.GONE), NOW)


def test_a_signal_of_a_replaced_attempt_that_comes_twice_counts_once() -> None:
    place = of_a_restarted_holder()
    assert not place.receive(signal_from(1, 90, Phase.WORKING), NOW)
    assert place.occupied(NOW)[0] == "t1"


def test_a_grant_stays_open_when_a_holder_it_was_not_given_to_begins_again() -> None:
    place = roster()
    place.receive(signal_from(2, 1, Phase.READY), NOW)
    place.give("u2", NOW)
    # A place without memory granted the lane before it learned who holds it.
    place.receive(signal_from(1, 90, Phase.HOLDER), NOW)
    place.receive(restarted(signal_from(1, 90, Phase.HOLDER)), NOW)
    assert place.grant_for("u2") is not None


def of_a_holder_next_to_a_grant() -> Roster:
    place = roster()
    place.receive(signal_from(2, 1, Phase.READY), NOW)
    place.give("u2", NOW)
    place.receive(signal_from(1, 1, Phase.HOLDER), NOW)
    return place


def test_a_grant_whose_receiver_vanishes_next_to_a_holder_closes_after_the_quarantine() -> None:
    place = of_a_holder_next_to_a_grant()
    place.vanish(signal_from(2, 1, Phase.READY).tracker, NOW, quarantine=QUARANTINE)
    assert place.occupied(NOW)[0] == "t1"
    place.receive(signal_from(1, 2, Phase.GONE), NOW)
    assert place.occupied(NOW) == ("t2", VANISHED)
    assert place.occupied(NOW + QUARANTINE) == ("", "")


def test_a_receiver_of_a_grant_next_to_a_holder_may_write_although_it_was_restarted() -> None:
    place = of_a_holder_next_to_a_grant()
    place.receive(restarted(signal_from(2, 1, Phase.READY)), NOW)
    place.receive(signal_from(1, 2, Phase.GONE), NOW)
    assert place.occupied(NOW) == ("t2", OLDER_WRITES.format(attempt=1))


def test_a_holder_and_a_grant_next_to_it_are_both_asked_at_the_holder_s_pace() -> None:
    assert asked(of_a_holder_next_to_a_grant(), MINUTES) == [("u2", 1), ("u1", 1)]


def test_a_holder_that_vanishes_next_to_a_grant_leaves_it_open() -> None:
    place = of_a_holder_next_to_a_grant()
    place.vanish(signal_from(1, 1, Phase.HOLDER).tracker, NOW, quarantine=QUARANTINE)
    assert place.occupied(NOW + QUARANTINE)[0] == "t2"
    assert place.grant_for("u2") is not None


def test_a_grant_closes_with_the_attempt_that_it_was_given_to() -> None:
    place = roster()
    place.receive(signal_from(1, 90, Phase.READY), NOW)
    place.give("u1", NOW)
    # A Ready that knows no grant closes none: only that its attempt was replaced does.
    place.receive(restarted(signal_from(1, 90, Phase.READY), phase=Phase.READY), NOW)
    assert place.grant is None


def test_as_many_that_left_are_remembered_as_are_allowed_and_the_oldest_is_forgotten_first() -> None:
    place = roster()
    for number in range(1, DEPARTED_KEPT + 1):
        place.receive(signal_from(number, 2, Phase.GONE), NOW)
    assert not place.receive(signal_from(1, 1, Phase.WORKING), NOW)
    place.receive(signal_from(DEPARTED_KEPT + 1, 2, Phase.GONE), NOW)
    assert place.receive(signal_from(1, 1, Phase.WORKING), NOW)
    assert not place.receive(signal_from(2, 1, Phase.WORKING), NOW)


@pytest.mark.parametrize("holds", [False, True])
def test_one_that_vanishes_next_to_the_holder_leaves_no_quarantine(holds: bool) -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.WORKING), NOW)
    if holds:
        place.receive(signal_from(2, 1, Phase.HOLDER), NOW)
    place.vanish(signal_from(1, 1, Phase.WORKING).tracker, NOW, quarantine=QUARANTINE)
    assert place.occupied(NOW)[0] == ("t2" if holds else "")
    assert place.state().vanished_until is None


@pytest.mark.parametrize(("gone", "remembers"), [(1, False), (2, True), (3, True)])
def test_an_awaited_tracker_is_awaited_no_more_once_its_attempt_or_a_newer_one_vanished(
    gone: int, remembers: bool
) -> None:
    place = Roster(RosterState(epoch=7))
    second = restarted(signal_from(1, 1, Phase.WORKING)).tracker
    place.expect([second])
    place.vanish(replace(second, attempt=gone), NOW, quarantine=QUARANTINE)
    assert (not place.missing) is remembers


@pytest.mark.parametrize(("attempt", "older"), [(1, []), (2, [1]), (3, [2])])
def test_a_place_without_memory_knows_of_an_attempt_before_where_there_was_one(attempt: int, older: list[int]) -> None:
    place = Roster(RosterState(epoch=7))
    place.expect([replace(signal_from(1, 1, Phase.WORKING).tracker, attempt=attempt)])
    assert [one.tracker.attempt for one in place.state().older] == older


def test_who_is_awaited_is_asked_at_once_and_again_after_ten_minutes() -> None:
    place = Roster(RosterState(epoch=7))
    tracker = signal_from(1, 1, Phase.WORKING).tracker
    place.expect([tracker])
    assert asked(place, timedelta(0)) == [("u1", 1)]
    assert deadlines(place) == []
    place.asked(tracker, NOW)
    assert asked(place, MINUTES - SECOND) == []
    assert asked(place, MINUTES) == [("u1", 1)]
    assert deadlines(place) == [MINUTES]


def test_a_replaced_attempt_is_asked_at_once_and_again_after_ten_minutes() -> None:
    place = of_a_restarted_holder()
    first = signal_from(1, 90, Phase.HOLDER).tracker
    assert asked(place, timedelta(0)) == [("u1", 1)]
    assert deadlines(place) == [HOUR * 2]
    place.asked(first, NOW)
    assert asked(place, MINUTES - SECOND) == []
    assert asked(place, MINUTES) == [("u1", 1)]
    assert deadlines(place) == [HOUR * 2, MINUTES]


def test_who_blocks_is_looked_at_with_those_who_wait_and_no_one_else() -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.WORKING), NOW)
    place.receive(signal_from(2, 1, Phase.READY), NOW + SECOND)
    assert deadlines(place, "u1") == [SECOND, HOUR * 2 + SECOND]
    assert deadlines(place) == [HOUR * 2, HOUR * 2 + SECOND]


def test_a_blocker_with_the_grant_is_asked_at_the_holder_s_pace_and_one_without_it_at_once() -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.READY), NOW)
    place.receive(signal_from(2, 1, Phase.READY), NOW)
    place.give("u1", NOW)
    assert asked(place, timedelta(0), "u1") == []
    assert asked(place, MINUTES, "u1") == [("u1", 1)]
    assert asked(place, timedelta(0), "u2") == [("u2", 1)]


def test_a_quarantine_is_a_deadline_and_is_forgotten_at_its_end() -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.HOLDER), NOW)
    assert deadlines(place) == [MINUTES]
    place.vanish(signal_from(1, 1, Phase.HOLDER).tracker, NOW, quarantine=QUARANTINE)
    assert deadlines(place) == [QUARANTINE]
    place.expire(NOW + QUARANTINE - SECOND)
    assert place.state().vanished == "t1"
    place.expire(NOW + QUARANTINE)
    assert (place.state().vanished, place.state().vanished_until) == ("", None)
    assert deadlines(place) == []
    place.expire(NOW + QUARANTINE)
    assert place.state().vanished_until is None


def test_a_grant_counts_as_received_from_its_own_counter_on() -> None:
    for earlier, declined in ((1, False), (0, True)):
        place = roster()
        place.receive(signal_from(1, 1, Phase.READY), NOW)
        place.give("u1", NOW)
        assert place.grant is not None
        received = Counter(epoch=7, n=place.grant.since.n - earlier)
        place.receive(signal_from(1, 2, Phase.READY, received=received), NOW)
        assert (place.grant is None) is declined
