"""A runner with a branch of its own: everything is asked at that branch, and a lost trigger is not repeated blindly."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.models.testing import TriggerTestInput, TriggerTestResult
from activities.test_runs import CiActivities
from tests.activities.cluster import Cluster, shop
from tests.activities.conftest import bounded_environment
from tests.worker.conftest import Opener
from worker.opening.resources import ClusterOpener

JENKINS = {"jenkins": {"url": "https://ci.example"}, "secretRef": {"name": "jenkins-token"}}
ACTIONS = {"githubActions": {"repositoryRef": {"name": "web"}}}
AT_RELEASE = {"githubActions": {"repositoryRef": {"name": "web"}, "ref": "release"}}


@dataclass
class Host:
    """A repository whose workflow shows the key on `main`, and on `release` as the test declares."""

    on_release: str = "run-name: nightly\n"
    queries: list[str] = field(default_factory=list)
    dispatched: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/dispatches"):
            self.dispatched.append(json.loads(request.content))
            raise httpx.ReadTimeout("the reply is lost")
        if path.endswith("/runs"):
            return httpx.Response(200, json={"workflow_runs": []})
        if "/contents/" in path:
            self.queries.append(request.url.query.decode())
            on_main = "run-name: ${{ inputs.promotion_key }}\n"
            return httpx.Response(200, text=self.on_release if "ref=release" in self.queries[-1] else on_main)
        return httpx.Response(200, json={"path": ".github/workflows/e2e.yml", "default_branch": "main"})


def cluster_with(spec: dict[str, Any]) -> Cluster:
    cluster = shop()
    cluster.add("TestRunner", "ci", spec)
    return cluster


async def trigger(host: Host, open_http: Opener, *, attempt: int, again: bool = False) -> TriggerTestResult:
    http = open_http(host.answer)
    opener = ClusterOpener(cluster_with(AT_RELEASE).port(), http, system_namespace="pilotage")
    request = TriggerTestInput(
        namespace="shop", runner="ci", job="e2e.yml", key="k1", parameters={}, variables={}, again=again
    )
    return await bounded_environment(attempt=attempt).run(CiActivities(opener).trigger_test, request)


@pytest.mark.parametrize(("attempt", "again"), [(2, False), (1, True)])
async def test_a_trigger_that_may_be_a_second_one_is_refused_where_the_branch_hides_the_key(
    open_http: Opener, attempt: int, again: bool
) -> None:
    host = Host()
    with pytest.raises(ApplicationError) as caught:
        await trigger(host, open_http, attempt=attempt, again=again)
    assert caught.value.type == "TriggerUnknown"
    assert caught.value.non_retryable
    assert host.dispatched == []
    assert host.queries == ["ref=release"]


async def test_a_lost_trigger_is_repeated_where_the_branch_shows_the_key(open_http: Opener) -> None:
    host = Host(on_release="run-name: e2e ${{ inputs.promotion_key }}\n")
    with pytest.raises(ApplicationError) as caught:
        await trigger(host, open_http, attempt=2)
    assert not caught.value.non_retryable
    assert [sent["ref"] for sent in host.dispatched] == ["release"]
