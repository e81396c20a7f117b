"""A model of trackers and places that speak the place protocol over a network that loses, repeats and reorders.

Places decide with the real roster and lane rules. Trackers follow the contract that design §5 gives them. Every write
and every grant is checked against what is true in the model, not against what anybody believes.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from activities.models.delivery import Observation
from activities.models.places import Counter, MemberSignal, Phase, PlaceSignal
from activities.models.revisions import Relation
from activities.models.tracking import Artifact, TrackerRef
from workflows.environment.ancestry import KnownAncestry
from workflows.environment.lane import LaneView, decide
from workflows.environment.members import Roster
from workflows.environment.state import RosterState

START = datetime(2026, 1, 1, tzinfo=UTC)
COMPONENTS = ("api", "ui")
ENVIRONMENTS = ("dev", "staging", "prod")
BACKSTOP, HOLDER_BACKSTOP, START_TO_CLOSE = 60, 20, 15
"""In ticks, which stand for seconds."""


class State(StrEnum):
    UNMERGED = "Unmerged"
    SYNC = "AwaitingSync"
    TESTING = "Testing"
    TESTS_FAILED = "TestsFailed"
    READY = "ReadyToPromote"
    PROMOTING = "Promoting"
    FAILED = "PromotionFailed"
    DONE = "Completed"
    ABORTED = "Aborted"
    VANISHED = "Vanished"


OVER = (State.DONE, State.ABORTED, State.VANISHED)


class Broken(AssertionError):
    """A guarantee does not hold."""


class Commits:
    """The application repository: a main line, and hotfixes that leave it."""

    def __init__(self) -> None:
        self.ancestors: dict[str, frozenset[str]] = {"c0": frozenset()}
        self.main = "c0"

    def add(self, *parents: str, main: bool) -> str:
        name = f"c{len(self.ancestors)}"
        self.ancestors[name] = frozenset().union(*(self.ancestors[one] | {one} for one in parents))
        if main:
            self.main = name
        return name

    def contains(self, whole: str | None, part: str) -> bool:
        return whole is not None and (whole == part or part in self.ancestors[whole])

    def relation(self, base: str, head: str) -> Relation:
        if base == head:
            return Relation.IDENTICAL
        if base in self.ancestors[head]:
            return Relation.AHEAD
        return Relation.BEHIND if head in self.ancestors[base] else Relation.DIVERGED


@dataclass
class Write:
    """A write activity in flight: it ends within the start-to-close timeout, whatever became of its workflow."""

    uid: str
    environment: str
    component: str
    expected: str | None
    wanted: str
    ends: int


@dataclass
class Model:
    """Everything that is true, and the faults."""

    seed: int
    losses: float = 0.05
    lateness: float = 0.1
    trackers: dict[str, "SimTracker"] = field(default_factory=dict)
    places: dict[str, "SimPlace"] = field(default_factory=dict)
    calm: bool = False
    crowded: bool = False
    unrest: float = 0.15
    """How often a person says something."""

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.now = 0
        self.commits = Commits()
        self.runs: dict[str, dict[str, str | None]] = {name: dict.fromkeys(COMPONENTS, "c0") for name in ENVIRONMENTS}
        self.mail: list[tuple[int, Callable[[], None]]] = []
        self.writes: list[Write] = []
        self.delivered: dict[tuple[str, str], MemberSignal] = {}
        """(environment, uid) -> newest view that any run of the place was given."""
        self.grants = 0

    @property
    def time(self) -> datetime:
        return START + timedelta(seconds=self.now)

    # -- the network -------------------------------------------------------------------------------------------

    def send(self, deliver: Callable[[], None], *, reliable: bool = False) -> None:
        """Deliver soon, sometimes late, twice or never."""
        copies = 1
        if not self.calm and not reliable:
            copies = 0 if self.dice.random() < self.losses else 2 if self.dice.random() < self.losses else 1
        for _ in range(copies):
            late = not self.calm and self.dice.random() < self.lateness
            self.mail.append((self.now + self.dice.randint(1, 25 if late else 3), deliver))

    def to_place(self, environment: str, signal: MemberSignal) -> None:
        def deliver() -> None:
            place = self.places.get(environment)
            if place is None:
                place = self.places[environment] = SimPlace(self, environment)
            key = (environment, signal.tracker.uid)
            before = self.delivered.get(key)
            if before is None or signal.counter.as_tuple() > before.counter.as_tuple():
                self.delivered[key] = signal
            place.roster.receive(signal, self.time)
            place.step()

        self.send(deliver)

    def to_tracker(self, environment: str, tracker: TrackerRef, signal: PlaceSignal, place: "SimPlace") -> None:
        def deliver() -> None:
            receiver = self.trackers[tracker.uid]
            if receiver.state not in OVER:
                receiver.hear(signal)
            elif self.places.get(environment) is place:
                place.roster.vanish(tracker, self.time, quarantine=timedelta(seconds=START_TO_CLOSE))
                place.step()

        self.send(deliver)

    # -- one tick ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        self.now += 1
        due = [one for one in self.mail if one[0] <= self.now]
        self.mail = [one for one in self.mail if one[0] > self.now]
        self.dice.shuffle(due)
        for _, deliver in due:
            deliver()
            self.check_writers()
        for write in [one for one in self.writes if one.ends <= self.now]:
            self.writes.remove(write)
            self.land(write)
        if not self.calm:
            self.something_happens()
        for tracker in self.dice.sample(list(self.trackers.values()), len(self.trackers)):
            if tracker.state not in OVER and self.dice.random() < 0.6:
                tracker.step()
                self.check_writers()
        for place in list(self.places.values()):
            if self.dice.random() < (0.5 if place.roster.holder() else 0.2):
                place.observe()
            place.step()

    def land(self, write: Write) -> None:
        """Apply a write by compare-and-set, and check guarantees 3 and 4 where it counts."""
        running = self.runs[write.environment]
        if running[write.component] != write.expected:
            return
        if not self.commits.contains(write.wanted, write.expected or write.wanted):
            raise Broken(f"{write.environment} moved backwards: {write}")
        tracker = self.trackers[write.uid]
        if (write.component, write.wanted) not in tracker.passed:
            raise Broken(f"untested artifact written: {write}")
        running[write.component] = write.wanted

    def check_writers(self) -> None:
        """Check that at most one tracker writes, or may write, to each place."""
        for environment in ENVIRONMENTS:
            writers = {one.uid for one in self.writes if one.environment == environment}
            writers |= {
                one.ref.uid
                for one in self.trackers.values()
                if one.state is State.PROMOTING and one.target == environment
            }
            if len(writers) > 1:
                raise Broken(f"two writers in {environment} at {self.now}: {sorted(writers)}")

    def check_grant(self, environment: str, candidate: MemberSignal) -> None:
        """Check that no tracker whose hold any run of the place was told is moved along, nor a held one itself."""
        self.grants += 1
        for (name, uid), view in self.delivered.items():
            held = name == environment and view.held and self.trackers[uid].held
            if not held or self.trackers[uid].state in OVER or view.revision is None:
                continue
            for artifact in candidate.artifacts:
                moved = artifact.component in view.components and self.commits.contains(
                    artifact.revision, view.revision
                )
                there = self.commits.contains(self.runs[environment][artifact.component], view.revision)
                if moved and not there and not self.places[environment].stale(artifact.component):
                    raise Broken(f"{candidate.tracker.name} was granted {environment} past the hold of {uid}")

    # -- faults and people -------------------------------------------------------------------------------------

    def something_happens(self) -> None:
        dice = self.dice
        if dice.random() < 0.06:
            self.runs["dev"][dice.choice(COMPONENTS)] = self.commits.main
        if dice.random() < 0.01:
            environment, component = dice.choice(ENVIRONMENTS), dice.choice(COMPONENTS)
            base = self.runs[environment][component] or "c0"
            self.runs[environment][component] = self.commits.add(base, main=False)
        if dice.random() < 0.015 and self.places:
            del self.places[dice.choice(sorted(self.places))]
        if dice.random() < 0.004:
            dice.choice(list(self.trackers.values())).vanish()
        if self.writes and dice.random() < 0.02:
            self.trackers[self.writes[0].uid].vanish()
        if dice.random() < self.unrest:
            self.command(dice.choice(list(self.trackers.values())))

    def command(self, tracker: "SimTracker") -> None:
        if tracker.state in OVER:
            return
        verbs = ("merge", "merge", "hold", "release", "release", "retest", "retry", "abort")
        verb = self.dice.choice(("retest", "retest", "retry", "hold", "release", "release") if self.crowded else verbs)
        if verb == "merge":
            tracker.merge()
        elif verb in ("hold", "release"):
            tracker.hold(verb == "hold")
        elif verb == "retest":
            tracker.retest()
        elif verb == "retry" and tracker.state is State.FAILED and not tracker.held:
            tracker.speak(Phase.WORKING)
            tracker.state = State.READY
        elif verb == "abort" and self.dice.random() < 0.2:
            tracker.ending = True

    def settle(self) -> None:
        """End all faults and holds, and give everybody what a person or a deployment must give."""
        self.calm = True
        for tracker in self.trackers.values():
            if tracker.state not in OVER:
                tracker.hold(False)
                tracker.merge()
        # The team brings the hotfixes home, so that nothing stays diverged for ever.
        heads = {one for running in self.runs.values() for one in running.values() if one}
        heads |= {write.wanted for write in self.writes}
        head = self.commits.add(self.commits.main, *sorted(heads), main=True)
        for component in COMPONENTS:
            self.runs["dev"][component] = head


@dataclass
class SimTracker:
    """One tracker, as its workflow keeps the contract."""

    model: Model
    ref: TrackerRef
    number: int
    components: tuple[str, ...]
    state: State = State.UNMERGED
    at: int = 0
    commit: str | None = None
    held: bool = False
    ending: bool = False
    phase: Phase = Phase.WORKING
    hop: int = 0
    n: int = 0
    ready_counter: Counter | None = None
    granted: bool = False
    artifacts: dict[str, str] = field(default_factory=dict)
    round_passed: bool = False
    passed: set[tuple[str, str]] = field(default_factory=set)
    """Artifacts that the running round's tests passed on: emptied when a verdict is void."""
    views: dict[str, PlaceSignal] = field(default_factory=dict)
    member_of: dict[str, str] = field(default_factory=dict)
    retell: set[str] = field(default_factory=set)
    told_at: int = 0

    @property
    def source(self) -> str:
        return ENVIRONMENTS[self.at]

    @property
    def target(self) -> str:
        return ENVIRONMENTS[self.at + 1] if self.at + 1 < len(ENVIRONMENTS) else ""

    @property
    def writing(self) -> bool:
        return any(one.uid == self.ref.uid for one in self.model.writes)

    # -- speaking with places ----------------------------------------------------------------------------------

    def tell(self, environment: str, role: str, phase: Phase) -> None:
        self.n += 1
        counter = Counter(epoch=1, n=self.n)
        if phase is Phase.READY and self.granted:
            # Who has heard a grant that it may take does not say Ready again: that would decline it.
            phase = Phase.HOLDER
        if phase is Phase.READY:
            # Repeating Ready is not becoming Ready.
            self.ready_counter = self.ready_counter or counter
        if phase in (Phase.GONE, Phase.ARRIVED):
            self.member_of.pop(environment, None)
        else:
            self.member_of[environment] = role
        heard = self.views.get(environment)
        self.retell.discard(environment)
        self.told_at = self.model.now
        self.model.to_place(
            environment,
            MemberSignal(
                tracker=self.ref,
                number=self.number,
                workflow_id=self.ref.name,
                counter=counter,
                hop=self.hop,
                role=role,
                phase=phase,
                held=self.held,
                revision=self.commit,
                components=self.components,
                artifacts=tuple(Artifact(component=key, revision=value) for key, value in self.artifacts.items()),
                heard=heard.counter if heard else None,
            ),
        )

    def speak(self, phase: Phase) -> None:
        self.phase = phase
        if phase is not Phase.READY:
            self.ready_counter, self.granted = None, False
        self.tell(self.target, "target", phase)

    def phase_at(self, environment: str) -> tuple[str, Phase]:
        role = self.member_of.get(environment)
        if role is None:
            return "ahead", Phase.GONE
        return role, self.phase if role == "target" else Phase.WORKING

    def hear(self, signal: PlaceSignal) -> None:
        known = self.views.get(signal.environment)
        if known is not None and signal.counter.as_tuple() <= known.counter.as_tuple():
            return
        self.views[signal.environment] = signal
        if signal.asks or (known is not None and known.counter.epoch != signal.counter.epoch):
            self.retell.add(signal.environment)
        if signal.grant is None:
            return
        ready = self.ready_counter
        fresh = ready is not None and signal.grant.answers.as_tuple() >= ready.as_tuple()
        if signal.environment == self.target and self.phase is Phase.READY and fresh and not self.held:
            self.granted = True
        elif self.phase is not Phase.HOLDER:
            self.retell.add(signal.environment)

    # -- living ------------------------------------------------------------------------------------------------

    def merge(self) -> None:
        if self.state is State.UNMERGED:
            self.commit = self.model.commits.add(self.model.commits.main, main=True)
            self.state = State.SYNC
            if self.held:
                self.hold(True)

    def hold(self, held: bool) -> None:
        self.held = held
        if held and self.phase is Phase.READY:
            self.phase, self.ready_counter, self.granted = Phase.WORKING, None, False
        for environment in ENVIRONMENTS[self.at :]:
            role, phase = self.phase_at(environment)
            if environment not in self.member_of:
                role, phase = "ahead", Phase.WORKING if held else Phase.GONE
            elif role == "ahead" and not held:
                phase = Phase.GONE
            self.tell(environment, role, phase)

    def retest(self) -> None:
        if self.state in (State.TESTING, State.TESTS_FAILED, State.READY) and not self.held:
            if self.phase is not Phase.WORKING:
                self.speak(Phase.WORKING)
            self.start_round()

    def vanish(self) -> None:
        if self.state not in OVER:
            self.state = State.VANISHED

    def start_round(self) -> None:
        running = self.model.runs[self.source]
        self.artifacts = {name: running[name] or "c0" for name in self.components}
        self.passed.clear()
        self.state = State.TESTING

    def judge(self, running: dict[str, str | None]) -> str:
        """Compare the artifacts with what a place runs."""
        commits = self.model.commits
        if all(commits.contains(running.get(name), revision) for name, revision in self.artifacts.items()):
            return "contained"
        for name, revision in self.artifacts.items():
            there = running.get(name)
            if not commits.contains(there, revision) and not commits.contains(revision, there or revision):
                return "diverged"
        return "ahead"

    def believed(self, environment: str) -> dict[str, str | None] | None:
        view = self.views.get(environment)
        if view is None or view.observed_at is None:
            return None
        return {one.component: one.runs for one in view.observed}

    def waits_for_target(self) -> bool:
        """Tell whether the target holds what the source lacks, which only people can mend."""
        ready = self.state in (State.READY, State.TESTING) and self.phase is Phase.WORKING
        return ready and self.judge(self.model.runs[self.target]) == "diverged"

    def step(self) -> None:
        if self.ending:
            self.end()
            return
        limit = HOLDER_BACKSTOP if self.phase is Phase.HOLDER else BACKSTOP
        if self.model.now - self.told_at > limit:
            self.retell |= set(self.member_of)
        for environment in sorted(self.retell):
            self.tell(environment, *self.phase_at(environment))
        if self.state is State.PROMOTING:
            self.promote()
        elif not self.held:
            self.go_on()

    def end(self) -> None:
        if self.writing:
            return
        for environment in sorted(self.member_of):
            self.tell(environment, self.member_of[environment], Phase.GONE)
        self.state = State.ABORTED

    def go_on(self) -> None:
        dice = self.model.dice
        if self.state is State.SYNC:
            self.await_sync()
        elif self.state is State.TESTING and dice.random() < 0.3:
            failed = not self.model.calm and dice.random() < 0.3
            self.state = State.TESTS_FAILED if failed else State.READY
            if not failed:
                self.passed = set(self.artifacts.items())
        elif self.state is State.TESTS_FAILED and self.model.calm:
            self.start_round()
        elif self.state in (State.READY, State.FAILED):
            self.stand_in_line()

    def await_sync(self) -> None:
        if self.member_of.get(self.source) != "source":
            self.tell(self.source, "source", Phase.WORKING)
        running = self.believed(self.source)
        commit = self.commit
        if running is None or commit is None:
            return
        if not all(self.model.commits.contains(running.get(name), commit) for name in self.components):
            return
        if not self.target:
            for environment in sorted(self.member_of):
                self.tell(environment, self.member_of[environment], Phase.GONE)
            self.state = State.DONE
            return
        self.phase = Phase.WORKING
        self.tell(self.target, "target", Phase.WORKING)
        self.start_round()

    def stand_in_line(self) -> None:
        running = self.believed(self.target)
        if running is None:
            return
        judgement = self.judge(running)
        if judgement == "contained":
            self.arrive()
            return
        if self.state is State.FAILED:
            if self.model.calm:
                self.speak(Phase.WORKING)
                self.state = State.READY
            return
        if judgement == "diverged" and self.model.calm:
            # A person retests with what the source runs by now.
            if self.phase is Phase.READY:
                self.speak(Phase.WORKING)
            self.start_round()
        elif judgement == "ahead" and self.phase is not Phase.READY:
            self.speak(Phase.READY)
        elif judgement != "ahead" and self.phase is Phase.READY:
            self.speak(Phase.WORKING)
        if self.granted and self.phase is Phase.READY:
            self.speak(Phase.HOLDER)
            self.state = State.PROMOTING

    def promote(self) -> None:
        """Write component after component; hold acts between them and keeps the lane."""
        model = self.model
        if self.writing:
            return
        running = model.runs[self.target]
        behind = [name for name, want in self.artifacts.items() if not model.commits.contains(running[name], want)]
        if not behind:
            self.arrive()
        elif self.held:
            return
        elif any(not model.commits.contains(self.artifacts[name], running[name] or "c0") for name in behind):
            self.speak(Phase.WORKING)
            self.state = State.READY
        elif not model.calm and model.dice.random() < 0.05:
            self.speak(Phase.FAILED)
            self.state = State.FAILED
        else:
            ends = model.now + model.dice.randint(1, START_TO_CLOSE)
            name = behind[0]
            model.writes.append(Write(self.ref.uid, self.target, name, running[name], self.artifacts[name], ends))

    def arrive(self) -> None:
        self.speak(Phase.ARRIVED)
        if self.source in self.member_of:
            self.tell(self.source, "source", Phase.GONE)
        self.at, self.hop, self.phase = self.at + 1, self.hop + 1, Phase.WORKING
        self.artifacts = {}
        self.passed.clear()
        self.state = State.SYNC


class SimPlace:
    """One run of a place: the real rules over what it was told and what it saw."""

    def __init__(self, model: Model, environment: str) -> None:
        self.model = model
        self.environment = environment
        # Two runs never start in the same millisecond.
        self.roster = Roster(RosterState(epoch=int(model.time.timestamp() * 1000)))
        self.ancestry = KnownAncestry()
        self.observed: dict[str, str | None] | None = None
        self.observed_at: datetime | None = None
        self.told: dict[str, object] = {}
        self.listing = False

    def observe(self) -> None:
        if self.roster.members:
            self.observed, self.observed_at = dict(self.model.runs[self.environment]), self.model.time

    def stale(self, component: str) -> bool:
        """Tell whether the place has not seen yet what runs there now."""
        return self.observed is None or self.observed[component] != self.model.runs[self.environment][component]

    def observations(self) -> tuple[Observation, ...]:
        return tuple(
            Observation(deployment=name, component=name, application=name, runs=runs, written=runs, settled=True)
            for name, runs in (self.observed or {}).items()
        )

    def step(self) -> None:
        model, roster, now = self.model, self.roster, self.model.time
        roster.expire(now)
        if not roster.listed and not self.listing and any(one.role == "target" for one in roster.members):
            self.listing = True
            self.list_trackers()
        occupied_by, because = roster.occupied(now)
        missing = tuple(one.tracker.name for one in roster.awaited) if roster.listed else ("",)
        view = LaneView(
            members=roster.members,
            observations=self.observations(),
            unobserved="" if self.observed is not None else "not observed",
            occupied_by=occupied_by,
            occupied_because=because,
            missing=missing,
        )
        decision = decide(view, self.ancestry)
        if decision.grant is not None:
            candidate = next(one for one in roster.members if one.tracker.uid == decision.grant)
            model.check_grant(self.environment, candidate)
            roster.give(decision.grant, now)
        for pair in decision.pairs:
            if model.dice.random() < 0.7:
                self.ancestry.learn(pair.base, pair.head, model.commits.relation(pair.base, pair.head))
        asked = roster.due_to_be_asked(
            now,
            blockers=decision.blockers,
            backstop=timedelta(seconds=BACKSTOP),
            holder_backstop=timedelta(seconds=HOLDER_BACKSTOP),
        )
        asking = {one.uid: one for one in asked}
        for member in roster.entries:
            uid = member.signal.tracker.uid
            news = (tuple((self.observed or {}).items()), decision.blocked_by.get(uid), roster.grant_for(uid))
            if member.answer_due or uid in asking or self.told.get(uid) != news:
                self.told[uid] = news
                self.tell(member.signal.tracker, asks=asking.pop(uid, None) is not None, decision_blocked=uid)
                roster.answered(uid)
        for tracker in asking.values():
            self.tell(tracker, asks=True, decision_blocked="")

    def tell(self, tracker: TrackerRef, *, asks: bool, decision_blocked: str) -> None:
        now = self.model.time
        if asks:
            self.roster.asked(tracker.uid, now)
        signal = PlaceSignal(
            environment=self.environment,
            counter=self.roster.next_counter(now),
            observed=self.observations(),
            observed_at=self.observed_at,
            grant=self.roster.grant_for(tracker.uid),
            asks=asks,
        )
        self.model.to_tracker(self.environment, tracker, signal, self)

    def list_trackers(self) -> None:
        live = [one.ref for one in self.model.trackers.values() if one.state not in (State.DONE, State.ABORTED)]

        def listed() -> None:
            if self.model.places.get(self.environment) is self:
                self.roster.expect(live)
                self.step()

        self.model.send(listed, reliable=True)


def run(seed: int, *, trackers: int = 5, ticks: int = 250) -> Model:
    """Live through one random story, then through calm until everybody has ended."""
    dice = random.Random(-seed)
    model = Model(seed, losses=dice.choice((0, 0.05, 0.2)), lateness=dice.choice((0.05, 0.3)))
    model.unrest = dice.choice((0.05, 0.15, 0.4))
    for number in range(1, trackers + 1):
        ref = TrackerRef(namespace="shop", name=f"t{number}", uid=f"u{number}", attempt=1)
        components = model.dice.choice((COMPONENTS, COMPONENTS[:1], COMPONENTS[1:]))
        model.trackers[ref.uid] = SimTracker(model=model, ref=ref, number=number, components=components)
    if dice.random() < 0.5:
        # A crowd before one lane: everything is merged, deployed, and told again and again to start over.
        model.crowded = True
        for tracker in model.trackers.values():
            tracker.merge()
            for component in COMPONENTS:
                model.runs["dev"][component] = model.commits.main
    for _ in range(ticks):
        model.tick()
    model.settle()
    for _ in range(900):
        if all(one.state in OVER for one in model.trackers.values()):
            return model
        model.tick()
    left = [one for one in model.trackers.values() if one.state not in OVER and not one.waits_for_target()]
    if left:
        raise Broken(f"nothing keeps {[(one.ref.name, one.state, one.phase, one.at) for one in left]}, yet they wait")
    return model
