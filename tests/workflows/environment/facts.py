"""What is simply true in the model: commits, states, writes in flight, and the error that a broken guarantee is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from activities.models.revisions import Relation
from activities.models.tracking import TrackerRef

START = datetime(2026, 1, 1, tzinfo=UTC)
COMPONENTS = ("api", "ui")
ENVIRONMENTS = ("dev", "staging", "prod")
BACKSTOP, HOLDER_BACKSTOP, START_TO_CLOSE, WATCH = 60, 20, 15, 10
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

    def __init__(self, *, digits: int = 1) -> None:
        self._digits = digits
        """Where a name must look like a hash, it needs seven characters."""
        self.first = self.main = self._name(0)
        self.ancestors: dict[str, frozenset[str]] = {self.main: frozenset()}

    def _name(self, number: int) -> str:
        return f"c{number:0{self._digits}}"

    def add(self, *parents: str, main: bool) -> str:
        name = self._name(len(self.ancestors))
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


def attempt_key(tracker: TrackerRef) -> str:
    """Return what distinguishes one attempt of a tracker from another."""
    return f"{tracker.uid}/{tracker.attempt}"


@dataclass
class Write:
    """A write activity in flight: it ends within the start-to-close timeout, whatever became of its workflow."""

    attempt: str
    environment: str
    component: str
    expected: str | None
    wanted: str
    ends: int
