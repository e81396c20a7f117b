"""The roster of a place: whose view is the newest, who owes or is owed an answer, who holds the lane. Pure.

A view counts where its counter is newer than that of the last one, also where its tracker has left since. The lane is
occupied by a holder, by an open grant, by a replaced attempt that may still write, and for a while by a holder that
vanished (`occupied`). A place without memory expects an answer of each live tracker, page by page, before it grants
anything (`expect`, `missing`).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from activities.models.configuration import TrackersCursor
from activities.models.places import Counter, Grant, MemberSignal, Role
from activities.models.tracking import TrackerRef
from crds.reasons.vocabulary import Phase
from workflows.environment.lane import HOLDS, asks_for_lane
from workflows.environment.state import Awaited, GivenGrant, Member, OlderAttempt, RosterState
from workflows.runtime.publishing import next_sequence

DEPARTED_KEPT = 500
"""Counters kept of trackers that left, so that a late signal of theirs does not bring them back."""

LEAVING = (Phase.ARRIVED, Phase.GONE)

OLDER_WRITES = "attempt {attempt} of it may still write"
VANISHED = "vanished while its writes may still run"
"""Why the lane counts as occupied although no holder is there."""

OLDER_ASKED = 100
"""Attempts before a listed one that are asked, one after the other: a restart is a person's command, and each of those
before was ended by the one that followed it."""

Writer = tuple[str, int]
"""Who may write: an attempt of a tracker, by uid and attempt."""

SILENT_BACKSTOPS = 2
"""Backstops that a member may miss before it is asked whether it still exists."""


class Roster:
    """Apply the rules by which lost, repeated and reordered signals, restarts and vanished trackers are harmless."""

    def __init__(self, state: RosterState) -> None:
        self.epoch = state.epoch
        self.listed = state.listed
        self.grant = state.grant
        self.cursor = state.cursor
        self.known_trackers = state.known_trackers
        self._n = state.n
        self._members = {member.signal.tracker.uid: member for member in state.members}
        self._departed = dict(state.departed)
        self._vanished = state.vanished
        self._vanished_until = state.vanished_until
        self._awaited = {awaited.tracker.uid: awaited for awaited in state.awaited}
        self._older = {_writer(older.tracker): older for older in state.older}

    def state(self) -> RosterState:
        """Return everything as one frozen value."""
        return RosterState(
            epoch=self.epoch,
            n=self._n,
            members=tuple(self._members.values()),
            departed=dict(self._departed),
            grant=self.grant,
            vanished=self._vanished,
            vanished_until=self._vanished_until,
            listed=self.listed,
            awaited=tuple(self._awaited.values()),
            older=tuple(self._older.values()),
            cursor=self.cursor,
            known_trackers=self.known_trackers,
        )

    @property
    def members(self) -> tuple[MemberSignal, ...]:
        """The views of all that are on their way here."""
        return tuple(one.signal for one in self._members.values())

    @property
    def entries(self) -> tuple[Member, ...]:
        """All members with what is owed to them, in the order in which they came."""
        return tuple(self._members.values())

    @property
    def lists_next(self) -> bool:
        """Whether live trackers are to be listed, or the next page of them: those listed before have answered."""
        return not (self.listed or self._awaited or self._older)

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of live trackers that have not answered this run; empty for those not listed.

        Only where there is none is every live tracker accounted for, so that the lane may be granted.
        """
        names = tuple(one.tracker.name for one in self._awaited.values())
        return names if self.listed else (*names, "")

    def holder(self) -> MemberSignal | None:
        """Return the member that holds the lane, or was granted it and has not answered."""
        for member in self.members:
            if _holds(member):
                return member
        return self._members[self.grant.uid].signal if self.grant is not None else None

    def _has_lane(self, member: MemberSignal) -> bool:
        """Return whether one may write: a place without memory may learn of a holder after a grant of its own."""
        return _holds(member) or (self.grant is not None and self.grant.uid == member.tracker.uid)

    def occupied(self, now: datetime) -> tuple[str, str]:
        """Return the name of the tracker in the lane and why it counts as occupied; both empty when it is free."""
        holder = self.holder()
        if holder is not None:
            return holder.tracker.name, HOLDS
        for older in self._older.values():
            return older.tracker.name, OLDER_WRITES.format(attempt=older.tracker.attempt)
        if self._vanished_until is not None and now < self._vanished_until:
            return self._vanished, VANISHED
        return "", ""

    def receive(self, signal: MemberSignal, now: datetime) -> bool:
        """Take a member's view unless a newer one is known; return whether it was taken."""
        uid = signal.tracker.uid
        if (older := self._older.get(_writer(signal.tracker))) is not None:
            return self._receive_older(older, signal)
        awaited = self._awaited.get(uid)
        if awaited is not None and signal.tracker.attempt < awaited.tracker.attempt:
            # Its turn to answer whether it may write comes with the attempts before the one that is awaited.
            return False
        known = self._members.get(uid)
        last = known.signal.counter if known is not None else self._departed.get(uid)
        if last is not None and signal.counter.as_tuple() <= last.as_tuple():
            return False
        if awaited is not None and signal.tracker.attempt > awaited.tracker.attempt:
            # What the attempt before it held of the place's former run is not known, and never will be of its own.
            self._await_older(OlderAttempt(tracker=awaited.tracker))
            self._awaited[uid] = Awaited(tracker=signal.tracker)
        if self._names_this_run(signal):
            self._awaited.pop(uid, None)
        if known is not None and signal.tracker.attempt > known.signal.tracker.attempt:
            self._replace_attempt(known.signal)
        self._judge_grant(signal)
        if signal.phase in LEAVING:
            # Who leaves acts on nothing that the place could answer.
            self._members.pop(uid, None)
            self._depart(uid, signal.counter)
            return True
        self._members[uid] = Member(signal=signal, received_at=now, asked_at=known.asked_at if known else None)
        return True

    def _names_this_run(self, signal: MemberSignal) -> bool:
        return signal.received is not None and signal.received.epoch == self.epoch

    def _replace_attempt(self, before: MemberSignal) -> None:
        """Keep the lane for an attempt that holds it or was granted it, until that one is known not to write.

        A writer is an attempt, not a tracker: a restart ends nothing that the attempt before has under way.
        """
        if self._has_lane(before):
            self._await_older(OlderAttempt(tracker=before.tracker, received=before.counter))
            self._close_grant_of(before.tracker.uid)

    def _close_grant_of(self, uid: str) -> None:
        if self.grant is not None and self.grant.uid == uid:
            self.grant = None

    def _await_older(self, older: OlderAttempt) -> None:
        """Count an attempt, and those before it that are named, among the writers until each is known not to write."""
        known = self._older.get(_writer(older.tracker))
        if known is None:
            self._older[_writer(older.tracker)] = older
        elif older.down_to:
            self._older[_writer(older.tracker)] = replace(known, down_to=older.down_to)

    def _receive_older(self, older: OlderAttempt, signal: MemberSignal) -> bool:
        """Take from a replaced attempt only whether it may write: it may not once it wants the lane no more."""
        if signal.counter.as_tuple() <= older.received.as_tuple():
            return False
        if older.received == Counter() and not self._names_this_run(signal):
            # It may have become the holder after this, and before this run of the place.
            return False
        if signal.phase in (Phase.HOLDER, Phase.READY):
            self._older[_writer(older.tracker)] = replace(older, received=signal.counter)
        else:
            self._end_older(older)
        return True

    def _end_older(self, older: OlderAttempt) -> None:
        """Forget an attempt that writes no more; the one before it is next, where it may write as well."""
        del self._older[_writer(older.tracker)]
        attempt = older.tracker.attempt - 1
        if older.down_to and attempt >= older.down_to:
            self._await_older(OlderAttempt(tracker=replace(older.tracker, attempt=attempt), down_to=older.down_to))

    def _judge_grant(self, signal: MemberSignal) -> None:
        """Close the open grant once its receiver cannot take it any more, or has taken it.

        A Ready sent before the grant was received proves nothing: the receiver may still take it. A Ready sent after it
        declines. Any other phase but Holder means that a later Ready has a newer counter than the grant answers.
        """
        grant = self.grant
        if grant is None or grant.uid != signal.tracker.uid:
            return
        received = signal.received is not None and signal.received.as_tuple() >= grant.since.as_tuple()
        if signal.phase is not Phase.READY or received:
            self.grant = None

    def repeated(self, signal: MemberSignal) -> bool:
        """Owe an answer to the newest view once more; return whether this is it.

        It comes again where the answer to the call that sent it may not have arrived. Whether the lane is held that was
        taken by such a call, its sender alone knows, and is asked.
        """
        member = self._members.get(signal.tracker.uid)
        if member is None or member.signal not in (signal, _as_holder(signal)):
            return False
        self._members[signal.tracker.uid] = replace(member, answer_due=True, doubted=member.signal != signal)
        return True

    def answered(self, uid: str) -> None:
        """Note that the newest view of a member is answered; who left is none, and is owed nothing."""
        self._members[uid] = replace(self._members[uid], answer_due=False)

    def _depart(self, uid: str, counter: Counter) -> None:
        self._departed.pop(uid, None)
        self._departed[uid] = counter
        # Of who is awaited the counter still shows which views are too old.
        spare = [one for one in self._departed if one not in self._awaited]
        for one in spare[: max(len(spare) - DEPARTED_KEPT, 0)]:
            del self._departed[one]

    def next_counter(self, now: datetime) -> Counter:
        """Return the counter of the next signal; it grows with the clock, so that a reset repeats none."""
        self._n = next_sequence(self._n, now)
        return Counter(epoch=self.epoch, n=self._n)

    def give(self, uid: str, now: datetime) -> None:
        """Grant the lane to a Ready member; it stays occupied until that member's own signal ends that."""
        signal = self._members[uid].signal
        self.grant = GivenGrant(uid=uid, hop=signal.hop, answers=signal.counter, since=self.next_counter(now))

    def take(self, signal: MemberSignal) -> None:
        """Have a member hold the lane that its call was granted, where it takes it with the answer."""
        grant, uid = self.grant, signal.tracker.uid
        if signal.takes and grant is not None and (grant.uid, grant.answers) == (uid, signal.counter):
            self._members[uid] = replace(self._members[uid], signal=_as_holder(signal))
            self.grant = None

    def grant_for(self, uid: str) -> Grant | None:
        """Return the open grant as its receiver is to see it."""
        if self.grant is None or self.grant.uid != uid:
            return None
        return Grant(answers=self.grant.answers, hop=self.grant.hop)

    def vanish(self, tracker: TrackerRef, now: datetime, *, quarantine: timedelta) -> None:
        """Take a tracker whose workflow is gone for Gone; a lane that it may hold is free only after the quarantine."""
        if (older := self._older.get(_writer(tracker))) is not None:
            self._end_older(older)
            self._vanished, self._vanished_until = tracker.name, now + quarantine
        member = self._members.get(tracker.uid)
        if member is not None and member.signal.tracker.attempt <= tracker.attempt:
            if self._has_lane(member.signal):
                self._vanished, self._vanished_until = tracker.name, now + quarantine
                self._close_grant_of(tracker.uid)
            del self._members[tracker.uid]
            self._depart(tracker.uid, member.signal.counter)
        awaited = self._awaited.get(tracker.uid)
        if awaited is not None and awaited.tracker.attempt <= tracker.attempt:
            del self._awaited[tracker.uid]
            # It may have held the lane of the place's former run: no one who remembers is left.
            self._vanished, self._vanished_until = tracker.name, now + quarantine

    def expect(self, trackers: Iterable[TrackerRef], then: TrackersCursor | None = None) -> None:
        """Expect an answer of every live tracker of a page before anything is granted; `then` is where the next begins.

        All attempts before them may have held the lane of the place's former run as well, and go on although they were
        replaced.
        """
        found = tuple(trackers)
        self.cursor, self.listed = then, then is None
        self.known_trackers += len(found)
        for tracker in found:
            member = self._members.get(tracker.uid)
            current = member is not None and member.signal.tracker.attempt >= tracker.attempt
            if member is None or not (current and self._names_this_run(member.signal)):
                self._awaited[tracker.uid] = Awaited(tracker=tracker)
            if tracker.attempt > 1:
                before, first = replace(tracker, attempt=tracker.attempt - 1), max(tracker.attempt - OLDER_ASKED, 1)
                self._await_older(OlderAttempt(tracker=before, down_to=first))

    def asked(self, tracker: TrackerRef, now: datetime) -> None:
        """Note that an attempt of a tracker was asked for its view."""
        uid = tracker.uid
        if (older := self._older.get(_writer(tracker))) is not None:
            self._older[_writer(tracker)] = replace(older, asked_at=now)
            return
        if uid in self._members:
            self._members[uid] = replace(self._members[uid], asked_at=now, doubted=False)
        if uid in self._awaited:
            self._awaited[uid] = replace(self._awaited[uid], asked_at=now)

    def due_to_be_asked(
        self, now: datetime, *, blockers: Iterable[str], backstop: timedelta, holder_backstop: timedelta
    ) -> tuple[TrackerRef, ...]:
        """Return who must answer whether it still exists: the silent, those in the way, and those not received yet."""
        blocking = set(blockers)
        found: dict[str, TrackerRef] = {}
        for uid, member in self._members.items():
            due = self._ask_at(member, uid in blocking, backstop, holder_backstop)
            if now >= due:
                found[uid] = member.signal.tracker
        for uid, awaited in self._awaited.items():
            if awaited.asked_at is None or now >= awaited.asked_at + holder_backstop:
                found[uid] = awaited.tracker
        replaced = [
            one.tracker for one in self._older.values() if one.asked_at is None or now >= one.asked_at + holder_backstop
        ]
        return (*found.values(), *replaced)

    def deadlines(
        self, *, blockers: Iterable[str], backstop: timedelta, holder_backstop: timedelta
    ) -> tuple[datetime, ...]:
        """Return when the roster changes or somebody must be asked without any signal."""
        blocking = set(blockers)
        times = [
            self._ask_at(member, uid in blocking, backstop, holder_backstop) for uid, member in self._members.items()
        ]
        times += [one.asked_at + holder_backstop for one in self._awaited.values() if one.asked_at is not None]
        times += [one.asked_at + holder_backstop for one in self._older.values() if one.asked_at is not None]
        if self._vanished_until is not None:
            times.append(self._vanished_until)
        return tuple(times)

    def expire(self, now: datetime) -> None:
        """Forget a quarantine that is over."""
        if self._vanished_until is not None and now >= self._vanished_until:
            self._vanished, self._vanished_until = "", None

    def _ask_at(self, member: Member, blocking: bool, backstop: timedelta, holder_backstop: timedelta) -> datetime:
        asked, received, uid = member.asked_at, member.received_at, member.signal.tracker.uid
        granted = self.grant is not None and self.grant.uid == uid
        if member.doubted:
            return received
        if blocking and not granted:
            # At once for each view of those who wait, then at the holder's pace. To ask because of its own view would
            # never end: an answer is one. The signal that carries a grant shows by itself whether its receiver exists.
            waits = max(
                (one.received_at for one in self._members.values() if asks_for_lane(one.signal)), default=received
            )
            return waits if asked is None or asked < waits else asked + holder_backstop
        last = received if asked is None else max(received, asked)
        return last + (holder_backstop if self._has_lane(member.signal) else backstop * SILENT_BACKSTOPS)


def _holds(member: MemberSignal) -> bool:
    return member.phase is Phase.HOLDER and member.role is Role.TARGET


def _as_holder(ready: MemberSignal) -> MemberSignal:
    return replace(ready, phase=Phase.HOLDER)


def _writer(tracker: TrackerRef) -> Writer:
    return tracker.uid, tracker.attempt
