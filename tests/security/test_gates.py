"""A gate is passed by our own run only: each test is named after what somebody with CI rights wants, who has our key.

Every attack is played at the sandbox by requests such as a person sends, and the worker's own trigger is run after it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError

from activities.models.configuration import TestSpec
from activities.models.testing import (
    CancelTestsInput,
    PollTestsInput,
    RunRef,
    RunReport,
    RunState,
    TriggerTestInput,
    TriggerTestResult,
)
from activities.test_runs import CiActivities
from deploy.local.sandbox import seed
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.server import Sandbox, running_sandbox
from providers.http import HttpClients, HttpOptions
from providers.ports import TestRuns
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import FakeOpener
from tests.providers.apps import github_app
from tests.providers.hosts import github_actions, gitlab_ci, jenkins
from workflows.promotion.rules import rounds
from workflows.promotion.state import TestProgress

KEY = "0123456789abcdef0123456789abcdef"
OURS = {"REVISION": "a" * 40, "ENV": "dev"}
MALLORY = "mallory"
TEST = TestSpec(name="t", runner="ci", job="j", parameters={}, required=True, timeout=timedelta(hours=1))


@dataclass(kw_only=True)
class Gate:
    """One test of a policy, its CI system, and what people may do there."""

    sandbox: Sandbox
    http: HttpClients
    system: str
    runs: TestRuns
    job: str
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def trigger(self) -> TriggerTestResult:
        """Let a worker trigger the test, for the first time or after it was killed."""
        request = TriggerTestInput(
            namespace="shop",
            runner=self.system,
            job=self.job,
            key=KEY,
            parameters={"revision": "a" * 40, "env": "dev"} if self.system.startswith("actions") else OURS,
            variables={},
            began=self.began,
        )
        result: TriggerTestResult = await self._run("trigger_test", request)
        return result

    async def poll(self, ref: RunRef) -> RunReport:
        result = await self._run("poll_tests", PollTestsInput(namespace="shop", runs=(ref,)))
        report: RunReport = result.reports[0]
        return report

    async def cancel(self, ref: RunRef) -> tuple[str, ...]:
        result = await self._run("cancel_tests", CancelTestsInput(namespace="shop", runner="ci", runs=(ref,)))
        cancelled: tuple[str, ...] = result.cancelled
        return cancelled

    async def _run(self, activity: str, request: Any) -> Any:
        environment = bounded_environment()
        environment.info = replace(environment.info, started_time=datetime.now(UTC))
        return await environment.run(getattr(CiActivities(FakeOpener(runs=self.runs)), activity), request)

    async def start(
        self,
        *,
        by: str = "us",
        key: str = KEY,
        parameters: Mapping[str, str] = OURS,
        branch: str = "main",
    ) -> str:
        """Start a run as a person does, and return its address."""
        async with httpx.AsyncClient(base_url=self.sandbox.url) as client:
            if self.system == "jenkins":
                return await _start_jenkins(client, by, key, parameters)
            if self.system.startswith("actions"):
                return await _start_actions(self, client, by, key, parameters, branch)
            return await _start_gitlab(client, by, key, parameters, branch)

    async def run_again(self, run: RunRef) -> None:
        """Do what a person does who wants another verdict: run our run again, or retry its jobs."""
        async with httpx.AsyncClient(base_url=self.sandbox.url) as client:
            if self.system == "gitlab":
                path = f"/gitlab/api/v4/projects/{seed.REPOSITORY.replace('/', '%2F')}/pipelines/{run.id}/retry"
                answer = await client.post(path, headers={"PRIVATE-TOKEN": "m-gitlab-token"})
            else:
                path = f"/github/repos/{seed.REPOSITORY}/actions/runs/{run.id}/rerun"
                answer = await client.post(path, headers={"Authorization": "Bearer m-github-token"})
        assert answer.status_code == 201

    def going(self) -> int:
        """Return how many runs go on."""
        state, now = self.sandbox.state, self.sandbox.state.clock.now()
        if self.system == "jenkins":
            state.jenkins.settle()
            builds = state.jenkins.jobs[self.job].builds.values()
            return sum(build.building(now) for build in builds) + len(state.jenkins.waiting)
        if self.system.startswith("actions"):
            return sum(
                run.status(now) != "completed" for run in state.github.repositories[seed.REPOSITORY].runs.values()
            )
        pipelines = state.gitlab.projects[seed.REPOSITORY].pipelines.values()
        return sum(pipeline.status(now) in ("pending", "running") for pipeline in pipelines)


async def _start_jenkins(client: httpx.AsyncClient, by: str, key: str, parameters: Mapping[str, str]) -> str:
    user = (seed.JENKINS_USER, seed.JENKINS_TOKEN) if by == "us" else (MALLORY, "m-jenkins-token")
    form = {**parameters, "PROMOTION_KEY": key}
    answer = await client.post("/jenkins/job/web/job/integration/buildWithParameters", data=form, auth=user)
    assert answer.status_code == 201
    return answer.headers["location"]


async def _start_actions(
    gate: Gate, client: httpx.AsyncClient, by: str, key: str, parameters: Mapping[str, str], branch: str
) -> str:
    inputs = {name.lower(): value for name, value in parameters.items()}
    if by == "us":
        return (await gate.runs.create(f"{gate.job}@{branch}", key, inputs)).url
    answer = await client.post(
        f"/github/repos/{seed.REPOSITORY}/actions/workflows/{gate.job}/dispatches",
        json={"ref": branch, "inputs": {**inputs, "promotion_key": key}, "return_run_details": True},
        headers={"Authorization": "Bearer m-github-token"},
    )
    assert answer.status_code == 200
    return str(answer.json()["html_url"])


async def _start_gitlab(
    client: httpx.AsyncClient, by: str, key: str, parameters: Mapping[str, str], branch: str
) -> str:
    variables = [{"key": name, "value": value} for name, value in {"PROMOTION_KEY": key, **parameters}.items()]
    answer = await client.post(
        f"/gitlab/api/v4/projects/{seed.REPOSITORY.replace('/', '%2F')}/pipeline",
        json={"ref": branch, "variables": variables},
        headers={"PRIVATE-TOKEN": seed.GITLAB_TOKEN if by == "us" else "m-gitlab-token"},
    )
    assert answer.status_code == 201
    return str(answer.json()["web_url"])


def _open(system: str, url: str, http: HttpClients) -> TestRuns:
    if system == "jenkins":
        return jenkins(http, base=f"{url}/jenkins", data={"username": seed.JENKINS_USER, "token": seed.JENKINS_TOKEN})
    if system == "actions":
        return github_actions(http, base=f"{url}/github", token=seed.GITHUB_TOKEN)
    if system == "actions by app":
        return github_actions(http, base=f"{url}/github", data=github_app("pilotage").secret)
    return gitlab_ci(http, base=f"{url}/gitlab/api/v4", data={"token": seed.GITLAB_TOKEN})


JOBS = {"jenkins": "web/integration", "actions": "e2e.yml", "actions by app": "e2e.yml", "gitlab": "main"}


@pytest_asyncio.fixture
async def gate(request: pytest.FixtureRequest) -> AsyncIterator[Gate]:
    """Open one system, whose runs last longer than the test."""
    contents = seed.default_seed()
    contents["github"]["app"] = github_app("pilotage").known
    contents["github"]["tokens"]["m-github-token"] = {"login": MALLORY, "limit": 1000}
    contents["github"]["repos"][seed.REPOSITORY]["collaborators"][MALLORY] = "write"
    # A first verdict that people may want another one instead of.
    contents["github"]["repos"][seed.REPOSITORY]["workflows"]["e2e.yml"]["conclusion"] = ["failure", "success"]
    contents["gitlab"]["projects"][seed.REPOSITORY]["status"] = "failed"
    contents["jenkins"]["users"][MALLORY] = {"token": "m-jenkins-token"}
    contents["gitlab"]["tokens"]["m-gitlab-token"] = {"username": MALLORY}
    contents["gitlab"]["projects"][seed.REPOSITORY]["branches"]["evil"] = seed.HEAD_SHA
    options = Options(run_seconds=600, queued_seconds=0, jenkins_queue_seconds=0)
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    async with running_sandbox(options=options, seed=contents) as sandbox:
        runs = _open(request.param, sandbox.url, clients)
        yield Gate(sandbox=sandbox, http=clients, system=request.param, runs=runs, job=JOBS[request.param])
        await clients.aclose()


ALL = ("jenkins", "actions", "actions by app", "gitlab")


def systems(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("gate", names or ALL, indirect=True)


async def foreign_run_does_not_count(gate: Gate, theirs: str, reason: str) -> None:
    """Check that ours is triggered, found after a kill and cancelled, and that theirs is named and left alone."""
    first = await gate.trigger()
    assert not first.found
    assert len(first.foreign) == 1
    assert reason in first.foreign[0]
    if gate.system != "jenkins":
        assert theirs in first.foreign[0]
        assert theirs != first.run.url
    assert gate.going() == 2
    again = await gate.trigger()
    assert again.found
    assert again.duplicates == 0
    assert len(again.foreign) == 1
    assert gate.going() == 2
    read = await gate.poll(again.run)
    assert read.failure is None
    assert read.run.url == (await gate.poll(first.run)).run.url
    assert await gate.cancel(RunRef(runner="ci", job=gate.job, key=KEY, id="", began=gate.began)) == (KEY,)


@systems()
async def test_to_have_a_run_counted_that_was_started_before_the_round(gate: Gate) -> None:
    theirs = await gate.start()
    gate.sandbox.state.clock.advance(60)
    gate.began = datetime.now(UTC)
    await foreign_run_does_not_count(gate, theirs, "before the round began")
    assert gate.going() == 1


@systems("jenkins", "gitlab")
async def test_to_have_a_run_with_other_parameters_counted(gate: Gate) -> None:
    theirs = await gate.start(parameters={**OURS, "REVISION": "b" * 40})
    first = await gate.trigger()
    assert not first.found
    assert "its parameters differ: `REVISION`" in first.foreign[0]
    again = await gate.trigger()
    assert again.found
    assert again.duplicates == 0
    assert gate.going() == 2
    assert theirs
    assert await gate.cancel(again.run) == (KEY,)
    assert gate.going() == 1


@systems("jenkins", "gitlab")
async def test_to_have_a_run_with_other_parameters_read_or_cancelled_by_the_key(gate: Gate) -> None:
    """What is kept of a run is enough to know it by its key alone, and to leave another one alone."""
    await gate.start(parameters={**OURS, "REVISION": "b" * 40})
    ours = (await gate.trigger()).run
    here = (await gate.poll(ours)).run.url
    unnamed = replace(ours, id="")
    read = await gate.poll(unnamed)
    assert (read.failure, read.run.url) == (None, here)
    assert await gate.cancel(unnamed) == (KEY,)
    assert gate.going() == 1
    assert (await gate.poll(ours)).state is RunState.CANCELLED


@systems("actions", "gitlab")
async def test_to_delete_our_run_and_have_another_one_read(gate: Gate) -> None:
    """Also one that nothing distinguishes from ours, as where inputs are not shown."""
    ours = (await gate.trigger()).run
    await gate.start()
    if gate.system == "gitlab":
        del gate.sandbox.state.gitlab.projects[seed.REPOSITORY].pipelines[int(ours.id)]
    else:
        del gate.sandbox.state.github.repositories[seed.REPOSITORY].runs[int(ours.id)]
    read = await gate.poll(ours)
    assert read.failure is not None
    assert not read.state.final
    assert read.run == ours


@systems("jenkins", "gitlab")
async def test_to_have_a_run_counted_that_leaves_a_default_of_the_job(gate: Gate) -> None:
    await gate.start(parameters={**OURS, "TARGET": "nothing"})
    first = await gate.trigger()
    assert not first.found
    assert "`TARGET`" in first.foreign[0]
    assert (await gate.trigger()).found


@systems("actions", "actions by app", "gitlab")
async def test_to_have_a_run_of_a_branch_of_ones_own_counted(gate: Gate) -> None:
    branch = "evil" if gate.system == "gitlab" else "umbrellas"
    theirs = await gate.start(branch=branch)
    await foreign_run_does_not_count(gate, theirs, f"it runs `{branch}`, not `main`")
    assert gate.going() == 1


@systems()
async def test_to_have_a_run_of_another_account_counted(gate: Gate) -> None:
    theirs = await gate.start(by=MALLORY)
    await foreign_run_does_not_count(gate, theirs, f"it was started by `{MALLORY}`, not by")
    assert gate.going() == 1


@systems()
@pytest.mark.parametrize("key", [f"{KEY}0", f"a{KEY}", KEY[:-1], KEY.upper()])
async def test_to_have_a_key_that_contains_ours_taken_for_it(gate: Gate, key: str) -> None:
    await gate.start(key=key)
    first = await gate.trigger()
    assert not first.found
    assert first.foreign == ()
    assert gate.going() == 2


@systems()
async def test_to_take_the_place_of_a_run_whose_start_was_not_confirmed(gate: Gate) -> None:
    """The reply to our trigger is lost, and others start theirs with the key that ours shows."""
    gate.sandbox.state.script.add(
        {
            "system": {"jenkins": "jenkins", "gitlab": "gitlab"}.get(gate.system, "github"),
            "match": {"jenkins": "POST .*buildWith", "gitlab": "POST .*pipeline"}.get(gate.system, "POST .*dispatches"),
            "action": "accept_then_drop",
            "times": 1,
        }
    )
    with pytest.raises(ApplicationError, match="no complete answer"):
        await gate.trigger()
    assert gate.going() == 1
    await gate.start(by=MALLORY)
    found = await gate.trigger()
    assert found.found
    assert len(found.foreign) == 1
    assert MALLORY in found.foreign[0]
    assert gate.going() == 2


@systems("actions")
async def test_to_have_a_run_read_instead_of_one_that_is_not_listed(gate: Gate) -> None:
    """A host that names no run has ours read by the key alone."""
    await gate.start(by=MALLORY)
    report = await gate.poll(RunRef(runner="ci", job=gate.job, key=KEY, id="", began=gate.began))
    assert report.failure is not None
    assert MALLORY in report.failure.message
    assert not report.state.final


@systems("jenkins")
@pytest.mark.parametrize("how", ["rebuild", "replay/run"])
async def test_to_have_a_build_that_repeats_ours_counted(gate: Gate, how: str) -> None:
    """Rebuild copies all parameters, Replay runs another script as well; both also where our account is shared."""
    first = await gate.trigger()
    url = (await gate.poll(first.run)).run.url
    for user in ((MALLORY, "m-jenkins-token"), (seed.JENKINS_USER, seed.JENKINS_TOKEN)):
        async with httpx.AsyncClient(auth=user) as client:
            assert (await client.post(f"{url}{how}")).status_code == 201
        # Equal items would be folded while they wait.
        await asyncio.sleep(0)
        gate.sandbox.state.jenkins.settle()
    again = await gate.trigger()
    assert again.found
    assert again.duplicates == 0
    assert len(again.foreign) == 2
    assert all("it repeats another build" in one for one in again.foreign)
    assert (await gate.poll(again.run)).run.url == url
    assert gate.going() == 3


@systems("actions", "gitlab")
async def test_to_replace_a_verdict_that_was_read_by_running_ours_again(gate: Gate) -> None:
    run = (await gate.trigger()).run
    test = TestProgress(spec=TEST, run=run)
    gate.sandbox.state.clock.advance(601)
    rounds.take_report(test, await gate.poll(run), datetime.now(UTC), timedelta(0))
    assert test.state is RunState.FAILED
    assert rounds.take_later(test, await gate.poll(run)) is False
    await gate.run_again(run)
    assert rounds.take_later(test, await gate.poll(run)) is True
    gate.sandbox.state.clock.advance(601)
    passed = await gate.poll(run)
    assert passed.state is RunState.PASSED
    assert rounds.take_later(test, passed) is True
    assert test.state is RunState.FAILED
    assert "Passed, and Failed stands" in test.note
    # A worker that was killed finds the same run, also one that somebody ran again. Only the host's clock was moved on.
    gate.began -= timedelta(seconds=2 * 601)
    again = await gate.trigger()
    assert (again.found, again.run.id, again.foreign) == (True, run.id, ())


@systems("actions")
async def test_to_hide_which_attempt_has_passed_and_who_began_it(gate: Gate) -> None:
    run = (await gate.trigger()).run
    gate.sandbox.state.clock.advance(601)
    await gate.run_again(run)
    gate.sandbox.state.clock.advance(601)
    read = await gate.poll(run)
    assert (read.state, read.number) == (RunState.PASSED, "1 (attempt 2)")
    assert read.message == f"run again by {MALLORY}"
