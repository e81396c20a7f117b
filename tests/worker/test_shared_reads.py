"""One read of a Secret serves all activities for five seconds; what changed counts then, after a refusal at once."""

import asyncio
import base64
import gc
import time
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.deployments import ArgoCDActivities
from activities.failures import failure_from
from activities.models.configuration import DeploymentSpec, TestSpec, WriteKind, WriteSpec
from activities.models.delivery import DeliverApplicationInput, Observation, SyncApplicationInput
from activities.models.git_delivery import DeliverFilesInput
from activities.models.testing import RoundTest, TriggerRoundInput
from activities.models.tracking import Artifact
from activities.ports import ReferenceMissing
from activities.pull_requests import ScmHostActivities
from activities.redaction import reading_secrets, redact
from activities.refusals import following, note_failure
from activities.rights import with_rights
from activities.test_runs import CiActivities
from crds.api.mirror import read_through
from crds.api.ports import ApiUnavailable, SecretData
from crds.reasons.problems import FailureKind
from tests.activities.cluster import Cluster, shop
from tests.activities.test_git_delivery import VARIABLES
from tests.activities.test_git_delivery import deployment as committed
from tests.activities.test_observed_repositories import TRIGGER
from tests.worker.conftest import Opener
from worker.opening import shared_reads
from worker.opening.resources import ClusterOpener
from worker.opening.shared_reads import SHARED, SharedReads

Attempt = Callable[[], Coroutine[Any, Any, object]]


@dataclass
class Clock:
    """Stand for the module `time`, some seconds ahead."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.seconds


@dataclass
class Counting(Cluster):
    """Count what is read of Secrets and namespaces."""

    reads: Counter[str] = field(default_factory=Counter)

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        self.reads[name] += 1
        await asyncio.sleep(0)
        return await super().get_secret(namespace, name)


@contextmanager
def activity() -> Iterator[None]:
    """Stand for one attempt of an activity."""
    with following(), reading_secrets():
        yield


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shared_reads, "time", clock)
    return clock


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
    opener = connect(cluster, open_http)
    with activity():
        await asyncio.gather(*(opener.ci_runs("shop", "jenkins") for _ in range(3)))
    assert cluster.reads == {"jenkins-token": 1}


async def test_the_rights_of_several_deployments_cost_one_read(open_http: Opener) -> None:
    cluster = counting()
    names = ("web", "api", "jobs")
    seen = [Observation(deployment=name, component="web", application=name) for name in names]
    with activity():
        await with_rights(connect(cluster, open_http), "shop", [deployment(name) for name in names], seen)
    assert cluster.reads == {"argocd-token": 1}


async def test_activities_that_follow_each_other_share_a_read_and_each_keeps_its_values_out_of_texts(
    open_http: Opener,
) -> None:
    cluster = counting()
    opener = connect(cluster, open_http)
    for _ in range(3):
        with activity():
            await opener.deployments("shop", "argocd")
            assert redact("Argo CD refuses argocd-account-token") == "Argo CD refuses ***"
    assert cluster.reads == {"argocd-token": 1}


async def test_activities_at_the_same_time_share_a_read_and_the_end_of_one_ends_it_for_no_other() -> None:
    asked, reads = asyncio.Event(), Counter[str]()

    async def read(_namespace: str, name: str) -> str:
        reads[name] += 1
        await asked.wait()
        return "value"

    shared = SharedReads(read)

    async def use() -> str:
        with activity():
            return await shared.get("shop", "token")

    waiting = [asyncio.create_task(use()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    asked.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(one) for one in outcomes[1:]] == ["value", "value"]
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert reads == {"token": 1}


async def test_a_secret_that_was_rotated_or_withdrawn_counts_within_five_seconds(
    open_http: Opener, later: Clock
) -> None:
    assert SHARED.total_seconds() <= 5
    cluster = counting()
    opener = connect(cluster, open_http)
    with activity():
        first = await opener.deployments("shop", "argocd")
        cluster.secrets["shop", "argocd-token"] = {"token": b"rotated-argocd-token"}
        assert await opener.deployments("shop", "argocd") is first
        later.seconds += SHARED.total_seconds()
        # Also within an activity that lasts.
        assert await opener.deployments("shop", "argocd") is not first
        assert "rotated-argocd-token" not in redact("Argo CD refuses rotated-argocd-token")
    cluster.without_consent.add(("shop", "argocd-token"))
    later.seconds += SHARED.total_seconds()
    with activity(), pytest.raises(ReferenceMissing, match="does not consent"):
        await opener.deployments("shop", "argocd")
    assert cluster.reads == {"argocd-token": 3}


@pytest.mark.parametrize("status", [401, 403])
async def test_a_secret_that_a_host_refuses_is_read_again_by_the_next_that_uses_it(
    open_http: Opener, status: int
) -> None:
    cluster = counting()
    http = open_http(lambda _request: httpx.Response(status, json={"message": "no"}))
    opener = ClusterOpener(cluster.port(), http, system_namespace="pilotage")
    with activity():
        # What asks for rights takes a refusal as no denial: it becomes no failure.
        seen = [Observation(deployment="web", component="web", application="web")]
        await with_rights(opener, "shop", [deployment("web")], seen)
    reads = cluster.reads["argocd-token"]
    with activity():
        await opener.deployments("shop", "argocd")
        await opener.deployments("shop", "argocd")
    assert cluster.reads["argocd-token"] == reads + 1


ARTIFACT = Artifact(component="web", revision="2" * 40, tag="v2")
TEST = TestSpec(name="e2e", runner="jenkins", job="web/e2e", parameters={}, required=True, timeout=timedelta(hours=1))


def _deliver_application(opener: ClusterOpener) -> Attempt:
    request = DeliverApplicationInput(
        namespace="shop", deployment=deployment("web"), artifact=ARTIFACT, expected="1" * 40, key="k"
    )
    return partial(ArgoCDActivities(opener).deliver_application, request)


def _sync_application(opener: ClusterOpener) -> Attempt:
    request = SyncApplicationInput(namespace="shop", deployment=deployment("web"), artifact=ARTIFACT, key="k")
    return partial(ArgoCDActivities(opener).sync_application, request)


def _deliver_files(opener: ClusterOpener) -> Attempt:
    written = replace(committed("web"), repository="web")
    request = DeliverFilesInput(
        namespace="shop",
        repository="web",
        deployments=(written,),
        artifacts=(ARTIFACT,),
        key="k",
        variables=VARIABLES,
    )
    return partial(ScmHostActivities(opener).deliver_files, request)


def _trigger_test(opener: ClusterOpener) -> Attempt:
    return partial(CiActivities(opener).trigger_test, TRIGGER)


def _trigger_round(opener: ClusterOpener) -> Attempt:
    asked = RoundTest(spec=TEST, key="0" * 32, variables={})
    request = TriggerRoundInput(namespace="shop", repository="web", tests=(asked,), variables={})
    return partial(CiActivities(opener).trigger_round, request)


@pytest.mark.parametrize(
    "attempt", [_deliver_application, _sync_application, _deliver_files, _trigger_test, _trigger_round]
)
async def test_what_only_a_command_starts_again_uses_no_secret_of_a_few_seconds_ago(
    open_http: Opener, attempt: Callable[[ClusterOpener], Attempt]
) -> None:
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization", ""))
        return httpx.Response(403, json={"message": "no"})

    cluster = counting()
    cluster.objects["GitRepository", "shop", "config"] = cluster.objects["GitRepository", "shop", "web"]
    opener = ClusterOpener(cluster.port(), open_http(answer), system_namespace="pilotage")
    with activity():
        # Such as an observation of another promotion, just before somebody fixes it.
        await opener.deployments("shop", "argocd")
        await opener.ci_runs("shop", "jenkins")
        await opener.repository("shop", "web")
    read = cluster.reads.copy()

    async def refused() -> None:
        with activity(), suppress(ApplicationError):
            await attempt(opener)()

    for key, entries in cluster.secrets.items():
        cluster.secrets[key] = {**entries, "token": b"fixed-token"}
    await ActivityEnvironment().run(refused)
    fixed = ("Bearer fixed-token", "Basic " + base64.b64encode(b"ci:fixed-token").decode())
    assert sent
    assert [one for one in sent if one not in fixed] == []
    # It reads each once, whatever it needs it for.
    assert (cluster.reads - read).total() == 1


async def test_a_failure_has_the_secrets_of_its_attempt_read_again(open_http: Opener) -> None:
    cluster = counting()
    opener = connect(cluster, open_http)
    with activity():
        await opener.deployments("shop", "argocd")
    with activity():
        await opener.ci_runs("shop", "jenkins")
        note_failure(FailureKind.NOT_FOUND)
    with activity():
        await opener.deployments("shop", "argocd")
        await opener.ci_runs("shop", "jenkins")
    assert cluster.reads == {"argocd-token": 1, "jenkins-token": 2}


async def test_consent_that_was_missing_counts_for_the_next_attempt(open_http: Opener) -> None:
    cluster = counting()
    cluster.without_consent.add(("shop", "argocd-token"))
    opener = connect(cluster, open_http)
    with activity():
        with pytest.raises(ReferenceMissing, match="does not consent") as missing:
            await opener.deployments("shop", "argocd")
        failure_from(missing.value)
    cluster.without_consent.clear()
    with activity():
        await opener.deployments("shop", "argocd")


async def test_who_knows_of_a_change_reads_and_so_do_those_who_come_after(open_http: Opener) -> None:
    cluster = counting()
    opener = connect(cluster, open_http)
    with activity():
        first = await opener.deployments("shop", "argocd")
    cluster.secrets["shop", "argocd-token"] = {"token": b"rotated-argocd-token"}
    with activity(), read_through():
        changed = await opener.deployments("shop", "argocd")
        assert await opener.deployments("shop", "argocd") is changed
    with activity():
        assert await opener.deployments("shop", "argocd") is changed
    assert changed is not first
    assert cluster.reads == {"argocd-token": 2}


def overtaken() -> tuple[SharedReads[str], asyncio.Event]:
    """Return reads that take until an event, the first of which finds what was there before."""
    values, asked = ["new", "old"], asyncio.Event()

    async def read(_namespace: str, _name: str) -> str:
        value = values.pop()
        await asked.wait()
        return value

    return SharedReads(read), asked


async def test_a_read_that_began_before_a_change_is_not_used_by_who_knows_of_it() -> None:
    shared, asked = overtaken()

    async def use(*, fresh: bool) -> str:
        with activity(), read_through(when=fresh):
            return await shared.get("shop", "token")

    before = asyncio.create_task(use(fresh=False))
    await asyncio.sleep(0)
    after = asyncio.create_task(use(fresh=True))
    await asyncio.sleep(0)
    asked.set()
    assert (await before, await after) == ("old", "new")
    assert await use(fresh=False) == "new"


async def test_a_read_that_began_before_a_refusal_is_not_kept() -> None:
    shared, asked = overtaken()

    async def use() -> str:
        with activity():
            return await shared.get("shop", "token")

    before = asyncio.create_task(use())
    await asyncio.sleep(0)
    shared.forget(("shop", "token"))
    asked.set()
    assert await before == "old"
    assert await use() == "new"


async def test_outside_of_an_activity_each_use_reads(open_http: Opener) -> None:
    cluster = counting()
    opener = connect(cluster, open_http)
    await opener.deployments("shop", "argocd")
    await opener.deployments("shop", "argocd")
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
    with activity():
        waiting = [asyncio.create_task(reads.get("shop", "token")) for _ in range(3)]
        await asyncio.sleep(0)
        # One that gives up ends no other's read.
        waiting[0].cancel()
        asked.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in outcomes] == [asyncio.CancelledError, ApiUnavailable, ApiUnavailable]
        assert await reads.get("shop", "token") == "value"


async def test_nothing_of_a_secret_stays_after_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Value:
        """What may be looked for."""

    monkeypatch.setattr(shared_reads, "SHARED", timedelta(milliseconds=20))

    async def read(_namespace: str, _name: str) -> Value:
        return Value()

    reads = SharedReads(read)
    with activity():
        there = weakref.ref(await reads.get("shop", "token"))
    assert there() is not None
    await asyncio.sleep(0.1)
    gc.collect()
    assert there() is None


async def test_nothing_of_an_activity_stays_with_what_it_read(open_http: Opener) -> None:
    opener = connect(counting(), open_http)
    with following(), reading_secrets() as values:
        await opener.deployments("shop", "argocd")
        there = weakref.ref(values)
    del values
    gc.collect()
    assert there() is None
