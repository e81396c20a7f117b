"""The roster: which signals count, how a grant ends, who must be asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.models.places import Counter, MemberSignal
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.test_lane import member
from workflows.environment.members import Roster
from workflows.environment.state import RosterState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, MINUTES = timedelta(hours=6), timedelta(minutes=10)


def roster() -> Roster:
    return Roster(RosterState(epoch=7, listed=True))


def signal_from(number: int, n: int, phase: Phase, *, received: Counter | None = None) -> MemberSignal:
    return replace(member(number, "1", phase), counter=Counter(epoch=1, n=n), received=received)


@given(st.permutations(range(1, 7)), st.lists(st.sampled_from(list(Phase)), min_size=6, max_size=6))
def test_signals_in_any_order_and_number_lead_to_the_newest_view(order: list[int], phases: list[Phase]) -> None:
    place = roster()
    for n in (*order, *order):
        place.receive(signal_from(1, n, phases[n - 1]), NOW)
    for entry in place.entries:
        place.answered(entry.signal.tracker.uid)
    newest = phases[5]
    assert [one.phase for one in place.members] == ([] if newest in (Phase.GONE, Phase.ARRIVED) else [newest])


def test_a_ready_sent_before_the_grant_was_received_leaves_it_open() -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.READY), NOW)
    place.give("u1", NOW)
    place.receive(signal_from(1, 2, Phase.READY, received=Counter(epoch=7, n=1)), NOW)
    grant = place.grant_for("u1")
    assert grant is not None
    assert grant.answers == Counter(epoch=1, n=1)


def test_a_ready_sent_after_the_grant_was_received_declines_it() -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.READY), NOW)
    place.give("u1", NOW)
    assert place.grant is not None
    place.receive(signal_from(1, 2, Phase.READY, received=place.grant.since), NOW)
    assert place.occupied(NOW) == ("", "")


@pytest.mark.parametrize("phase", [Phase.WORKING, Phase.FAILED, Phase.ARRIVED, Phase.GONE])
def test_any_other_phase_frees_the_lane(phase: Phase) -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.READY), NOW)
    place.give("u1", NOW)
    place.receive(signal_from(1, 2, Phase.HOLDER), NOW)
    assert place.occupied(NOW)[0] == "t1"
    place.receive(signal_from(1, 3, phase), NOW)
    assert place.occupied(NOW) == ("", "")


def test_a_holder_that_the_place_does_not_remember_keeps_its_lane() -> None:
    place = roster()
    place.receive(signal_from(1, 5, Phase.HOLDER), NOW)
    assert place.occupied(NOW)[0] == "t1"


def test_a_vanished_holder_frees_the_lane_only_after_the_quarantine() -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.HOLDER), NOW)
    place.vanish(signal_from(1, 1, Phase.HOLDER).tracker, NOW, quarantine=timedelta(seconds=60))
    assert place.occupied(NOW + timedelta(seconds=59))[0] == "t1"
    assert place.occupied(NOW + timedelta(seconds=60)) == ("", "")


def test_a_place_without_memory_waits_for_signals_that_name_its_own_run() -> None:
    place = Roster(RosterState(epoch=7))
    old = signal_from(1, 1, Phase.WORKING, received=Counter(epoch=6, n=9))
    place.receive(old, NOW)
    place.expect([old.tracker])
    assert place.missing
    place.receive(signal_from(1, 2, Phase.WORKING, received=Counter(epoch=6, n=9)), NOW)
    assert place.missing
    place.receive(signal_from(1, 3, Phase.GONE, received=Counter(epoch=7, n=1)), NOW)
    assert not place.missing


def test_one_that_left_is_not_brought_back_by_a_late_signal() -> None:
    place = roster()
    place.receive(signal_from(1, 4, Phase.GONE), NOW)
    assert not place.receive(signal_from(1, 3, Phase.READY), NOW)
    assert place.receive(signal_from(1, 5, Phase.WORKING), NOW)


@pytest.mark.parametrize("phase", [Phase.ARRIVED, Phase.GONE])
def test_one_that_leaves_is_owed_nothing(phase: Phase) -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.WORKING), NOW)
    assert place.receive(signal_from(1, 2, phase), NOW)
    assert place.entries == ()
    assert place.state().departed == {"u1": Counter(epoch=1, n=2)}


def test_a_new_attempt_replaces_the_old_one_and_its_end_does_not_remove_it() -> None:
    place = roster()
    first = signal_from(1, 90, Phase.WORKING)
    place.receive(first, NOW)
    second = replace(first, counter=Counter(epoch=2, n=1), tracker=replace(first.tracker, attempt=2))
    place.receive(second, NOW)
    place.vanish(first.tracker, NOW, quarantine=HOUR)
    assert [one.tracker.attempt for one in place.members] == [2]


def restarted(signal: MemberSignal, *, n: int = 1, phase: Phase = Phase.WORKING) -> MemberSignal:
    tracker = replace(signal.tracker, attempt=2)
    return replace(signal, counter=Counter(epoch=2, n=n), tracker=tracker, phase=phase)


@pytest.mark.parametrize("granted", [True, False])
def test_an_attempt_that_has_the_lane_keeps_it_although_a_newer_one_replaced_it(granted: bool) -> None:
    place = roster()
    first = signal_from(1, 90, Phase.READY if granted else Phase.HOLDER)
    place.receive(first, NOW)
    if granted:
        place.give("u1", NOW)
    place.receive(restarted(first), NOW)
    name, why = place.occupied(NOW)
    assert name == "t1"
    assert "attempt 1" in why
    assert place.grant_for("u1") is None
    assert Roster(place.state()).occupied(NOW) == (name, why)


@pytest.mark.parametrize("phase", list(Phase))
def test_a_replaced_attempt_frees_the_lane_by_what_it_sends_after_it_had_the_lane(phase: Phase) -> None:
    place = roster()
    place.receive(signal_from(1, 90, Phase.HOLDER), NOW)
    place.receive(restarted(signal_from(1, 90, Phase.HOLDER)), NOW)
    assert not place.receive(signal_from(1, 80, phase), NOW)
    assert place.occupied(NOW)[0] == "t1"
    place.receive(signal_from(1, 91, phase), NOW)
    assert bool(place.occupied(NOW)[0]) is (phase in (Phase.HOLDER, Phase.READY))
    assert [one.tracker.attempt for one in place.members] == [2]


def test_a_replaced_attempt_that_is_gone_frees_the_lane_only_after_the_quarantine() -> None:
    place = roster()
    first = signal_from(1, 90, Phase.HOLDER)
    place.receive(first, NOW)
    place.receive(restarted(first), NOW)
    due = place.due_to_be_asked(NOW, blockers=(), backstop=HOUR, holder_backstop=MINUTES)
    assert first.tracker in due
    place.asked(first.tracker, NOW)
    assert place.due_to_be_asked(NOW, blockers=(), backstop=HOUR, holder_backstop=MINUTES) == ()
    place.vanish(first.tracker, NOW, quarantine=timedelta(seconds=60))
    assert place.occupied(NOW + timedelta(seconds=59))[0] == "t1"
    assert place.occupied(NOW + timedelta(seconds=60)) == ("", "")


def test_a_place_without_memory_waits_for_the_attempt_before_a_restarted_one() -> None:
    place = Roster(RosterState(epoch=7))
    second = restarted(signal_from(1, 1, Phase.WORKING))
    place.expect([second.tracker])
    place.receive(replace(second, received=Counter(epoch=7)), NOW)
    assert not place.missing
    assert "attempt 1" in place.occupied(NOW)[1]
    due = place.due_to_be_asked(NOW, blockers=(), backstop=HOUR, holder_backstop=MINUTES)
    assert [one.attempt for one in due] == [1]


def test_the_silent_are_asked_after_two_backstops_holders_after_ten_minutes_and_blockers_at_once() -> None:
    place = roster()
    place.receive(signal_from(1, 1, Phase.WORKING), NOW)
    place.receive(signal_from(2, 1, Phase.HOLDER), NOW)

    def asked(after: timedelta, *blockers: str) -> list[str]:
        due = place.due_to_be_asked(NOW + after, blockers=blockers, backstop=HOUR, holder_backstop=MINUTES)
        return [one.uid for one in due]

    assert asked(timedelta(0)) == []
    assert asked(MINUTES) == ["u2"]
    assert asked(HOUR * 2) == ["u1", "u2"]
    assert asked(timedelta(0), "u1") == ["u1"]
    place.asked(signal_from(1, 1, Phase.WORKING).tracker, NOW + timedelta(seconds=1))
    assert asked(timedelta(seconds=2), "u1") == []


def test_a_blocker_is_asked_once_per_view_of_those_who_wait_and_not_because_it_answered() -> None:
    place = roster()
    second = timedelta(seconds=1)
    place.receive(signal_from(1, 1, Phase.HOLDER), NOW)
    place.receive(signal_from(2, 1, Phase.READY), NOW)
    place.asked(signal_from(1, 1, Phase.WORKING).tracker, NOW)
    place.receive(signal_from(1, 2, Phase.HOLDER), NOW + second)

    def asked(after: timedelta) -> list[str]:
        due = place.due_to_be_asked(NOW + after, blockers=["u1"], backstop=HOUR, holder_backstop=MINUTES)
        return [one.uid for one in due]

    assert asked(second * 2) == []
    assert asked(MINUTES) == ["u1"]
    place.receive(signal_from(2, 2, Phase.READY), NOW + second * 3)
    assert asked(second * 3) == ["u1"]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(list(Phase))), max_size=12))
def test_the_whole_roster_survives_being_carried_over(story: list[tuple[int, Phase]]) -> None:
    place = roster()
    for n, (number, phase) in enumerate(story, 1):
        place.receive(signal_from(number, n, phase), NOW)
    again = Roster(place.state())
    assert again.state() == place.state()
    assert (again.members, again.holder()) == (place.members, place.holder())
