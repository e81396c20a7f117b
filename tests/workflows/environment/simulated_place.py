"""A place of the model: the real roster and lane rules over what it received and what it saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from activities.models.configuration import TrackersCursor
from activities.models.delivery import Observation
from activities.models.places import Counter, MemberSignal, PlaceSignal, Role
from activities.models.tracking import TrackerRef
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.facts import BACKSTOP, HOLDER_BACKSTOP, WATCH, State, attempt_key
from workflows.environment.lane import Decision, LaneView, decide
from workflows.environment.members import Roster
from workflows.environment.state import RosterState
from workflows.runtime.ancestry import KnownAncestry

PAGE = 2
"""Trackers of one page."""

if TYPE_CHECKING:
    from tests.workflows.environment.model import Model


@dataclass(frozen=True)
class Reading:
    """What a joining member has read of a place, some time before the place gets it."""

    runs: Mapping[str, str | None]
    at: datetime


class SimPlace:
    """One run of a place: the real rules over what it received and what it saw."""

    def __init__(self, model: "Model", environment: str) -> None:
        self.model = model
        self.environment = environment
        # Two runs never start in the same millisecond.
        self.roster = Roster(RosterState(epoch=int(model.time.timestamp() * 1000)))
        self.ancestry = KnownAncestry()
        self.observed: dict[str, str | None] | None = None
        self.observed_at: datetime | None = None
        self.published: dict[str, object] = {}
        self.granted: dict[str, Counter | None] = {}
        self.listing = False

    def observe(self) -> None:
        if self.roster.members:
            self.observed, self.observed_at = dict(self.model.runs[self.environment]), self.model.time

    def stale(self, component: str) -> bool:
        """Return whether the place has not seen yet what runs there now."""
        return self.observed is None or self.observed[component] != self.model.runs[self.environment][component]

    def observations(self) -> tuple[Observation, ...]:
        return tuple(
            Observation(deployment=name, component=name, application=name, runs=runs, written=runs, settled=True)
            for name, runs in (self.observed or {}).items()
        )

    def answer(self, asked: MemberSignal, reading: Reading | None) -> PlaceSignal | None:
        """Take a member's view and return the place's in the call; None where a signal is to bring it."""
        taken = self.roster.receive(asked, self.model.time)
        if taken and reading is not None and (self.observed_at is None or reading.at > self.observed_at):
            self.observed, self.observed_at = dict(reading.runs), reading.at
        if asked.takes and not taken:
            self.roster.repeated(asked)
            return None
        decision = self.decide()
        member = next((one for one in self.roster.entries if one.signal == asked), None)
        if member is None or self.observed is None:
            return None
        uid = asked.tracker.uid
        if taken:
            self.published[uid] = self.news(uid, decision)
            self.roster.answered(uid)
        answer = self.signal(asked.tracker, asks=False)
        self.roster.take(asked)
        return answer

    def news(self, uid: str, decision: Decision) -> object:
        # That a grant has ended is no news to who ended it, and a holder waits for what runs, not for an answer.
        grant = self.roster.grant
        granted = grant.since if grant is not None and grant.uid == uid else self.granted.get(uid)
        self.granted[uid] = granted
        return (tuple((self.observed or {}).items()), decision.blocked_by.get(uid), granted)

    def decide(self) -> Decision:
        model, roster, now = self.model, self.roster, self.model.time
        roster.expire(now)
        if roster.lists_next and not self.listing and any(one.role is Role.TARGET for one in roster.members):
            self.listing = True
            self.list_trackers()
        occupied_by, because = roster.occupied(now)
        view = LaneView(
            members=roster.members,
            observations=self.observations(),
            unobserved="" if self.observed is not None else "not observed",
            occupied_by=occupied_by,
            occupied_because=because,
            missing=roster.missing,
        )
        decision = decide(view, self.ancestry)
        if decision.grant is not None:
            candidate = next(one for one in roster.members if one.tracker.uid == decision.grant)
            model.check_grant(self.environment, candidate)
            roster.give(decision.grant, now)
        for pair in decision.pairs:
            if model.dice.random() < 0.7:
                self.ancestry.learn(pair.base, pair.head, model.commits.relation(pair.base, pair.head))
        return decision

    def step(self) -> None:
        roster, now = self.roster, self.model.time
        decision = self.decide()
        asked = roster.due_to_be_asked(
            now,
            blockers=decision.blockers,
            backstop=timedelta(seconds=BACKSTOP),
            holder_backstop=timedelta(seconds=HOLDER_BACKSTOP),
        )
        asking = {attempt_key(one): one for one in asked}
        for member in roster.entries:
            uid, key = member.signal.tracker.uid, attempt_key(member.signal.tracker)
            news = self.news(uid, decision)
            patient = member.signal.phase is Phase.HOLDER and now - member.received_at < timedelta(seconds=WATCH)
            if (member.answer_due and not patient) or key in asking or self.published.get(uid) != news:
                self.published[uid] = news
                self.send(member.signal.tracker, asks=asking.pop(key, None) is not None, decision_blocked=uid)
                roster.answered(uid)
        for tracker in asking.values():
            self.send(tracker, asks=True, decision_blocked="")

    def send(self, tracker: TrackerRef, *, asks: bool, decision_blocked: str) -> None:
        if asks:
            self.roster.asked(tracker, self.model.time)
        self.model.to_tracker(self.environment, tracker, self.signal(tracker, asks=asks), self)

    def signal(self, tracker: TrackerRef, *, asks: bool) -> PlaceSignal:
        here = [one.signal.tracker for one in self.roster.entries]
        return PlaceSignal(
            environment=self.environment,
            counter=self.roster.next_counter(self.model.time),
            observed=self.observations(),
            observed_at=self.observed_at,
            grant=self.roster.grant_for(tracker.uid) if tracker in here else None,
            asks=asks,
        )

    def list_trackers(self) -> None:
        """List a page of the live trackers, in the order of their names; it was read a moment before it arrives."""
        after = self.roster.cursor.after if self.roster.cursor else ""
        newest = {one.ref.uid: one for one in self.model.trackers.values() if one.ref.name > after}
        live = [one.ref for one in newest.values() if one.state not in (State.DONE, State.ABORTED)]
        page = sorted(live, key=lambda one: one.name)[:PAGE]
        then = TrackersCursor(after=page[-1].name) if len(page) == PAGE else None

        def listed() -> None:
            self.listing = False
            if self.model.places.get(self.environment) is self:
                self.roster.expect(page, then)
                self.step()

        self.model.send(listed, reliable=True)
