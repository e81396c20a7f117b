"""All attempts that may still write count, and those of live trackers page by page."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from activities.models.configuration import TrackersCursor
from activities.models.places import Counter, MemberSignal
from activities.models.tracking import TrackerRef
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.test_lane import member
from workflows.environment.carrying import fitting
from workflows.environment.members import DEPARTED_KEPT, OLDER_ASKED, OLDER_WRITES, VANISHED, Roster
from workflows.environment.state import EnvironmentState, Member, ObserverState, RosterState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = 1000


def tracker(attempt: int, number: int = 1) -> TrackerRef:
    return TrackerRef(namespace="shop", name=f"t{number}", uid=f"u{number}", attempt=attempt)


def signal_from(attempt: int, phase: Phase, *, n: int = 1, received: bool = True, number: int = 1) -> MemberSignal:
    return replace(
        member(number, "1", phase),
        tracker=tracker(attempt, number),
        counter=Counter(epoch=attempt, n=n),
        received=Counter(epoch=RUN, n=1) if received else None,
    )


def roster() -> Roster:
    return Roster(RosterState(epoch=RUN))


def asked(found: Roster) -> list[int]:
    due = found.due_to_be_asked(NOW, blockers=(), backstop=timedelta(hours=6), holder_backstop=timedelta(minutes=10))
    return [one.attempt for one in due]


def stands(found: Roster) -> tuple[bool, bool]:
    """Return whether the next page is to be listed, and whether all are accounted for."""
    return found.lists_next, not found.missing


def remembers(found: Roster) -> bool:
    return not found.missing


def test_each_attempt_before_a_listed_one_is_asked_and_keeps_the_lane_until_it_writes_no_more() -> None:
    found = roster()
    found.expect([tracker(4)])
    found.receive(signal_from(4, Phase.READY), NOW)
    assert asked(found) == [3]
    found.vanish(tracker(3), NOW, quarantine=timedelta(0))
    assert asked(found) == [2]
    found.receive(signal_from(2, Phase.HOLDER), NOW)
    assert found.occupied(NOW) == ("t1", OLDER_WRITES.format(attempt=2))
    found.receive(signal_from(2, Phase.GONE, n=2), NOW)
    assert asked(found) == [1]
    found.receive(signal_from(1, Phase.WORKING), NOW)
    assert (asked(found), found.occupied(NOW)) == ([], ("", ""))


def test_so_many_attempts_are_asked_and_no_more() -> None:
    found = roster()
    found.expect([tracker(1_000_000)])
    found.receive(signal_from(1_000_000, Phase.READY), NOW)
    rounds = 0
    while attempts := asked(found):
        found.vanish(tracker(attempts[0]), NOW, quarantine=timedelta(0))
        rounds += 1
    assert rounds == OLDER_ASKED


def test_what_an_older_attempt_sent_before_this_run_of_the_place_shows_nothing() -> None:
    found = roster()
    found.expect([tracker(2)])
    found.receive(signal_from(2, Phase.READY), NOW)
    assert not found.receive(signal_from(1, Phase.WORKING, n=5, received=False), NOW)
    assert found.occupied(NOW)[0] == "t1"
    assert found.receive(signal_from(1, Phase.WORKING, n=6), NOW)
    assert found.occupied(NOW) == ("", "")


def test_an_attempt_that_was_awaited_and_is_replaced_may_still_write_and_the_newer_one_answers_for_itself() -> None:
    found = roster()
    found.expect([tracker(1)])
    found.receive(signal_from(2, Phase.READY, received=False), NOW)
    assert not remembers(found)
    assert found.occupied(NOW)[0] == "t1"
    found.receive(signal_from(2, Phase.READY, n=2), NOW)
    assert remembers(found)
    assert found.occupied(NOW)[0] == "t1"
    found.vanish(tracker(1), NOW, quarantine=timedelta(seconds=60))
    assert found.occupied(NOW)[1] == VANISHED


def test_an_older_attempt_does_not_answer_for_the_one_that_is_listed() -> None:
    found = roster()
    found.receive(signal_from(1, Phase.WORKING), NOW)
    found.expect([tracker(2)])
    found.receive(signal_from(1, Phase.WORKING, n=2), NOW)
    assert not remembers(found)
    found.receive(signal_from(2, Phase.WORKING), NOW)
    assert remembers(found)


def test_the_next_page_is_listed_once_those_of_the_page_before_have_answered() -> None:
    found = roster()
    assert stands(found) == (True, False)
    found.expect([tracker(1, 1), tracker(2, 2)], TrackersCursor(after="t2"))
    assert stands(found) == (False, False)
    found.receive(signal_from(1, Phase.WORKING, number=1), NOW)
    found.receive(signal_from(2, Phase.WORKING, number=2), NOW)
    assert stands(found) == (False, False)
    found.vanish(tracker(1, 2), NOW, quarantine=timedelta(0))
    again = Roster(found.state())
    assert (stands(again), again.cursor) == ((True, False), TrackersCursor(after="t2"))
    again.expect([tracker(1, 3)])
    again.receive(signal_from(1, Phase.WORKING, number=3), NOW)
    assert (stands(again), again.known_trackers) == ((False, True), 3)


def test_the_counter_of_who_is_asked_again_is_kept_however_many_leave() -> None:
    members = tuple(Member(signal=signal_from(1, Phase.WORKING, n=9, number=one), received_at=NOW) for one in range(3))
    state = EnvironmentState(roster=RosterState(epoch=RUN, listed=True, members=members), observer=ObserverState())
    found = Roster(fitting(state, limit=1).roster)
    assert {one.tracker.uid for one in found.state().awaited} == {"u0", "u1", "u2"}
    for number in range(10, 10 + 2 * DEPARTED_KEPT):
        found.receive(signal_from(1, Phase.GONE, number=number), NOW)
    assert not found.receive(signal_from(1, Phase.READY, n=8, number=1), NOW)
    assert len(found.state().departed) == DEPARTED_KEPT + 3
