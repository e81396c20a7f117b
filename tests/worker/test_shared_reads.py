"""One read of a Secret serves an activity; what changed counts for the next one."""

import asyncio
import gc
import weakref
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest

from activities.models.configuration import DeploymentSpec, WriteKind, WriteSpec
from activities.models.delivery import Observation
from activities.ports import ReferenceMissing
from activities.redaction import reading_secrets, redact
from activities.rights import with_rights
from crds.api.ports import ApiUnavailable, SecretData
from tests.activities.cluster import Cluster, shop
from tests.worker.conftest import Opener
from worker.opening.resources import ClusterOpener
from worker.opening.shared_reads import SHARED, SharedReads


@dataclass
class Counting(Cluster):
    """Count what is read of Secrets and namespaces."""

    reads: Counter[str] = field(default_factory=Counter)

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        self.reads[name] += 1
        await asyncio.sleep(0)
        return await super().get_secret(namespace, name)


def counting() -> Counting:
    return Counting(**vars(shop()))


def connect(cluster: Cluster, open_http: Opener) -> ClusterOpener:
    http = open_http(lambda _request: httpx.Response(200, json={"value": "yes"}))
    return ClusterOpener(cluster.port(), http, system_namespace="pilotage")


def deployment(name: str) -> DeploymentSpec:
    write = WriteSpec(kind=WriteKind.TARGET_REVISION)
    return DeploymentSpec(
        name=name, component="web", instance="argocd", project="shop", application=name, write=write, wave=0
    )


async def test_a_round_of_three_tests_at_one_runner_reads_its_secret_once(open_http: Opener) -> None:
    cluster = counting()
    connections = connect(cluster, open_http)
    with reading_secrets():
        await asyncio.gather(*(connections.ci_runs("shop", "jenkins") for _ in range(3)))
    assert cluster.reads == {"jenkins-token": 1}


async def test_the_rights_of_several_deployments_cost_one_read(open_http: Opener) -> None:
    cluster = counting()
    names = ("web", "api", "jobs")
    seen = [Observation(deployment=name, component="web", application=name) for name in names]
    with reading_secrets():
        await with_rights(connect(cluster, open_http), "shop", [deployment(name) for name in names], seen)
    assert cluster.reads == {"argocd-token": 1}


async def test_a_secret_that_was_rotated_or_withdrawn_counts_for_the_next_activity(open_http: Opener) -> None:
    cluster = counting()
    connections = connect(cluster, open_http)
    with reading_secrets():
        first = await connections.deployments("shop", "argocd")
    cluster.secrets["shop", "argocd-token"] = {"token": b"rotated-argocd-token"}
    with reading_secrets():
        assert await connections.deployments("shop", "argocd") is not first
        assert "rotated-argocd-token" not in redact("Argo CD refuses rotated-argocd-token")
    cluster.without_consent.add(("shop", "argocd-token"))
    with reading_secrets(), pytest.raises(ReferenceMissing, match="does not consent"):
        await connections.deployments("shop", "argocd")
    assert cluster.reads == {"argocd-token": 3}


async def test_a_long_activity_reads_again(open_http: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = counting()
    connections = connect(cluster, open_http)
    loop = asyncio.get_running_loop()
    with reading_secrets():
        await connections.deployments("shop", "argocd")
        later = loop.time() + SHARED.total_seconds()
        monkeypatch.setattr(loop, "time", lambda: later)
        await connections.deployments("shop", "argocd")
    assert cluster.reads == {"argocd-token": 2}


async def test_outside_of_an_activity_each_use_reads(open_http: Opener) -> None:
    cluster = counting()
    connections = connect(cluster, open_http)
    await connections.deployments("shop", "argocd")
    await connections.deployments("shop", "argocd")
    assert cluster.reads == {"argocd-token": 2}


async def test_a_failed_read_is_shared_by_those_who_wait_and_tried_again_by_the_next() -> None:
    failures = [ApiUnavailable("down")]
    asked = asyncio.Event()

    async def read(_namespace: str, _name: str) -> str:
        await asked.wait()
        if failures:
            raise failures.pop()
        return "value"

    reads = SharedReads(read)
    with reading_secrets():
        waiting = [asyncio.create_task(reads.get("shop", "token")) for _ in range(3)]
        await asyncio.sleep(0)
        # One that gives up ends no other's read.
        waiting[0].cancel()
        asked.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in outcomes] == [asyncio.CancelledError, ApiUnavailable, ApiUnavailable]
        assert await reads.get("shop", "token") == "value"


async def test_nothing_of_a_secret_stays_after_the_activity(open_http: Opener) -> None:
    connections = connect(counting(), open_http)
    with reading_secrets() as values:
        await connections.deployments("shop", "argocd")
        there = weakref.ref(values)
    del values
    gc.collect()
    assert there() is None
