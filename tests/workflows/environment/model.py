"""A model of trackers and places that follow the place protocol over a network that loses, repeats and reorders.

Places decide with the real roster and lane rules. Trackers follow the contract of docs/internals/architecture.md. Every
write and every grant is checked against what is true in the model, not against what anybody believes.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from activities.models.places import MemberSignal, PlaceSignal
from activities.models.tracking import TrackerRef
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.facts import (
    COMPONENTS,
    ENVIRONMENTS,
    OVER,
    START,
    START_TO_CLOSE,
    Broken,
    Commits,
    State,
    Write,
    attempt_key,
)
from tests.workflows.environment.simulated_place import Reading, SimPlace
from tests.workflows.environment.simulated_tracker import SimTracker


@dataclass
class Model:
    """Everything that is true, and the faults."""

    seed: int
    losses: float = 0.05
    lateness: float = 0.1
    trackers: dict[str, SimTracker] = field(default_factory=dict)
    places: dict[str, SimPlace] = field(default_factory=dict)
    calm: bool = False
    crowded: bool = False
    unrest: float = 0.15
    """How often a person commands something."""
    restarts: float = 0.02
    """How often the tracker that writes is restarted."""
    bursts: bool = False
    """Whether who writes is restarted several times in a row, with the place that it writes to, while others wait."""
    next_burst: int = 0
    start_to_close: int = START_TO_CLOSE
    """How long a write may last."""

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.calls_dice = random.Random(f"calls {self.seed}")
        # How often a place answers in the call.
        self.calls = self.calls_dice.choice((0, 0.5, 0.9))
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

    def send(self, deliver: Callable[[], None], *, reliable: bool = False) -> None:
        """Deliver soon, sometimes late, twice or never."""
        copies = 1
        if not self.calm and not reliable:
            copies = 0 if self.dice.random() < self.losses else 2 if self.dice.random() < self.losses else 1
        for _ in range(copies):
            late = not self.calm and self.dice.random() < self.lateness
            self.mail.append((self.now + self.dice.randint(1, 25 if late else 3), deliver))

    def to_place(self, environment: str, signal: MemberSignal) -> None:
        joins = signal.received is None and signal.phase is Phase.WORKING
        reading = Reading(runs=dict(self.runs[environment]), at=self.time) if joins else None

        def deliver() -> None:
            place = self.places.get(environment)
            if place is None:
                place = self.places[environment] = SimPlace(self, environment)
            key = (environment, signal.tracker.uid)
            before = self.delivered.get(key)
            if before is None or signal.counter.as_tuple() > before.counter.as_tuple():
                self.delivered[key] = signal
            if signal.awaits_answer and self.calls_dice.random() < self.calls:
                answered(place)
            elif not place.roster.receive(signal, self.time):
                place.roster.repeated(signal)
            place.step()

        def answered(place: SimPlace) -> None:
            """Answer in the call: a caller that lost the answer calls again, signals the same view, or is gone."""
            answer, receiver = place.answer(signal, reading), self.trackers[attempt_key(signal.tracker)]
            if not self.calm and self.dice.random() < self.losses:
                if self.dice.random() < 0.8:
                    self.mail.append((self.now + self.dice.randint(1, 25), deliver))
            elif answer is not None:
                receive = partial(receiver.receive_answer, signal, answer)
                self.mail.append((self.now + self.dice.randint(0, 3), receive))

        self.send(deliver)

    def to_tracker(self, environment: str, tracker: TrackerRef, signal: PlaceSignal, place: SimPlace) -> None:
        def deliver() -> None:
            receiver = self.trackers[attempt_key(tracker)]
            if receiver.state not in OVER:
                receiver.receive(signal)
            elif self.places.get(environment) is place:
                place.roster.vanish(tracker, self.time, quarantine=timedelta(seconds=self.start_to_close))
                place.step()

        self.send(deliver)

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
        tracker = self.trackers[write.attempt]
        if (write.component, write.wanted) not in tracker.passed:
            raise Broken(f"untested artifact written: {write}")
        running[write.component] = write.wanted

    def check_writers(self) -> None:
        """Check that at most one tracker writes, or may write, to each place."""
        for environment in ENVIRONMENTS:
            writers = {one.attempt for one in self.writes if one.environment == environment}
            writers |= {
                attempt_key(one.ref)
                for one in self.trackers.values()
                if one.state is State.PROMOTING and one.target == environment
            }
            if len(writers) > 1:
                raise Broken(f"two writers in {environment} at {self.now}: {sorted(writers)}")

    def check_grant(self, environment: str, candidate: MemberSignal) -> None:
        """Check that no tracker whose hold any run of the place was sent is moved along, nor a held one itself."""
        self.grants += 1
        for (name, uid), view in self.delivered.items():
            if name != environment or not view.held or view.revision is None:
                continue
            tracker = self.trackers[attempt_key(view.tracker)]
            if not tracker.held or tracker.state in OVER:
                continue
            for artifact in candidate.artifacts:
                moved = artifact.component in view.components and self.commits.contains(
                    artifact.revision, view.revision
                )
                there = self.commits.contains(self.runs[environment][artifact.component], view.revision)
                if moved and not there and not self.places[environment].stale(artifact.component):
                    raise Broken(f"{candidate.tracker.name} was granted {environment} although {uid} is held")

    def something_happens(self) -> None:
        dice = self.dice
        if self.bursts and self.writes and self.now >= self.next_burst:
            self.burst(self.writes[0])
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
            self.trackers[self.writes[0].attempt].vanish()
        if self.writes and dice.random() < self.restarts:
            self.restart(self.trackers[self.writes[0].attempt])
            if dice.random() < 0.3:
                self.places.pop(self.writes[0].environment, None)
        if dice.random() < self.restarts / 10:
            self.restart(dice.choice(list(self.trackers.values())))
        if dice.random() < self.unrest:
            self.command(dice.choice(list(self.trackers.values())))

    def burst(self, write: Write) -> None:
        """Restart who writes up to three times, and have the place forget all somewhere in between."""
        self.next_burst = self.now + 60
        for number in range(self.dice.randint(1, 3)):
            again = partial(self.restart, self.trackers[write.attempt])
            self.mail.append((self.now + number * self.dice.randint(1, 4), again))
        if self.dice.random() < 0.7:
            self.mail.append((self.now + self.dice.randint(0, 8), partial(self.forget, write.environment)))

    def forget(self, environment: str) -> None:
        """End a place's run; the next one remembers nothing."""
        self.places.pop(environment, None)

    def restart(self, tracker: SimTracker) -> None:
        """Begin a newer attempt of a tracker; the one before gets its end, wherever it is, or is gone already."""
        newest = max(
            (one for one in self.trackers.values() if one.ref.uid == tracker.ref.uid), key=lambda one: one.ref.attempt
        )
        if newest.state is State.DONE:
            return
        if self.dice.random() < 0.5:
            newest.vanish()
        # Who ends it may be away for a while, and it goes on meanwhile.
        late = self.dice.choice((0, 40, 40) if self.bursts else (0, 0, 40))
        self.mail.append((self.now + late, partial(setattr, newest, "ending", True)))
        newest.ending = not late
        ref = replace(newest.ref, attempt=newest.ref.attempt + 1)
        again = SimTracker(model=self, ref=ref, number=newest.number, components=newest.components)
        again.commit, again.state = newest.commit, State.SYNC if newest.commit else State.UNMERGED
        self.trackers[attempt_key(ref)] = again

    def command(self, tracker: SimTracker) -> None:
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
            tracker.enter(Phase.WORKING)
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
        # The team brings the hotfixes home, so that nothing stays diverged forever.
        heads = {one for running in self.runs.values() for one in running.values() if one}
        heads |= {write.wanted for write in self.writes}
        head = self.commits.add(self.commits.main, *sorted(heads), main=True)
        for component in COMPONENTS:
            self.runs["dev"][component] = head


def run(seed: int, *, trackers: int = 5, ticks: int = 250, bursts: bool = False) -> Model:
    """Live through one random story, then through calm until everybody has ended.

    `bursts`: a story of a crowd before one lane, about writers that are restarted again and again.
    """
    dice = random.Random(-seed)
    model = Model(seed, losses=dice.choice((0, 0.05, 0.2)), lateness=dice.choice((0.05, 0.3)))
    model.unrest = dice.choice((0.05, 0.15, 0.4))
    model.restarts = dice.choice((0.02, 0.02, 0.2))
    if bursts:
        model.bursts, model.unrest, model.restarts, model.start_to_close = True, 0.05, 0, 60
    for number in range(1, trackers + 1):
        ref = TrackerRef(namespace="shop", name=f"t{number}", uid=f"u{number}", attempt=1)
        components = model.dice.choice((COMPONENTS, COMPONENTS[:1], COMPONENTS[1:]))
        model.trackers[attempt_key(ref)] = SimTracker(model=model, ref=ref, number=number, components=components)
    if dice.random() < 0.5 or bursts:
        # A crowd before one lane: everything is merged, deployed, and started over again and again.
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
