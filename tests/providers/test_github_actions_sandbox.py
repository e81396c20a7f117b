"""GitHub Actions over its stateful stand-in: runs that people run again, and hosts that take fewer inputs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.sandbox import seed
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.script import Action
from deploy.local.sandbox.server import Sandbox, running_sandbox
from providers.errors import ProviderRejected
from providers.http import HttpClients, HttpOptions
from providers.models import Run, RunPhase, RunReading
from providers.ports import TestRuns
from tests.providers.hosts import github_actions

JOB = "contract.yml"
MANY = {f"p{number}": "x" for number in range(10)}


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    contents = seed.default_seed()
    workflow: dict[str, Any] = {
        "run_name": "e2e ${{ inputs.promotion_key }}",
        "inputs": {"promotion_key": {}, **{name: {} for name in MANY}},
        "conclusion": ["failure", "success"],
    }
    contents["github"]["repos"][seed.REPOSITORY]["workflows"][JOB] = workflow
    async with running_sandbox(options=Options(run_seconds=0.3, queued_seconds=0.1), seed=contents) as running:
        yield running


@pytest_asyncio.fixture
async def runs(sandbox: Sandbox) -> AsyncIterator[TestRuns]:
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    yield github_actions(clients, base=f"{sandbox.url}/github", token=seed.GITHUB_TOKEN)
    await clients.aclose()


async def finished(runs: TestRuns, run: Run) -> RunReading:
    async with asyncio.timeout(60):
        while True:
            reading = await runs.read(JOB, run)
            if reading.phase not in (RunPhase.QUEUED, RunPhase.RUNNING):
                return reading
            await asyncio.sleep(0.05)


async def rerun(sandbox: Sandbox, run: Run) -> None:
    """Do what a person does by `Re-run all jobs`."""
    headers = {"Authorization": f"Bearer {seed.GITHUB_TOKEN}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        url = f"{sandbox.url}/github/repos/{seed.REPOSITORY}/actions/runs/{run.id}/rerun"
        (await client.post(url)).raise_for_status()


def dispatches(sandbox: Sandbox) -> int:
    return sum(str(entry["path"]).endswith("/dispatches") for entry in sandbox.state.journal.entries())


async def test_a_run_that_a_person_ran_again_counts_by_its_newest_attempt(sandbox: Sandbox, runs: TestRuns) -> None:
    created = await runs.create(JOB, "key-1", {})
    first = await finished(runs, created)
    assert (first.phase, first.number) == (RunPhase.FAILED, "1")
    await rerun(sandbox, created)
    again = await runs.read(JOB, created)
    assert again.phase in (RunPhase.QUEUED, RunPhase.RUNNING)
    second = await finished(runs, created)
    assert (second.phase, second.number, second.run.id) == (RunPhase.PASSED, "1 (attempt 2)", created.id)
    assert [run.id for run in await runs.find(JOB, "key-1")] == [created.id]


async def test_a_run_that_a_person_ran_again_can_be_cancelled(sandbox: Sandbox, runs: TestRuns) -> None:
    created = await runs.create(JOB, "key-1", {})
    await finished(runs, created)
    await rerun(sandbox, created)
    await runs.cancel(JOB, created)
    assert (await finished(runs, created)).phase is RunPhase.CANCELLED


async def test_an_old_server_that_names_its_version_is_sent_no_more_than_it_takes(
    sandbox: Sandbox, runs: TestRuns
) -> None:
    sandbox.state.options.update({"github_dispatch_inputs_limit": 10})
    with pytest.raises(ProviderRejected, match="No more than 10 properties"):
        await runs.create(JOB, "key-1", MANY)
    version = {"x-github-enterprise-version": "3.19.0"}
    sandbox.state.script.add({"system": "github", "match": "GET .*", "action": Action.EDIT, "headers": version})
    assert await runs.find(JOB, "key-1") == ()
    sent = dispatches(sandbox)
    with pytest.raises(ProviderRejected, match="9 are left"):
        await runs.create(JOB, "key-1", MANY)
    assert dispatches(sandbox) == sent
