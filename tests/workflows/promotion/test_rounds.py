"""What a report of the CI system writes into a test."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.models.configuration import DeploymentSpec, EnvironmentView, PolicySnapshot, TestSpec
from activities.models.testing import RunRef, RunReport, RunState
from activities.models.tracking import Artifact
from workflows.promotion.rounds import QUEUED_LONG, take_report, variables
from workflows.promotion.state import Hop, Story, TestProgress

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def progress(state: RunState, after: timedelta, *, approval: bool = False) -> TestProgress:
    spec = TestSpec(name="e2e", runner="ci", job="e2e", parameters={}, required=True, timeout=timedelta(hours=1))
    test = TestProgress(spec=spec, key="k", started_at=NOON)
    run = RunRef(runner="ci", job="e2e", key="k", id="1")
    report = RunReport(key="k", run=run, state=state, message="pending", waiting_for_approval=approval)
    take_report(test, report, NOON + after, timedelta(minutes=3))
    return test


def test_a_run_that_stays_in_the_queue_says_that_no_runner_takes_it() -> None:
    assert progress(RunState.QUEUED, QUEUED_LONG / 2).message == "pending"
    waited = progress(RunState.QUEUED, QUEUED_LONG).message
    assert waited == "in the queue since 12:00 UTC: no runner has taken it; pending"


def test_one_that_runs_or_waits_for_a_person_lacks_no_runner() -> None:
    assert progress(RunState.RUNNING, QUEUED_LONG * 2).message == "pending"
    assert progress(RunState.QUEUED, QUEUED_LONG * 2, approval=True).message == "pending"


@pytest.mark.parametrize(("component", "deployment"), [("web", "web-eu"), ("api", "api-eu"), ("docs", "")])
def test_the_deployment_of_a_test_is_the_first_one_of_its_artifact(component: str, deployment: str) -> None:
    policy = PolicySnapshot(
        name="p", generation=1, source="dev", target="prod", auto_promote=True, timeout=timedelta(hours=1), tests=()
    )
    deployments = tuple(
        DeploymentSpec(
            name=name,
            component=name.partition("-")[0],
            wave=0,
            instance="argocd",
            project="shop",
            application=name,
        )
        for name in ("web-eu", "api-eu", "api-us")
    )
    found = variables(
        Story(started_at=NOON),
        Hop(number=0, policy=policy),
        number=412,
        key="k",
        artifacts=(Artifact(component=component, revision="a" * 40),),
        source=EnvironmentView(
            name="dev", final=False, vars={}, delivery_timeout=timedelta(hours=1), deployments=deployments
        ),
        target=None,
    )
    assert (found["component.name"], found["deployment.name"]) == (component, deployment)
