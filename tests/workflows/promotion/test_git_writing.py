"""The write of several deployments to one branch, without a server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import workflow

from activities.models.configuration import DeploymentSpec, GitWriteSpec, TestSpec, WriteSpec
from activities.models.delivery import Observation, WriteOutcome, WriteResult
from activities.models.git_delivery import DeliverFilesInput, DeliverFilesResult, FilesWritten, Gate, Proposal
from activities.models.promotion import PromotionInput
from activities.models.testing import RunState
from activities.models.tracking import Artifact, Timings, TrackerRef, TrackerSpec
from crds.reasons.vocabulary import State
from tests.worlds.declared import a_policy
from workflows.identity import Queues
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, PromotionState, Round, TestProgress, Touch
from workflows.promotion.steps.writing import gates, order, where_of, write_to_git

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
OLD, OTHER, NEW = "a" * 40, "c" * 40, "b" * 40
BRANCH = WriteSpec(git=GitWriteSpec(repository="config", branch="main", edits=()))
WEB, API = (
    DeploymentSpec(
        name=name, component=name, wave=0, instance="argocd", project="shop", application=f"{name}-prod", write=BRANCH
    )
    for name in ("web", "api")
)
WHERE = where_of([WEB])
OPEN = Proposal(key="opened", number=7, head_sha="d" * 40)
TEST = TestSpec(name="e2e", runner="ci", job="e2e", parameters={}, required=True, timeout=timedelta(hours=1))


def seen(one: DeploymentSpec, runs: str) -> Observation:
    return Observation(
        deployment=one.name, component=one.component, application=one.application, runs=runs, written=runs
    )


def a_round(*tests: TestProgress, proposals: dict[str, Proposal] | None = None) -> Round:
    artifacts = tuple(Artifact(component=one.component, revision=NEW) for one in (WEB, API))
    return Round(number=1, artifacts=artifacts, started_at=NOW, tests=list(tests), proposals=proposals or {})


class Branch:
    """A promotion that writes to one branch, and keeps what it asks for."""

    def __init__(self, patch: pytest.MonkeyPatch, *results: FilesWritten, proposal: Proposal | None = None) -> None:
        self.hop = Hop(number=1, policy=a_policy("dev", "prod"), round=a_round())
        self.story = PromotionState(environment="dev", state=State.PROMOTING, started_at=NOW)
        self.asked: DeliverFilesInput | None = None
        self._answer = DeliverFilesResult(written=results, proposal=proposal)
        patch.setattr(workflow, "execute_activity_method", self._execute)
        patch.setattr(workflow, "now", lambda: NOW)

    async def _execute(self, _activity: Any, request: DeliverFilesInput, **_config: Any) -> DeliverFilesResult:
        self.asked = request
        return self._answer

    @property
    def ctx(self) -> PromotionRun:
        tracker = TrackerRef(namespace="shop", name="web-412", uid="u", attempt=1)
        spec = TrackerSpec(repository="web", number=412, environment="dev")
        request = PromotionInput(installation="main", tracker=tracker, spec=spec, timings=Timings())
        run = SimpleNamespace(
            request=request, story=self.story, queues=Queues(installation="main"), timings=Timings(), views={}
        )
        return cast("PromotionRun", run)

    async def write(self, observed: dict[str, Observation]) -> tuple[DeliverFilesInput, list[WriteResult]]:
        results = await write_to_git(self.ctx, self.hop, [WEB, API], observed)
        assert self.asked is not None
        return self.asked, results


def written(one: DeploymentSpec, outcome: WriteOutcome) -> FilesWritten:
    return FilesWritten(deployment=one.name, result=WriteResult(outcome=outcome))


async def test_files_may_hold_before_what_the_artifacts_contain_of_what_is_observed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    branch = Branch(monkeypatch)
    branch.story.relations = {f"{OLD}...{NEW}": "Ahead", f"{OTHER}...{NEW}": "Ahead"}
    asked, _ = await branch.write({"web": seen(WEB, OLD)})
    # Of the other one it is not known what it runs.
    assert asked.allowed == (OLD,)
    asked, _ = await branch.write({"web": seen(WEB, OLD), "api": seen(API, OTHER)})
    assert asked.allowed == (OLD, OTHER)
    # Nothing is promoted of a component without an artifact.
    branch.hop.round = replace(a_round(), artifacts=(Artifact(component="api", revision=NEW),))
    asked, _ = await branch.write({"web": seen(WEB, OLD), "api": seen(API, OTHER)})
    assert asked.allowed == (OTHER,)


@pytest.mark.parametrize("proposal", [None, OPEN])
async def test_the_pull_request_that_a_write_opened_is_kept_and_named_by_the_next_one(
    monkeypatch: pytest.MonkeyPatch, proposal: Proposal | None
) -> None:
    branch = Branch(monkeypatch, proposal=proposal)
    first, results = await branch.write({})
    assert first.proposal is None
    assert first.key not in ("", OPEN.key)
    assert branch.hop.proposals == ({WHERE: OPEN} if proposal else {})
    assert [one.outcome for one in results] == [WriteOutcome.BUSY] * 2
    second, _ = await branch.write({})
    assert second.proposal == proposal
    assert second.key == (OPEN.key if proposal else first.key)


def test_the_pull_request_that_shows_the_tests_is_written_on_unless_the_hop_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    branch, newer = Branch(monkeypatch), replace(OPEN, key="newer", number=8)
    branch.hop.round = a_round(proposals={WHERE: OPEN})
    assert order(branch.ctx, branch.hop, [WEB]).proposal == OPEN
    branch.hop.proposals[WHERE] = newer
    assert order(branch.ctx, branch.hop, [WEB]).proposal == newer
    branch.hop.round = None
    assert order(branch.ctx, branch.hop, [WEB]).proposal == newer


@pytest.mark.parametrize(
    ("outcome", "touched", "moved"),
    [
        (WriteOutcome.DONE, True, True),
        (WriteOutcome.ALREADY, True, False),
        (WriteOutcome.AWAITED, False, True),
        (WriteOutcome.CONFLICT, False, False),
        (WriteOutcome.BUSY, False, False),
        (WriteOutcome.REFUSED, False, False),
    ],
)
async def test_what_stands_was_written_and_what_was_or_may_be_merged_has_moved(
    monkeypatch: pytest.MonkeyPatch, outcome: WriteOutcome, touched: bool, moved: bool
) -> None:
    branch = Branch(monkeypatch, written(WEB, outcome))
    _, results = await branch.write({})
    assert [one.outcome for one in results] == [outcome, WriteOutcome.BUSY]
    assert branch.hop.has("web", Touch.WRITTEN) is touched
    assert branch.hop.has("web", Touch.MOVED) is moved
    assert not branch.hop.has("api", Touch.WRITTEN)


@pytest.mark.parametrize(("attempt", "retried"), [(0, False), (1, True)])
def test_a_retry_takes_the_branch_as_it_is_then(monkeypatch: pytest.MonkeyPatch, attempt: int, retried: bool) -> None:
    branch = Branch(monkeypatch)
    branch.hop.attempt = attempt
    assert order(branch.ctx, branch.hop, [WEB]).retried is retried


@pytest.mark.parametrize(
    ("test", "gate"),
    [
        (TestProgress(spec=TEST), Gate(name="e2e", passed=False, pending=True, message="Pending")),
        (
            TestProgress(spec=TEST, state=RunState.RUNNING),
            Gate(name="e2e", passed=False, pending=True, message="Running"),
        ),
        (
            TestProgress(spec=TEST, state=RunState.PASSED, summary="12 of 12", url="https://ci.example/1"),
            Gate(name="e2e", passed=True, message="12 of 12", url="https://ci.example/1"),
        ),
        (
            TestProgress(spec=TEST, state=RunState.FAILED, message="a button is missing", summary="11 of 12"),
            Gate(name="e2e", passed=False, message="a button is missing"),
        ),
    ],
    ids=["not triggered", "running", "passed", "failed"],
)
def test_a_gate_shows_how_its_test_stands_and_one_that_may_still_end_is_not_delivered(
    monkeypatch: pytest.MonkeyPatch, test: TestProgress, gate: Gate
) -> None:
    branch = Branch(monkeypatch)
    branch.hop.round = a_round(test)
    assert gates(branch.hop) == (gate,)
    assert order(branch.ctx, branch.hop, [WEB]).gates == (() if gate.pending else (gate,))
