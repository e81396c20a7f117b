"""Test runs as the workflows see them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from activities.models.bounds import Bounded, First, Line, Link, Short
from activities.models.budgets import FOREIGN_KEPT
from activities.models.configuration import TestSpec
from activities.models.delivery import DeploymentRuns, ReadDeploymentsInput
from activities.models.failures import Failure


class RunState(StrEnum):
    """How far a run is; the last five are final."""

    QUEUED = "Queued"
    RUNNING = "Running"
    PASSED = "Passed"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    CANCELLED = "Cancelled"
    ERROR = "Error"

    @property
    def final(self) -> bool:
        """Whether the CI system will not change this verdict any more."""
        return self not in (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class RunRef(Bounded):
    """Name one run at its CI system. `id` is opaque to workflows and may change while a run leaves a queue."""

    runner: str
    job: str
    key: str
    """The promotion key, by which the run is found again when a reply was lost."""
    id: str
    url: Link = ""
    began: datetime | None = None
    """When the key was made, by the server's time; no run of it can be older."""
    digests: dict[str, str] | None = None
    """Of each parameter that was sent, by its name: another run that shows the key has perhaps others."""


@dataclass(frozen=True, kw_only=True)
class TriggerTestInput:
    """Ask for exactly one counted run of a job under `key`."""

    namespace: str
    runner: str
    job: str
    key: str
    parameters: dict[str, str]
    """Templates over `variables`."""
    variables: dict[str, str]
    test: str = ""
    again: bool = False
    """Whether an earlier trigger of this key may have been accepted without an answer that reached us."""
    listing_lag: timedelta = timedelta(0)
    """How long a run that was accepted may be missing in the CI system's lists."""
    repository: str = ""
    """The GitRepository in whose turn the calls wait, where many share a CI system and its credential."""
    began: datetime | None = None
    """When the key was made, by the server's time; None of a workflow that began before this was known."""


@dataclass(frozen=True, kw_only=True)
class TriggerTestResult(Bounded):
    run: RunRef
    found: bool = False
    """Whether the run was there already, found by its key."""
    duplicates: int = 0
    """How many further runs with the same key were cancelled."""
    foreign: Annotated[tuple[Line, ...], First(FOREIGN_KEPT)] = ()
    """Which runs show the key and are not ours, each with why; they count for nothing and are left alone."""


@dataclass(frozen=True, kw_only=True)
class RoundTest:
    """Ask for exactly one counted run of one test of a round."""

    spec: TestSpec
    key: str
    variables: dict[str, str]
    """Those that differ between the tests of the call."""
    began: datetime | None = None
    """As a trigger's."""
    until: datetime | None = None
    """The test's deadline, by the server's time: from then on nothing is begun."""


@dataclass(frozen=True, kw_only=True)
class TriggerRoundInput:
    """Ask for one counted run of each of these tests."""

    namespace: str
    repository: str
    """As a trigger's."""
    tests: tuple[RoundTest, ...]
    variables: dict[str, str]
    """Those that all tests have in common."""
    listing_lag: timedelta = timedelta(0)
    """As a trigger's."""
    source: ReadDeploymentsInput | None = None
    """What is read after the last trigger."""


@dataclass(frozen=True, kw_only=True)
class TriggeredTest:
    """State what became of one test: exactly one of the two is there."""

    key: str
    result: TriggerTestResult | None = None
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class TriggerRoundResult:
    tests: tuple[TriggeredTest, ...]
    source: tuple[DeploymentRuns, ...] | None = None
    """None where it was not asked for, or could not be read in the time that was left."""


@dataclass(frozen=True, kw_only=True)
class PollTestsInput:
    """Ask for the state of runs, of one or several runners."""

    namespace: str
    runs: tuple[RunRef, ...]
    repository: str = ""
    """As a trigger's."""
    source: ReadDeploymentsInput | None = None
    """What is read after the runs where each of them has its verdict."""


@dataclass(frozen=True, kw_only=True)
class RunReport(Bounded):
    """Hold what the CI system shows of one run. A poll that failed for this run has `failure` and no verdict."""

    key: str
    run: RunRef
    state: RunState
    message: Line = ""
    number: Short = ""
    summary: Line = ""
    """Counts of test cases where the host has them, such as `41 passed, 1 failed`."""
    waiting_for_approval: bool = False
    failure: Failure | None = None
    """Why the run could not be read."""


@dataclass(frozen=True, kw_only=True)
class PollTestsResult:
    reports: tuple[RunReport, ...]
    source: tuple[DeploymentRuns, ...] | None = None
    """None where it was not asked for, a run goes on, or it could not be read in the time that was left."""


@dataclass(frozen=True, kw_only=True)
class CancelTestsInput:
    """Ask that no run of these keys goes on; unknown and finished ones are fine."""

    namespace: str
    runner: str
    runs: tuple[RunRef, ...]
    repository: str = ""
    """As a trigger's."""
    listing_lag: timedelta = timedelta(0)
    """How long a run that is not found may be missing in the lists; zero where each is known or surely never began."""


@dataclass(frozen=True, kw_only=True)
class CancelTestsResult:
    cancelled: tuple[str, ...] = field(default_factory=tuple)
    """Keys of the runs that were still going."""
