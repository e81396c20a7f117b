"""Webhooks of the stand-ins: what changes is sent, proved and shaped so that the receiver's own readers take it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from deploy.local.sandbox.seed import DEV_APP, HEAD_SHA, MERGE_SHA, PREVIOUS_SHA, PROJECT, REPOSITORY, default_seed
from deploy.local.sandbox.server import Sandbox, running_sandbox
from providers.documents import parsed
from providers.webhooks.events import (
    ApplicationNotice,
    Event,
    PullRequestNotice,
    RunNotice,
    as_document,
)
from providers.webhooks.senders import SENDERS

SECRET = "a-secret-of-webhooks"
KEY = "0123456789abcdef0123456789abcdef"
HOSTS = [name for name in SENDERS if name not in ("jenkins", "argocd")]


@dataclass
class Received:
    """What came, read as the receiver reads it."""

    url: str = ""
    events: dict[str, list[Event]] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        system, body = request.match_info["system"], await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        SENDERS[system].verify(headers, body, SECRET, datetime.now(UTC))
        event = SENDERS[system].read(headers, as_document(parsed(body)))
        self.events.setdefault(system, []).append(event)
        return web.Response(status=202)

    async def until(self, system: str, notice: object) -> None:
        """Wait for what a delivery is to be about."""
        async with asyncio.timeout(10):
            while not any(notice in event.about for event in self.events.get(system, ())):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
async def received() -> AsyncIterator[Received]:
    found, app = Received(), web.Application()
    app.add_routes([web.post("/{system}", found.take)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    seed = default_seed()
    repository = seed["github"]["repos"][REPOSITORY]
    repository["branches"]["main"] = PREVIOUS_SHA
    del repository["pulls"][0]["merged"], repository["pulls"][0]["merge_sha"]
    async with running_sandbox(seed=seed) as running:
        yield running


async def post(sandbox: Sandbox, path: str, **body: object) -> int:
    async with aiohttp.ClientSession() as session, session.post(sandbox.url + path, json=body) as response:
        return response.status


async def hook(sandbox: Sandbox, received: Received, system: str, of: str) -> None:
    target = {"system": system, "url": f"{received.url}/{system}", "secret": SECRET, "of": of}
    assert await post(sandbox, "/_webhooks", **target) == 200


@pytest.mark.parametrize("host", HOSTS)
async def test_each_host_reports_a_pull_request_that_changes_and_is_merged(
    sandbox: Sandbox, received: Received, host: str
) -> None:
    await hook(sandbox, received, host, REPOSITORY)
    await post(sandbox, "/_github/label", repo=REPOSITORY, number=412, add=["urgent"])
    await post(sandbox, "/_github/merge", repo=REPOSITORY, number=412, sha=MERGE_SHA)
    async with asyncio.timeout(10):
        while not _ended(received.events.get(host, [])):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    notices = [notice for event in received.events[host] for notice in event.about]
    named = {(one.repository.full_name, one.number) for one in notices if isinstance(one, PullRequestNotice)}
    assert named == {(REPOSITORY, 412)}
    # The receiver has an event before the sender has its answer.
    async with asyncio.timeout(10):
        while not all(one["status"] for one in sandbox.state.webhooks.deliveries):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [one["status"] for one in sandbox.state.webhooks.deliveries] == [202] * len(received.events[host])


def _ended(events: list[Event]) -> bool:
    return any(isinstance(one, PullRequestNotice) and one.ended for event in events for one in event.about)


async def test_runs_of_each_ci_system_report_their_end(sandbox: Sandbox, received: Received) -> None:
    sandbox.state.options.run_seconds = sandbox.state.options.queued_seconds = 0.1
    sandbox.state.options.jenkins_queue_seconds = 0.0
    for system, of in (("jenkins", "web"), ("gitlab", REPOSITORY), ("github", REPOSITORY)):
        await hook(sandbox, received, system, of)
    job = sandbox.state.jenkins.jobs["web/integration"]
    sandbox.state.jenkins.trigger(job, {"PROMOTION_KEY": KEY}, ())
    project = sandbox.state.gitlab.projects[REPOSITORY]
    variables = {"PROMOTION_KEY": KEY}
    sandbox.state.gitlab.create(project, ref="main", source="api", user="x", variables=variables, inputs={})
    headers = {"Authorization": "Bearer sandbox-github-token"}
    dispatched = {"ref": "main", "inputs": {"promotion_key": KEY}}
    path = f"{sandbox.url}/github/repos/{REPOSITORY}/actions/workflows/e2e.yml/dispatches"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(path, json=dispatched) as response,
    ):
        assert response.status in (200, 204)
    await received.until("jenkins", RunNotice(url=f"{sandbox.url}/jenkins/job/web/job/integration/1/", keys=(KEY,)))
    await received.until("gitlab", RunNotice(url=f"{sandbox.url}/gitlab/{REPOSITORY}/-/pipelines/5001", keys=(KEY,)))
    [run] = sandbox.state.github.repositories[REPOSITORY].runs
    await received.until("github", RunNotice(url=f"{sandbox.url}/github/{REPOSITORY}/actions/runs/{run}", keys=(KEY,)))


async def test_argo_cd_reports_an_application_that_changed(sandbox: Sandbox, received: Received) -> None:
    await hook(sandbox, received, "argocd", "web-")
    await post(sandbox, "/_argocd/deploy", app=DEV_APP, revision=HEAD_SHA)
    await received.until("argocd", ApplicationNotice(name=DEV_APP, project=PROJECT))
    assert set(received.events) == {"argocd"}


async def test_a_system_that_sends_no_webhooks_is_refused(sandbox: Sandbox, received: Received) -> None:
    assert await post(sandbox, "/_webhooks", system="svn", url=received.url, secret=SECRET, of="x") == 400


async def test_a_sandbox_that_is_reset_sends_no_more(sandbox: Sandbox, received: Received) -> None:
    await hook(sandbox, received, "github", REPOSITORY)
    await post(sandbox, "/_reset", seed=True)
    assert sandbox.state.webhooks._targets == []
