"""Tests as a status shows them: one entry per test, and the verdict of a round."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Link, Name, ShortText, Text, Time, keep_first
from crds.model import Model


class TestState(StrEnum):
    """How far a test is; the last five are final."""

    __test__ = False

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    PASSED = "Passed"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    CANCELLED = "Cancelled"
    ERROR = "Error"


class TestStatus(Model):
    """One test of a round, with the run that counts."""

    __test__: ClassVar[bool] = False

    name: Name
    """Name of the test in the policy."""
    runner: ShortText
    """TestRunner that it runs at."""
    required: bool
    """Whether the test must pass."""
    state: TestState
    """State of the test."""
    url: Link | None = None
    """Link to the run."""
    number: ShortText | None = None
    """Id of the run at the CI system."""
    key: ShortText | None = None
    """Promotion key of the run. Exactly one run counts for each key."""
    round: Annotated[int, Field(ge=0)] | None = None
    """Round of the hop, from 1."""
    retry: Annotated[int, Field(ge=0)] | None = None
    """Number of runs that Pilotage started again after a failure, from 0."""
    started_at: Time | None = None
    """When Pilotage first tried to start the run."""
    finished_at: Time | None = None
    """When Pilotage saw that the run had ended."""
    message: Text | None = None
    """What the CI system reports, or what to fix."""
    summary: ShortText | None = None
    """Counts of the test report, such as `41 passed, 1 failed`, if the CI system has one."""


class TestAggregateResult(Model):
    """Verdict of a round.

    These names are written as they are here, also on the wire: they are known from the interface that Pilotage took
    over, and scripts read them.
    """

    __test__: ClassVar[bool] = False

    all_passed: Annotated[bool, Field(alias="all_passed")]
    """Every required test passed. True where no test is required."""
    any_failed: Annotated[bool, Field(alias="any_failed")]
    """A required test ended and did not pass."""
    any_running: Annotated[bool, Field(alias="any_running")]
    """A test has not ended yet."""
    any_timeout: Annotated[bool, Field(alias="any_timeout")]
    """A required test exceeded its time."""
    results: Annotated[dict[str, TestState], Field(alias="results", max_length=50)] = Field(default_factory=dict)
    """State of each test, by name."""
    failure_reasons: Annotated[tuple[Text, ...], Field(alias="failure_reasons", max_length=50), keep_first(50)] = ()
    """One line for each required test that ended and did not pass."""
    optional_tests_failed: Annotated[bool, Field(alias="optional_tests_failed")] = False
    """An optional test ended and did not pass. It is shown and blocks nothing."""
