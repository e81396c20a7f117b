"""A tracker of the model: it keeps the contract of a promotion in docs/internals/architecture.md, and nothing more."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from activities.models.places import Counter, MemberSignal, PlaceSignal, Role
from activities.models.tracking import Artifact, TrackerRef
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.facts import (
    BACKSTOP,
    ENVIRONMENTS,
    HOLDER_BACKSTOP,
    OVER,
    State,
    Write,
    attempt_key,
)

if TYPE_CHECKING:
    from tests.workflows.environment.model import Model


@dataclass
class SimTracker:
    """One tracker, as its workflow keeps the contract."""

    model: "Model"
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
    taking: Counter | None = None
    """The view of the call that stands in line, and takes a free lane: the step awaits its answer, and sends nothing.
    """
    hold_unsent: bool = False
    artifacts: dict[str, str] = field(default_factory=dict)
    round_passed: bool = False
    passed: set[tuple[str, str]] = field(default_factory=set)
    """Artifacts that the running round's tests passed on: emptied when a verdict is void."""
    views: dict[str, PlaceSignal] = field(default_factory=dict)
    member_of: dict[str, Role] = field(default_factory=dict)
    resend: set[str] = field(default_factory=set)
    sent_at: int = 0

    @property
    def source(self) -> str:
        return ENVIRONMENTS[self.at]

    @property
    def target(self) -> str:
        return ENVIRONMENTS[self.at + 1] if self.at + 1 < len(ENVIRONMENTS) else ""

    @property
    def writing(self) -> bool:
        return any(one.attempt == attempt_key(self.ref) for one in self.model.writes)

    def send(self, environment: str, role: Role, phase: Phase, *, takes: bool = False) -> None:
        self.n += 1
        counter = Counter(epoch=self.ref.attempt, n=self.n)
        if phase is Phase.READY and self.granted:
            # Who has a grant that it may take does not send Ready again: that would decline it.
            phase = Phase.HOLDER
        if phase is Phase.READY:
            # Repeating Ready is not becoming Ready.
            self.ready_counter = self.ready_counter or counter
        if phase in (Phase.GONE, Phase.ARRIVED):
            self.member_of.pop(environment, None)
        else:
            self.member_of[environment] = role
        self.resend.discard(environment)
        self.sent_at = self.model.now
        if takes:
            self.taking = counter
        received = self.views.get(environment)
        view = MemberSignal(
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
            received=received.counter if received else None,
            takes=takes,
        )
        self.model.to_place(environment, view)

    def enter(self, phase: Phase, *, takes: bool = False) -> None:
        self.phase = phase
        if phase is not Phase.READY:
            self.ready_counter, self.granted = None, False
        self.send(self.target, Role.TARGET, phase, takes=takes)

    def phase_at(self, environment: str) -> tuple[Role, Phase]:
        role = self.member_of.get(environment)
        if role is None:
            return Role.AHEAD, Phase.GONE
        return role, self.phase if role is Role.TARGET else Phase.WORKING

    def receive(self, signal: PlaceSignal) -> None:
        known = self.views.get(signal.environment)
        if known is not None and signal.counter.as_tuple() <= known.counter.as_tuple():
            return
        self.views[signal.environment] = signal
        if signal.asks or (known is not None and known.counter.epoch != signal.counter.epoch):
            self.resend.add(signal.environment)
        if signal.grant is None:
            return
        ready = self.ready_counter
        fresh = ready is not None and signal.grant.answers.as_tuple() >= ready.as_tuple()
        if signal.environment == self.target and self.phase is Phase.READY and fresh and not self.held:
            self.granted = True
        elif self.phase is not Phase.HOLDER:
            self.resend.add(signal.environment)

    def receive_answer(self, asked: MemberSignal, answer: PlaceSignal) -> None:
        """Take the answer of a call; one that takes the lane is read only while the step awaits it."""
        if asked.takes and asked.counter != self.taking:
            return
        self.receive(answer)
        if asked.takes:
            self.taking = None
            if answer.grant is not None and answer.grant.answers == asked.counter:
                self.phase, self.ready_counter, self.granted = Phase.HOLDER, None, False

    def merge(self) -> None:
        if self.state is State.UNMERGED:
            self.commit = self.model.commits.add(self.model.commits.main, main=True)
            self.state = State.SYNC
            if self.held:
                self.hold(True)

    def hold(self, held: bool) -> None:
        self.held = held
        if self.taking is not None:
            self.hold_unsent = True
            return
        if held and self.phase is Phase.READY:
            self.phase, self.ready_counter, self.granted = Phase.WORKING, None, False
        for environment in ENVIRONMENTS[self.at :]:
            role, phase = self.phase_at(environment)
            if environment not in self.member_of:
                role, phase = Role.AHEAD, Phase.WORKING if held else Phase.GONE
            elif role is Role.AHEAD and not held:
                phase = Phase.GONE
            self.send(environment, role, phase)

    def retest(self) -> None:
        if self.state in (State.TESTING, State.TESTS_FAILED, State.READY) and not self.held and self.taking is None:
            if self.phase is not Phase.WORKING:
                self.enter(Phase.WORKING)
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
        """Return whether the target holds what the source is without, which only people can fix."""
        ready = self.state in (State.READY, State.TESTING) and self.phase is Phase.WORKING
        return ready and self.judge(self.model.runs[self.target]) == "diverged"

    def step(self) -> None:
        if self.taking is not None:
            if self.model.dice.random() < 0.9:
                return
            # The call is lost, wherever it is: the step gets in line again.
            self.taking = None
            self.resend.add(self.target)
        if self.hold_unsent:
            self.hold_unsent = False
            self.hold(self.held)
        if self.ending:
            self.end()
            return
        limit = HOLDER_BACKSTOP if self.phase is Phase.HOLDER else BACKSTOP
        if self.model.now - self.sent_at > limit:
            self.resend |= set(self.member_of)
        for environment in sorted(self.resend):
            self.send(environment, *self.phase_at(environment))
        if self.state is State.PROMOTING:
            self.promote()
        elif not self.held:
            self.go_on()
        elif self.state is State.READY and self.phase in (Phase.READY, Phase.HOLDER):
            # Held while the call stood in line: the step hands back what that took.
            self.enter(Phase.WORKING)

    def end(self) -> None:
        if self.writing:
            return
        for environment in sorted(self.member_of):
            self.send(environment, self.member_of[environment], Phase.GONE)
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
        if self.member_of.get(self.source) is not Role.SOURCE:
            self.send(self.source, Role.SOURCE, Phase.WORKING)
        running = self.believed(self.source)
        commit = self.commit
        if running is None or commit is None:
            return
        if not all(self.model.commits.contains(running.get(name), commit) for name in self.components):
            return
        if not self.target:
            for environment in sorted(self.member_of):
                self.send(environment, self.member_of[environment], Phase.GONE)
            self.state = State.DONE
            return
        self.phase = Phase.WORKING
        self.send(self.target, Role.TARGET, Phase.WORKING)
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
                self.enter(Phase.WORKING)
                self.state = State.READY
            return
        if judgement == "diverged" and self.model.calm:
            # A person retests with what the source runs by now.
            if self.phase in (Phase.READY, Phase.HOLDER):
                self.enter(Phase.WORKING)
            self.start_round()
        elif judgement == "ahead" and self.phase not in (Phase.READY, Phase.HOLDER):
            self.enter(Phase.READY, takes=self.model.dice.random() < 0.7)
            return
        elif judgement != "ahead" and self.phase in (Phase.READY, Phase.HOLDER):
            self.enter(Phase.WORKING)
        if self.granted and self.phase is Phase.READY:
            self.enter(Phase.HOLDER)
        if self.phase is Phase.HOLDER:
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
            self.enter(Phase.WORKING)
            self.state = State.READY
        elif not model.calm and model.dice.random() < 0.05:
            self.enter(Phase.FAILED)
            self.state = State.FAILED
        else:
            ends = model.now + model.dice.randint(1, model.start_to_close)
            name = behind[0]
            model.writes.append(
                Write(attempt_key(self.ref), self.target, name, running[name], self.artifacts[name], ends)
            )

    def arrive(self) -> None:
        self.enter(Phase.ARRIVED)
        if self.source in self.member_of:
            self.send(self.source, Role.SOURCE, Phase.GONE)
        self.at, self.hop, self.phase = self.at + 1, self.hop + 1, Phase.WORKING
        self.artifacts = {}
        self.passed.clear()
        self.state = State.SYNC
