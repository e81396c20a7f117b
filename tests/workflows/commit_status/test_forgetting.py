"""What a host shows in the end, where answers are lost, runs end and forget, and events come late and again."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from activities.commit_statuses import host_status, judge
from activities.models import budgets
from activities.models.commit_statuses import CommitVerdict, PostCommitStatusInput, PostOutcome, StatusSlot
from providers import models
from workflows.commit_status.ordering import Slot
from workflows.commit_status.workflow import IDLE

SLOT = StatusSlot(namespace="n", provider="p", provider_uid="u", repository="r", commit="c" * 40, context="x")
LATE_SECONDS = (0, 0, 1, 5, 30, 60)
"""By which events come after they happened: less than a run remembers."""


@dataclass
class Story:
    """One context of one commit: its run, and what its host shows."""

    chance: random.Random
    now: datetime = datetime(2026, 1, 31, tzinfo=UTC)
    slot: Slot = field(default_factory=Slot)
    fresh: bool = True
    tried: tuple[CommitVerdict, ...] = ()
    host: models.CommitStatus | None = None
    happened: list[CommitVerdict] = field(default_factory=list)
    shown: list[CommitVerdict] = field(default_factory=list)
    """What the host took, in order."""

    def event(self) -> None:
        self.now += timedelta(seconds=self.chance.randint(1, 600))
        # No two at one time: of those the later arrival counts, which a repetition would be.
        at = self.now - timedelta(seconds=self.chance.choice(LATE_SECONDS), microseconds=len(self.happened))
        arrived = CommitVerdict(
            at=at,
            state=self.chance.choice(("success", "failure", "pending")),
            description=f"event {len(self.happened)}",
            received=self.now,
        )
        self.happened.append(arrived)
        self.slot.take(arrived)

    def repetition(self) -> None:
        if self.happened:
            self.now += timedelta(seconds=1)
            self.slot.take(replace(self.chance.choice(self.happened), received=self.now))

    def post(self, *, lost: bool = False) -> None:
        self.now += timedelta(seconds=1)
        looks_first = self.slot.posted is None
        verdict = self.slot.begin()
        if verdict is None:
            return
        wanted = host_status(SLOT, verdict)
        outcome = None
        if looks_first:
            request = PostCommitStatusInput(
                namespace=SLOT.namespace,
                slot=SLOT,
                verdict=verdict,
                look_first=True,
                fresh=self.fresh,
                tried=self.tried,
            )
            outcome = judge(request, wanted, self.host)
        if outcome is None:
            self.host = replace(wanted, posted_at=self.now)
            self.shown.append(verdict)
        if lost:
            if self.fresh or self.tried:
                self.fresh, self.tried = False, (*self.tried, verdict)[-budgets.POSTS_TRIED :]
            self.slot.failed(unknown=True)
        elif outcome is PostOutcome.OVERTAKEN:
            self.slot.dropped(unknown=True)
        else:
            self.fresh, self.tried = False, ()
            self.slot.shown()

    def lose(self) -> None:
        self.post(lost=True)

    def forget(self) -> None:
        if self.slot.wanted is None:
            self.slot, self.fresh, self.tried = Slot(), True, ()
            self.now += IDLE


def test_the_newest_event_is_shown_in_the_end_and_none_that_happened_before_it_after_it() -> None:
    for seed in range(3000):
        story = Story(chance=random.Random(seed))
        acts = (story.event, story.event, story.repetition, story.post, story.lose, story.forget)
        for _ in range(story.chance.randint(2, 14)):
            story.chance.choice(acts)()
        while story.slot.wanted is not None:
            story.post()
        if not story.happened:
            continue
        newest = max(story.happened, key=lambda one: one.at)
        assert story.host is not None
        assert (story.host.state.value, story.host.description) == (newest.state, newest.description), seed
        times = [one.at for one in story.shown]
        assert times == sorted(times), seed
