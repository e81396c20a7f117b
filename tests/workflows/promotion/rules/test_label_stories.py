"""Random interleavings of people's labels, webhooks, backstops, our own writes and lost ones: all of them converge.

The real rules play, pure: what labels mean (`by_labels`), what an instruction does (`meaning`), what is to be changed
(`plan_labels`) and what a host in memory shows. A look and a presentation are cut at each of their steps, so that edits
of people fall between reading and writing. A story ends in quiet: no edit comes any more, and the rest is played out.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from activities import instructions, state_labels
from activities.models.label_sync import LabelsLeft
from activities.models.promotion import Command, CommandAnswer, Verb
from activities.models.state_labels import HOLD, RETEST, STATES_BY_LABEL, place_label, state_label
from activities.models.steering import Instruction
from activities.state_labels import LabelNames, WantedLabels
from crds.reasons.vocabulary import State
from providers.models import LabelEvent, Person
from tests.workflows.promotion.view.test_pull_request import REQUEST
from workflows.promotion.rules import commands, steering
from workflows.promotion.state import PromotionState
from workflows.promotion.view.pull_request import present_input

STORIES = 1000
STEPS = 30
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = LabelNames()
STATES = (State.TESTING, State.TESTS_FAILED, State.READY_TO_PROMOTE)
EDITED = ("pilotage/testing", "pilotage/completed", "pilotage/env/prod", HOLD, RETEST, "bug", "pilotage/own")
OURS = {*STATES_BY_LABEL, HOLD, RETEST}
BOT = "pilotage-bot"


@dataclass
class Host:
    """Labels and what happened to them."""

    labels: list[str] = field(default_factory=lambda: ["bug"])
    events: list[LabelEvent] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """When the next change happens."""
        return BEGUN + timedelta(minutes=len(self.events))

    def change(self, label: str, by: str, *, add: bool) -> None:
        if (label in self.labels) is add:
            return
        self.labels = [*self.labels, label] if add else [one for one in self.labels if one != label]
        person = Person(id=by, name=by)
        at = self.now
        self.events.append(
            LabelEvent(id=str(len(self.events) + 1), label=label, added=add, by=person, at=at, own=by == BOT)
        )


@dataclass
class Tracker:
    """A tracker in one of three states, steered by labels; each step is what one task of it does."""

    host: Host
    chance: random.Random
    story: PromotionState = field(
        default_factory=lambda: PromotionState(
            started_at=BEGUN, state=State.TESTING, environment="dev", arrived=["dev"]
        )
    )
    cursor: int = 0
    left: LabelsLeft = field(default_factory=LabelsLeft)
    shown: tuple[str, ...] | None = None
    owed: bool = True
    dirty: bool = True
    """Whether a look was asked for."""
    rejected: int = 0
    retests: int = 0
    writes: int = 0

    def look(self) -> None:
        """Take what people asked for; cursors and effects are one."""
        self.dirty = False
        given = instructions.by_labels(NAMES, self.host.events[self.cursor :], BEGUN)
        self.cursor = len(self.host.events)
        for instruction in given:
            allowed = instruction.by.name != "reader"
            self.receive(
                Instruction(
                    id=instruction.id,
                    verb=instruction.verb,
                    by=instruction.by.name,
                    allowed=allowed,
                    why_not="" if allowed else "may not",
                    label=instruction.label,
                    at=instruction.at,
                )
            )
        self.owed = self.owed or bool(given)

    def receive(self, instruction: Instruction) -> None:
        story = self.story
        means = steering.meaning(story, instruction, steering.subject(story))
        answer = CommandAnswer(accepted=False, message=means.why_not)
        if means.verb is not None:
            command = self.command(instruction)
            refused = commands.refusal(REQUEST.tracker, story, means.verb, command) or commands.repeats(
                story, means.verb
            )
            answer = CommandAnswer(accepted=not refused, message=refused)
            if not refused:
                self.carry_out(means.verb, instruction)
        story.keep_answer(instruction.id, answer)
        self.rejected += not answer.accepted
        if gone := steering.outdated(story, instruction, accepted=answer.accepted):
            story.cleared = [*dict.fromkeys((*story.cleared, gone))]

    def carry_out(self, verb: Verb, instruction: Instruction) -> None:
        if verb is Verb.RETEST:
            # No one moves on past tests that failed but by having them run again.
            assert self.story.state in (*steering.RETESTED, State.TESTING)
            self.story.state, self.retests, self.owed = State.TESTING, self.retests + 1, True
            return
        commands.carry_out(self.story, verb, self.command(instruction), now=self.host.now)
        steering.note_hold(self.story, instruction)

    def command(self, instruction: Instruction) -> Command:
        return steering.command(instruction, steering.subject(self.story))

    def decide(self) -> None:
        """Let the tests end, one way or the other."""
        if self.story.state is State.TESTING and self.story.hold is None:
            self.story.state = self.chance.choice(STATES[1:])
            self.owed = True

    def present(self, people: Callable[[], None]) -> None:
        """Make the labels as wanted, with people's edits between each two calls; killed at any of them."""
        wanted = present_input(REQUEST, self.story, self.story.state, None)
        labels = WantedLabels(
            state=wanted.state_label,
            place=wanted.place_label,
            steering_labels=wanted.steering_labels,
            cleared=wanted.cleared,
        )
        there = list(self.host.labels)
        people()
        plan = state_labels.plan_labels(NAMES, labels, there, self.left)
        for label in plan.wanted if plan.add else ():
            self.write(label, add=True)
        if self.killed():
            return
        people()
        there = list(self.host.labels) if plan.add else there
        plan = state_labels.plan_labels(NAMES, labels, there, plan.left)
        for label in plan.remove:
            self.write(label, add=False)
            people()
            if self.killed():
                return
        self.left = plan.left
        self.story.cleared = [one for one in self.story.cleared if one not in wanted.cleared]
        self.owed = False

    def killed(self) -> bool:
        return self.chance.random() < 0.1

    def write(self, label: str, *, add: bool) -> None:
        before = len(self.host.events)
        self.host.change(label, BOT, add=add)
        self.writes += len(self.host.events) > before


def play(seed: int) -> Tracker:
    """Play one story, let it become quiet, and return the tracker."""
    chance = random.Random(seed)
    tracker = Tracker(Host(), chance)

    def person() -> None:
        if chance.random() < 0.3:
            label, add = chance.choice(EDITED), chance.random() < 0.6
            tracker.host.change(label, chance.choice(("writer", "reader")), add=add)
            # A webhook is lost now and then: the backstop looks later.
            tracker.dirty = tracker.dirty or chance.random() < 0.8

    for _ in range(STEPS):
        person()
        step = chance.choice(("look", "present", "decide", "command", "backstop"))
        if step == "look" and tracker.dirty:
            tracker.look()
        elif step == "present" and tracker.owed:
            tracker.present(person)
        elif step == "decide":
            tracker.decide()
        elif step == "command" and tracker.story.hold is not None:
            # A person releases it elsewhere.
            instruction = Instruction(id=f"c{chance.random()}", verb="release", by="ada", allowed=True)
            commands.carry_out(tracker.story, Verb.RELEASE, tracker.command(instruction), now=tracker.host.now)
            tracker.owed = True
        elif step == "backstop":
            tracker.dirty = tracker.owed = True
    settle(tracker)
    return tracker


def settle(tracker: Tracker) -> None:
    """Play what is left, without people and kills: a backstop first."""
    tracker.chance = random.Random(0)
    tracker.killed = lambda: False  # type: ignore[method-assign]
    tracker.dirty = tracker.owed = True
    for _ in range(6):
        if tracker.dirty:
            tracker.look()
        if tracker.owed:
            tracker.present(lambda: None)


def judge(tracker: Tracker) -> None:
    """Labels and tracker agree, nothing of others' was touched, and no more is written."""
    there, story = set(tracker.host.labels), tracker.story
    states = there & set(STATES_BY_LABEL)
    kept_off = tracker.left.removals >= state_labels.REMOVALS_UNDERSTOOD
    assert states == (set() if kept_off else {state_label(story.state)})
    assert {one for one in there if one.startswith("pilotage/env/")} == {place_label("dev")}
    assert (HOLD in there) == (story.hold is not None)
    assert RETEST not in there
    touched = {event.label for event in tracker.host.events if event.by.name == BOT}
    assert touched <= {*OURS, place_label("dev"), place_label("prod")}
    writes = tracker.writes
    for _ in range(3):
        tracker.dirty = tracker.owed = True
        tracker.look()
        tracker.present(lambda: None)
    assert tracker.writes == writes
    asked = [one for one in tracker.host.events if one.added and one.label in (RETEST, "pilotage/testing")]
    assert tracker.retests <= sum(one.by.name == "writer" for one in asked)
    given = instructions.by_labels(NAMES, tracker.host.events, BEGUN)
    assert {one.id for one in given[-50:]} <= set(story.answers)


@pytest.mark.parametrize("first", range(0, STORIES, 500))
def test_whatever_people_label_and_whatever_is_lost_labels_and_tracker_agree_in_the_end(first: int) -> None:
    ends = [play(seed) for seed in range(first, first + 500)]
    for tracker in ends:
        judge(tracker)
    # The stories are about something: people held, asked for tests again and were refused.
    assert all(
        (any(one.story.hold for one in ends), sum(one.retests for one in ends), sum(one.rejected for one in ends))
    )


def _notices(monkeypatch: pytest.MonkeyPatch, target: object, name: str, mutant: object) -> bool:
    monkeypatch.setattr(target, name, mutant)
    for seed in range(300):
        try:
            judge(play(seed))
        except AssertionError:
            return True
    return False


def test_the_stories_notice_our_own_labels_taken_for_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    original = instructions.by_labels

    def all_are_people(names: LabelNames, events: list[LabelEvent], begun: datetime) -> object:
        return original(names, [replace(one, own=False) for one in events], begun)

    assert _notices(monkeypatch, instructions, "by_labels", all_are_people)


def test_the_stories_notice_instructions_that_are_never_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _notices(monkeypatch, steering, "outdated", lambda story, instruction, *, accepted: "")


def test_a_hold_whose_label_is_taken_off_before_it_is_seen_holds_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    original = state_labels._is_to_go

    def greedy(names: LabelNames, wanted: WantedLabels, name: str) -> bool:
        return original(names, wanted, name) or names.ours(name) == HOLD

    assert not _notices(monkeypatch, state_labels, "_is_to_go", greedy)


def test_the_stories_notice_labels_of_other_states_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _notices(monkeypatch, state_labels, "_is_to_go", lambda names, wanted, name: False)


def test_the_stories_notice_labels_of_others_that_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _notices(monkeypatch, state_labels, "_is_to_go", lambda names, wanted, name: True)
