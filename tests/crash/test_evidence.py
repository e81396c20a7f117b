"""What is read out of a real sandbox's journal and state is what happened there."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest

from deploy.local.sandbox.seed import ARGOCD_TOKEN, JENKINS_TOKEN, JENKINS_USER
from deploy.local.sandbox.server import Sandbox, running_sandbox
from tests.chaos.calls import read_calls
from tests.chaos.evidence import Application, read_applications, read_builds, read_writes
from tests.chaos.world import QUEUE_SECONDS, RUN_SECONDS, Change, World

JOB = "/jenkins/job/app1/job/smoke"
WORLD = World(promotions=3)
REVISION = WORLD.merge_sha(Change(repository="app1", number=1))
# Far from each other, so that the machine's own pace does not matter.
STEP_SECONDS = 60.0


class Outside:
    """What calls the sandbox as our processes do."""

    def __init__(self, sandbox: Sandbox, client: httpx.AsyncClient) -> None:
        self.state = sandbox.state
        self._client = client

    async def call(self, method: str, path: str, *, fault: dict[str, Any] | None = None, **given: Any) -> None:
        """Make one call that the script interferes with, then let time pass."""
        rule = self.state.script.add(fault) if fault else None
        with suppress(httpx.RemoteProtocolError):
            await self._client.request(method, path, **given)
        if rule is not None:
            self.state.script.remove(rule.number)
        self.state.clock.advance(STEP_SECONDS)

    async def jenkins(self, method: str, path: str, *, fault: dict[str, Any] | None = None, **given: Any) -> None:
        await self.call(method, path, fault=fault, auth=(JENKINS_USER, JENKINS_TOKEN), **given)

    async def trigger(self, key: str, *, fault: dict[str, Any] | None = None) -> None:
        data = {"REVISION": REVISION, "PR": "1", "ENV": "staging", "PROMOTION_KEY": key}
        await self.jenkins("POST", f"{JOB}/buildWithParameters", fault=fault, data=data)

    def journal(self) -> Sequence[dict[str, Any]]:
        return list(self.state.journal.entries())

    def calls(self, key: str) -> list[str]:
        return [call.what for call in read_calls(self.state.summary(), self.journal()) if call.key == key]


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    async with running_sandbox(seed=WORLD.seed()) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as client:
        yield Outside(sandbox, client)


async def test_a_build_is_read_with_the_times_at_which_it_really_began_and_ended(outside: Outside) -> None:
    await outside.trigger("k1")
    (entry,), (build,) = outside.journal(), read_builds(outside.state.summary())
    assert (build.job, build.number, build.key, build.result) == ("app1/smoke", 1, "k1", "SUCCESS")
    assert (build.revision, build.pull, build.source) == (REVISION, 1, "staging")
    assert build.ended_at is not None
    # The queue's wait begins while the trigger is being carried out.
    assert 0 <= build.started_at - entry["time"] - QUEUE_SECONDS < STEP_SECONDS / 2
    assert build.ended_at - build.started_at == pytest.approx(RUN_SECONDS)


async def test_a_stopped_build_ended_when_it_was_stopped_and_a_running_one_did_not_end(outside: Outside) -> None:
    outside.state.jenkins.jobs["app1/smoke"].duration_seconds = 100 * STEP_SECONDS
    await outside.trigger("k1")
    assert [(one.result, one.ended_at) for one in read_builds(outside.state.summary())] == [(None, None)]
    stopped_at = outside.state.clock.now()
    await outside.jenkins("POST", f"{JOB}/1/stop")
    (build,) = read_builds(outside.state.summary())
    assert build.result == "ABORTED"
    assert build.ended_at is not None
    assert 0 <= build.ended_at - stopped_at < STEP_SECONDS / 2
    assert outside.calls("k1")[-1] == "stop of #1 carried out, answered 302"


async def test_each_trigger_of_a_key_is_shown_with_what_became_of_it(outside: Outside) -> None:
    match = {"system": "jenkins", "match": "POST /buildWithParameters"}
    await outside.trigger("k1", fault={**match, "action": "status", "status": 502})
    await outside.jenkins("GET", f"{JOB}/api/json")
    await outside.trigger("k1", fault={**match, "action": "accept_then_drop"})
    await outside.trigger("k1", fault={**match, "action": "delay", "seconds": 0.01})
    await outside.jenkins("POST", f"{JOB}/2/stop")
    calls = outside.calls("k1")
    assert [what.partition(" (")[0] for what in calls] == [
        "trigger refused with 502 before it did anything",
        "trigger carried out, its reply lost",
        "trigger held, then carried out, answered 201",
        "stop of #2 too late, answered 302",
    ]
    assert calls[0].endswith("(its job was never listed before)")
    assert re.search(r"\(its job last listed 6\d\.\d s before, answered 200\)$", calls[1])
    assert [build.key for build in read_builds(outside.state.summary())] == ["k1", "k1"]


async def test_an_equal_trigger_that_was_folded_is_shown_as_such(outside: Outside) -> None:
    outside.state.jenkins.jobs["app1/smoke"].queue_seconds = 1.5 * STEP_SECONDS
    await outside.trigger("k1")
    await outside.trigger("k1")
    assert outside.calls("k1")[1].startswith("trigger folded into the equal item that still waited, answered 303")


async def test_applications_are_read_as_they_stand(outside: Outside) -> None:
    root = WORLD.seed()["argocd"]["apps"]["app1-prod"]["revision"]
    patch = {"patch": f'[{{"op": "replace", "path": "/spec/source/targetRevision", "value": "{REVISION}"}}]'}
    outside.state.github.repositories["acme/app1"].graph.add(sha=REVISION, parents=[root])
    headers = {"Authorization": f"Bearer {ARGOCD_TOKEN}"}
    body = {"name": "app1-prod", "patchType": "json", **patch}
    await outside.call("PATCH", "/argocd/api/v1/applications/app1-prod", headers=headers, json=body)
    outside.state.controller.compare(outside.state.argocd.applications["app1-prod"])
    assert [write.revision for write in read_writes(outside.journal(), syncs=False)] == [REVISION]
    seen = {one.name: one for one in read_applications(outside.state.summary())}
    running = Application(
        name="app1-dev", target=root, live=root, sync="Synced", health="Healthy", phase=None, operating=False
    )
    assert seen["app1-dev"] == running
    assert seen["app1-prod"] == replace(running, name="app1-prod", target=REVISION, sync="OutOfSync")
    outside.state.options.argocd_sync_seconds = STEP_SECONDS
    sync = {"revision": REVISION}
    await outside.call("POST", "/argocd/api/v1/applications/app1-prod/sync", headers=headers, json=sync)
    assert {one.name: one.operating for one in read_applications(outside.state.summary())}["app1-prod"]
