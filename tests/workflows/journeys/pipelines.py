"""CI systems as they truly are: runs found by their key, whose verdict is decided when they begin."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from temporalio.exceptions import ApplicationError

from activities.models.failures import Failure
from activities.models.testing import (
    CancelTestsInput,
    CancelTestsResult,
    PollTestsInput,
    PollTestsResult,
    RoundTest,
    RunRef,
    RunReport,
    RunState,
    TriggeredTest,
    TriggerRoundInput,
    TriggerRoundResult,
    TriggerTestInput,
    TriggerTestResult,
)
from activities.test_runs import of_round
from crds.reasons.problems import FailureKind
from tests.worlds.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """One run at a CI system."""

    key: str
    begun: float
    ends: float
    verdict: RunState

    def state(self, now: float) -> RunState:
        return self.verdict if now >= self.ends else RunState.RUNNING


class Pipelines:
    """All runs of all CI systems."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.runs: dict[str, Pipeline] = {}
        self.outcome: Callable[[], tuple[float, RunState]] = lambda: (5.0, RunState.PASSED)
        """Seconds that a run takes, and its verdict."""
        self.refuses: Callable[[], bool] = lambda: False

    def trigger_round(self, request: TriggerRoundInput) -> TriggerRoundResult:
        """Trigger each test."""
        return TriggerRoundResult(tests=tuple(self._triggered(request, one) for one in request.tests))

    def _triggered(self, request: TriggerRoundInput, part: RoundTest) -> TriggeredTest:
        try:
            return TriggeredTest(key=part.key, result=self.trigger_test(of_round(request, part)))
        except ApplicationError as error:
            failure = Failure(
                kind=FailureKind.NOT_FOUND, message=error.message, object=f"TestRunner/{part.spec.runner}"
            )
            return TriggeredTest(key=part.key, failure=failure)

    def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        if self.refuses():
            raise ApplicationError("job not found", type="ProviderNotFound", non_retryable=True)
        found = request.key in self.runs
        if not found:
            now = self.stage.loop.clock
            takes, verdict = self.outcome()
            self.runs[request.key] = Pipeline(key=request.key, begun=now, ends=now + takes, verdict=verdict)
        run = RunRef(runner=request.runner, job=request.job, key=request.key, id=request.key)
        return TriggerTestResult(run=run, found=found)

    def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        now = self.stage.loop.clock
        return PollTestsResult(
            reports=tuple(RunReport(key=one.key, run=one, state=self.runs[one.key].state(now)) for one in request.runs)
        )

    def cancel_tests(self, request: CancelTestsInput) -> CancelTestsResult:
        now = self.stage.loop.clock
        going = [one.key for one in request.runs if one.key in self.runs and self.runs[one.key].ends > now]
        for key in going:
            self.runs[key] = replace(self.runs[key], ends=now, verdict=RunState.CANCELLED)
        return CancelTestsResult(cancelled=tuple(going))
