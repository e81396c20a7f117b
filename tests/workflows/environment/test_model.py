"""Guarantees 3 and 4, one writer per place, holds and progress, under every fault that the model knows."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from activities.models.places import MemberSignal, Role
from activities.models.tracking import TrackerRef
from crds.reasons.vocabulary import Phase
from tests.workflows.environment import facts, model
from tests.workflows.environment.simulated_tracker import SimTracker
from workflows.environment import holds, lane, members
from workflows.environment.state import OlderAttempt, RosterState

CHUNK = 50

Replace = Callable[[object, str, Any], None]


def live_through(seeds: range, *, bursts: bool = False) -> int:
    """Live through the stories of these seeds; return how many grants they saw."""
    return sum(model.run(seed, bursts=bursts).grants for seed in seeds)


@pytest.mark.parametrize("first", range(0, 300, CHUNK))
def test_no_story_breaks_a_guarantee_and_everybody_ends_or_waits_with_a_reason(first: int) -> None:
    assert live_through(range(first, first + CHUNK)) > CHUNK


def test_writers_that_are_restarted_again_and_again_are_never_two() -> None:
    assert live_through(range(CHUNK), bursts=True) > CHUNK


def forget_to_ask_after_a_restart(change: Replace) -> None:
    restore = members.Roster.__init__

    def remember_nothing(self: members.Roster, state: RosterState) -> None:
        restore(self, replace(state, listed=True))

    change(members.Roster, "__init__", remember_nothing)


def free_a_vanished_holders_lane_at_once(change: Replace) -> None:
    vanish = members.Roster.vanish

    def at_once(self: members.Roster, tracker: Any, now: Any, *, quarantine: timedelta) -> None:
        vanish(self, tracker, now, quarantine=quarantine * 0)

    change(members.Roster, "vanish", at_once)


def take_a_restart_for_the_end_of_what_went_before(change: Replace) -> None:
    change(members.Roster, "_replace_attempt", lambda _self, _before: None)


def take_an_older_attempt_for_gone_at_once(change: Replace) -> None:
    vanish = members.Roster.vanish

    def at_once(self: members.Roster, tracker: TrackerRef, now: Any, *, quarantine: timedelta) -> None:
        older = (tracker.uid, tracker.attempt) in self._older
        vanish(self, tracker, now, quarantine=quarantine * 0 if older else quarantine)

    change(members.Roster, "vanish", at_once)


def forget_the_attempts_before_those_that_are_listed(change: Replace) -> None:
    expect = members.Roster.expect

    def newest_only(self: members.Roster, trackers: Iterable[TrackerRef], then: Any = None) -> None:
        older = dict(self._older)
        expect(self, trackers, then)
        self._older = older

    change(members.Roster, "expect", newest_only)


def never_ask_an_older_attempt(change: Replace) -> None:
    ask = members.Roster.due_to_be_asked

    def only_newest(self: members.Roster, now: Any, **limits: Any) -> Any:
        return tuple(one for one in ask(self, now, **limits) if (one.uid, one.attempt) not in self._older)

    change(members.Roster, "due_to_be_asked", only_newest)


def take_the_end_of_an_older_attempt_for_that_of_all_before_it(change: Replace) -> None:
    end = members.Roster._end_older

    def last(self: members.Roster, older: OlderAttempt) -> None:
        end(self, replace(older, down_to=0))

    change(members.Roster, "_end_older", last)


def take_a_grant_for_no_lane_where_its_receiver_is_restarted(change: Replace) -> None:
    replaced = members.Roster._replace_attempt

    def holders_only(self: members.Roster, before: MemberSignal) -> None:
        if before.phase is Phase.HOLDER:
            replaced(self, before)

    change(members.Roster, "_replace_attempt", holders_only)


def free_the_lane_at_once_of_who_was_listed_and_is_gone(change: Replace) -> None:
    vanish = members.Roster.vanish

    def at_once(self: members.Roster, tracker: TrackerRef, now: Any, *, quarantine: timedelta) -> None:
        member = self._members.get(tracker.uid)
        unconfirmed = tracker.uid in self._awaited and not (member is not None and self._has_lane(member.signal))
        known = (tracker.uid, tracker.attempt) in self._older
        vanish(self, tracker, now, quarantine=quarantine * 0 if unconfirmed and not known else quarantine)

    change(members.Roster, "vanish", at_once)


def ignore_counters(change: Replace) -> None:
    receive = members.Roster.receive

    def take_any(self: members.Roster, signal: MemberSignal, now: Any) -> bool:
        self._departed.pop(signal.tracker.uid, None)
        known = self._members.get(signal.tracker.uid)
        if known is not None:
            old = replace(known.signal, counter=replace(known.signal.counter, n=-1))
            self._members[signal.tracker.uid] = replace(known, signal=old)
        return receive(self, signal, now)

    change(members.Roster, "receive", take_any)


def never_take_ready_for_declining(change: Replace) -> None:
    def judge(self: members.Roster, signal: MemberSignal) -> None:
        if self.grant is not None and self.grant.uid == signal.tracker.uid and signal.phase is not Phase.READY:
            self.grant = None

    change(members.Roster, "_judge_grant", judge)


def let_only_ready_members_hold(change: Replace) -> None:
    def only_ready(members: Iterable[MemberSignal], *rest: Any) -> holds.Holds:
        return holds.Holds([one for one in members if one.phase is Phase.READY], *rest)

    change(lane, "Holds", only_ready)


def send_failed_while_a_write_runs(change: Replace) -> None:
    promote = SimTracker.promote

    def early(self: SimTracker) -> None:
        if self.writing and not self.model.calm and self.model.dice.random() < 0.1:
            self.enter(Phase.FAILED)
            self.state = facts.State.FAILED
        else:
            promote(self)

    change(SimTracker, "promote", early)


def never_ask_the_silent(change: Replace) -> None:
    ask = members.Roster.due_to_be_asked

    def only_awaited(self: members.Roster, now: Any, **limits: Any) -> Any:
        awaited = {one.tracker.uid for one in self.state().awaited}
        return tuple(one for one in ask(self, now, **limits) if one.uid in awaited)

    change(members.Roster, "due_to_be_asked", only_awaited)


def send_ready_after_receiving_a_grant(change: Replace) -> None:
    send = SimTracker.send

    def forgetful(self: SimTracker, environment: str, role: Role, phase: Phase, **how: Any) -> None:
        granted, self.granted = self.granted, self.granted and phase is not Phase.READY
        send(self, environment, role, phase, **how)
        self.granted = granted

    change(SimTracker, "send", forgetful)


@pytest.mark.parametrize(
    ("weaken", "first"),
    [
        (forget_to_ask_after_a_restart, 0),
        (free_a_vanished_holders_lane_at_once, 18),
        (take_a_restart_for_the_end_of_what_went_before, 3),
        (ignore_counters, 3),
        (never_take_ready_for_declining, 228),
        (let_only_ready_members_hold, 0),
        (send_failed_while_a_write_runs, 18),
        (never_ask_the_silent, 0),
        (send_ready_after_receiving_a_grant, 5),
    ],
)
def test_the_model_notices_a_rule_that_is_missing(
    weaken: Callable[[Replace], None], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`first` is a story shortly before the first that notices: it saves time, and no more."""
    weaken(monkeypatch.setattr)
    with pytest.raises(facts.Broken):
        live_through(range(first, first + 400))


@pytest.mark.parametrize(
    ("weaken", "first"),
    [
        (take_an_older_attempt_for_gone_at_once, 27),
        (forget_the_attempts_before_those_that_are_listed, 55),
        (never_ask_an_older_attempt, 0),
        (take_the_end_of_an_older_attempt_for_that_of_all_before_it, 632),
        (take_a_grant_for_no_lane_where_its_receiver_is_restarted, 270),
        (free_the_lane_at_once_of_who_was_listed_and_is_gone, 385),
    ],
)
def test_stories_of_restarted_writers_notice_a_rule_of_older_attempts_that_is_missing(
    weaken: Callable[[Replace], None], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaken(monkeypatch.setattr)
    with pytest.raises(facts.Broken):
        live_through(range(first, first + 100), bursts=True)
