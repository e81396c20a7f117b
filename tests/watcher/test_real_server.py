"""The watcher's writes and watches against a real kube-apiserver."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.models.delivery import Health
from activities.models.status import (
    ArtifactSet,
    ConditionStatus,
    DeploymentStatus,
    EventNote,
    LaneStatus,
    MemberStatus,
    PlaceStatus,
    PolicyRef,
    PromotionRecord,
    PublishPlaceInput,
    PublishStatusInput,
    State,
    TestAggregateResult,
    TestStatus,
    TrackerStatus,
    Waiting,
    WaitingFor,
    WorkflowStatus,
)
from activities.models.tracking import Artifact, PullRequest, PullRequestState, TrackerRef
from activities.resources import KubernetesResources, event_name
from crds.cache import FINALIZER
from crds.commands import COMMANDS
from crds.controller import TRACKERS
from crds.kubernetes import KubernetesApi
from crds.ports import (
    EVENTS,
    NAMESPACES,
    ApiConflict,
    ApiForbidden,
    ApiInvalid,
    ApiNotFound,
    ApiUnavailable,
    Document,
    resource_of,
)
from crds.promotions import WorkflowState
from crds.reflector import Change, Key, Reflector
from crds.v1alpha1.environment import Environment
from crds.watching import Watcher
from deploy.local.kubernetes_server import KubernetesAccess
from tests.watcher.fakes import FakePromotions, become, until

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENVIRONMENTS = resource_of(Environment.definition)

_numbers = itertools.count(1)


@pytest.fixture
async def api(kubernetes_api: KubernetesAccess) -> AsyncIterator[KubernetesApi]:
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as connected:
        yield connected


@pytest.fixture
async def namespace(api: KubernetesApi) -> str:
    name = f"watcher-{next(_numbers)}"
    await api.create(NAMESPACES, None, {"metadata": {"name": name}})
    return name


class Quiet:
    """Count nothing."""

    def tracker_written(self, *_: object) -> None:
        return


def tracker(number: int = 412) -> Document:
    spec = {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev"}
    return {"metadata": {"name": f"web-{number}"}, "spec": spec}


def command(verb: str, environment: str) -> Document:
    spec = {"trackerRef": {"name": "web-412"}, "verb": verb, "environment": environment, "requestedBy": "admin"}
    return {"metadata": {"name": f"{verb}-1"}, "spec": spec}


def ref_of(document: Document) -> TrackerRef:
    metadata = document["metadata"]
    return TrackerRef(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        attempt=document["spec"]["attempt"],
    )


def full_status(sequence: int, *, state: State = State.TESTING) -> TrackerStatus:
    """A status with every field filled, texts too long included."""
    test = TestStatus(
        name="integration",
        runner="jenkins",
        required=True,
        state="Passed",
        url="https://ci/1",
        number="1",
        key="k" * 40,
        started_at=AT,
        finished_at=AT,
        message="m" * 5000,
        summary="41 passed",
    )
    aggregate = TestAggregateResult(
        all_passed=True, any_failed=False, any_running=False, any_timeout=False, results={"integration": "Passed"}
    )
    artifact = Artifact(component="web", revision="a" * 40, image="registry/web", tag="sha-a")
    record = PromotionRecord(
        promoted=True,
        result="Promoted",
        source="dev",
        target="staging",
        policy=PolicyRef(name="dev-to-staging", generation=3),
        at=AT,
        artifacts=(artifact,),
        tests=(test,),
        aggregate=aggregate,
        promoted_by="autoPromote",
    )
    return TrackerStatus(
        state=state,
        sequence=sequence,
        attempt=1,
        observed_generation=1,
        reason="Testing",
        message="x" * 5000,
        waiting_for=None
        if state.terminal
        else WaitingFor(what=Waiting.VERDICT, object="TestRunner/jenkins", since=AT, until=AT),
        environment="dev",
        revision="a" * 40,
        pull_request=PullRequest(
            number=412,
            title="t" * 1000,
            author="alice",
            url="https://github.com/acme/web/pull/412",
            state=PullRequestState.MERGED,
            head_sha="b" * 40,
            merge_sha="a" * 40,
            labels=("bug",),
        ),
        tests=(test,),
        aggregate=aggregate,
        promotions=(record,) * 25,
        workflow=WorkflowStatus(id="promotion/x", run_id="run-1", started_at=AT, url="https://ui"),
        conditions=(
            ConditionStatus(type="Presented", status="True", reason="Presented"),
            ConditionStatus(type="OfANewerVersion", status="Unknown", reason="Soon", message="c" * 5000),
        ),
    )


def conditions(document: Document) -> dict[str, Document]:
    return {one["type"]: one for one in document.get("status", {}).get("conditions", ())}


async def test_a_full_status_is_accepted_and_published_again_without_a_trace(
    api: KubernetesApi, namespace: str
) -> None:
    created = await api.create(TRACKERS, namespace, tracker())
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    note = EventNote(id="web-412.1.1", warning=False, reason="Testing", message="tests were triggered")
    request = PublishStatusInput(tracker=ref_of(created), status=full_status(1000), events=(note,))
    assert (await resources.publish_status(request)).written
    first = await api.get(TRACKERS, namespace, "web-412")
    assert (await resources.publish_status(request)).reason == "AlreadyWritten"
    assert await api.get(TRACKERS, namespace, "web-412") == first
    status = first["status"]
    assert status["pullRequest"]["headSHA"] == "b" * 40
    assert status["workflow"]["runID"] == "run-1"
    assert status["waitingFor"]["what"] == "Verdict"
    assert status["aggregate"]["all_passed"] is True
    assert len(status["message"]) == 1024
    assert len(status["promotions"]) == 20
    assert status["promotions"][0]["policy"] == {"name": "dev-to-staging", "generation": 3}
    assert status["uid"] == created["metadata"]["uid"]
    assert status["tests"][0]["startedAt"] == "2026-03-01T12:00:00Z"
    events = await api.list_all(EVENTS, namespace)
    assert [event["metadata"]["name"] for event in events.items] == [event_name(request.tracker, note)]
    assert events.items[0]["involvedObject"]["uid"] == created["metadata"]["uid"]


async def test_what_a_status_no_longer_says_is_gone_from_the_resource(api: KubernetesApi, namespace: str) -> None:
    created = await api.create(TRACKERS, namespace, tracker())
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=full_status(1)))
    last = replace(full_status(2, state=State.COMPLETED), message="", tests=(), aggregate=None)
    assert (await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=last))).written
    status = (await api.get(TRACKERS, namespace, "web-412"))["status"]
    assert status["state"] == "Completed"
    assert not {"waitingFor", "message", "aggregate"} & set(status)


async def test_an_older_sequence_is_dropped_but_its_events_are_not(api: KubernetesApi, namespace: str) -> None:
    created = await api.create(TRACKERS, namespace, tracker())
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=full_status(20)))
    note = EventNote(id="late", warning=True, reason="Late", message="late")
    older = PublishStatusInput(tracker=ref_of(created), status=full_status(19), events=(note,))
    result = await resources.publish_status(older)
    assert (result.written, result.reason) == (False, "OlderSequence")
    assert (await api.get(TRACKERS, namespace, "web-412"))["status"]["sequence"] == 20
    assert len((await api.list_all(EVENTS, namespace)).items) == 1


async def test_the_server_itself_refuses_a_smaller_sequence(api: KubernetesApi, namespace: str) -> None:
    await api.create(TRACKERS, namespace, tracker())
    await api.merge(TRACKERS, namespace, "web-412", {"status": {"sequence": 5}}, subresource="status")
    with pytest.raises(ApiInvalid, match="sequence"):
        await api.merge(TRACKERS, namespace, "web-412", {"status": {"sequence": 4}}, subresource="status")


async def test_a_status_for_a_recreated_or_missing_tracker_is_dropped(api: KubernetesApi, namespace: str) -> None:
    created = await api.create(TRACKERS, namespace, tracker())
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    request = PublishStatusInput(
        tracker=ref_of(created),
        status=full_status(1),
        events=(EventNote(id="1", warning=False, reason="R", message="m"),),
    )
    await api.delete(TRACKERS, namespace, "web-412", uid=created["metadata"]["uid"])
    assert (await resources.publish_status(request)).reason == "Gone"
    await api.create(TRACKERS, namespace, tracker())
    assert (await resources.publish_status(request)).reason == "Recreated"
    assert "status" not in await api.get(TRACKERS, namespace, "web-412")
    assert (await api.list_all(EVENTS, namespace)).items == ()


async def test_a_status_of_another_attempt_is_dropped(api: KubernetesApi, namespace: str) -> None:
    created = await api.create(TRACKERS, namespace, tracker())
    await api.merge(TRACKERS, namespace, "web-412", {"spec": {"attempt": 2}})
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    result = await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=full_status(1)))
    assert (result.written, result.reason) == (False, "OtherAttempt")


async def test_many_writers_leave_the_newest_status(api: KubernetesApi, namespace: str) -> None:
    created = await api.create(TRACKERS, namespace, tracker())
    resources = KubernetesResources(kubernetes=api, observer=Quiet())

    async def publish(sequence: int) -> None:
        await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=full_status(sequence)))

    await asyncio.gather(*(publish(sequence) for sequence in (3, 9, 1, 7, 5, 8)))
    assert (await api.get(TRACKERS, namespace, "web-412"))["status"]["sequence"] == 9


async def test_two_repositories_write_one_environment_without_touching_each_other(
    api: KubernetesApi, namespace: str
) -> None:
    argocd = {"instanceRef": {"name": "argocd"}, "project": "shop", "application": "web"}
    deployment = {"name": "web", "repositoryRef": {"name": "web"}, "argocd": argocd}
    await api.create(ENVIRONMENTS, namespace, {"metadata": {"name": "dev"}, "spec": {"deployments": [deployment]}})
    resources = KubernetesResources(kubernetes=api, observer=Quiet())

    def place(repository: str, sequence: int, *, holder: str = "") -> PublishPlaceInput:
        artifact = Artifact(component="web", revision="a" * 40)
        status = PlaceStatus(
            repository=repository,
            sequence=sequence,
            deployments=(DeploymentStatus(name="web", artifact=artifact, health=Health.HEALTHY, since=AT),),
            lane=LaneStatus(holder=holder, members=(MemberStatus(tracker="web-412", phase="Working"),)),
            history=(ArtifactSet(at=AT, artifacts=(artifact,)),) * 30,
        )
        return PublishPlaceInput(namespace=namespace, environment="dev", status=status)

    results = await asyncio.gather(
        resources.publish_place(place("web", 5, holder="web-412")), resources.publish_place(place("api", 2))
    )
    assert [result.written for result in results] == [True, True]
    assert (await resources.publish_place(place("web", 4))).reason == "OlderSequence"
    assert (await resources.publish_place(place("web", 6))).written
    entries = {
        entry["repository"]: entry
        for entry in (await api.get(ENVIRONMENTS, namespace, "dev"))["status"]["repositories"]
    }
    assert {name: entry["sequence"] for name, entry in entries.items()} == {"web": 6, "api": 2}
    assert "holder" not in entries["web"]["lane"]
    assert len(entries["web"]["history"]) == 20


async def test_errors_come_by_their_meaning(api: KubernetesApi, namespace: str) -> None:
    with pytest.raises(ApiNotFound):
        await api.get(TRACKERS, namespace, "web-1")
    created = await api.create(TRACKERS, namespace, tracker())
    with pytest.raises(ApiConflict) as taken:
        await api.create(TRACKERS, namespace, tracker())
    assert taken.value.reason == "AlreadyExists"
    with pytest.raises(ApiInvalid, match=r"repository"):
        await api.create(TRACKERS, namespace, {**tracker(), "metadata": {"name": "wrong"}})
    with pytest.raises(ApiConflict):
        await api.delete(TRACKERS, namespace, "web-412", uid="another")
    await api.merge(TRACKERS, namespace, "web-412", {"metadata": {"labels": {"a": "b"}}})
    stale = {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"], "labels": {"a": "c"}}}
    with pytest.raises(ApiConflict):
        await api.merge(TRACKERS, namespace, "web-412", stale)
    async with KubernetesApi.at(api.server) as stranger:
        with pytest.raises(ApiUnavailable, match="reached"):
            await stranger.get(TRACKERS, namespace, "web-412")


async def test_an_unknown_credential_is_forbidden(
    kubernetes_api: KubernetesAccess, namespace: str, tmp_path: Path
) -> None:
    broken = tmp_path / "kubeconfig"
    broken.write_text(kubernetes_api.kubeconfig.read_text().replace(kubernetes_api.admin_token, "wrong"))
    async with await KubernetesApi.connect(kubeconfig=str(broken)) as stranger:
        with pytest.raises(ApiForbidden):
            await stranger.get(TRACKERS, namespace, "web-412")


async def test_a_kubeconfig_that_nobody_can_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "kubeconfig"
    for text in ("{a: [", "[]", "", "clusters: 1"):
        broken.write_text(text)
        with pytest.raises(ApiUnavailable, match="kubeconfig"):
            await KubernetesApi.connect(kubeconfig=str(broken))


async def test_the_mirror_follows_the_real_server(api: KubernetesApi, namespace: str) -> None:
    changes: list[Change[str]] = []
    reflector = Reflector(
        kubernetes=api,
        resource=TRACKERS,
        namespace=namespace,
        project=lambda document: str(document["metadata"].get("labels", {}).get("a", "")),
        on_change=changes.append,
    )
    await api.create(TRACKERS, namespace, tracker(1))
    task = asyncio.create_task(reflector.run())
    await reflector.wait_synced()
    await api.create(TRACKERS, namespace, tracker(2))
    await until(lambda: len(changes) == 2)
    await api.merge(TRACKERS, namespace, "web-1", {"metadata": {"labels": {"a": "b"}}})
    await until(lambda: len(changes) == 3)
    await api.delete(TRACKERS, namespace, "web-2")
    await until(lambda: len(changes) == 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert dict(reflector.objects) == {Key(namespace, "web-1"): "b"}


@asynccontextmanager
async def watching(
    kubernetes_api: KubernetesAccess, promotions: FakePromotions, namespace: str, *, replicas: int
) -> AsyncIterator[list[Watcher]]:
    """Run so many watchers, each with connections of its own."""
    async with AsyncExitStack() as stack:
        watchers: list[Watcher] = []
        tasks: list[asyncio.Task[None]] = []
        for _ in range(replicas):
            connected = await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig))
            api = await stack.enter_async_context(connected)
            watchers.append(Watcher(kubernetes=api, promotions=promotions, namespaces=(namespace,)))
            tasks.append(asyncio.create_task(watchers[-1].run()))
        await until(lambda: all(watcher.has_synced for watcher in watchers), seconds=10)
        try:
            yield watchers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_two_watchers_start_each_promotion_once_and_agree_on_its_conditions(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    promotions = FakePromotions()
    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        for number in range(1, 21):
            await api.create(TRACKERS, namespace, tracker(number))
        await until(lambda: len(promotions.started) >= 20)

        async def accepted() -> list[Document]:
            page = await api.list_all(TRACKERS, namespace)
            return [item for item in page.items if "Accepted" in conditions(item)]

        async def all_accepted() -> bool:
            return len(await accepted()) == 20

        await become(all_accepted)
        before = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in await accepted()}
        await asyncio.sleep(0.5)
        after = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in await accepted()}
    assert before == after
    assert len(promotions.started) == 20
    for item in await accepted():
        assert item["metadata"]["finalizers"] == [FINALIZER]
        assert conditions(item)["WorkflowAvailable"]["status"] == "True"


async def test_the_watcher_and_the_workflow_keep_out_of_each_other_s_conditions(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    promotions = FakePromotions()
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        created = await api.create(TRACKERS, namespace, tracker())
        await until(lambda: len(promotions.started) == 1)
        await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=full_status(1)))

        async def types() -> set[str]:
            return set(conditions(await api.get(TRACKERS, namespace, "web-412")))

        async def complete() -> bool:
            return await types() == {"Accepted", "WorkflowAvailable", "Presented", "OfANewerVersion"}

        await become(complete)
        last = replace(full_status(2), conditions=())
        await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=last))
        assert await types() == {"Accepted", "WorkflowAvailable"}


async def test_a_deleted_tracker_goes_once_its_workflow_has_closed(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    promotions = FakePromotions()
    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        await api.create(TRACKERS, namespace, tracker())
        await until(lambda: len(promotions.started) == 1)
        await api.delete(TRACKERS, namespace, "web-412")
        await until(lambda: len(promotions.deleted) >= 1)
        assert (await api.get(TRACKERS, namespace, "web-412"))["metadata"]["finalizers"] == [FINALIZER]
        (attempt,) = promotions.states
        promotions.states[attempt] = WorkflowState.COMPLETED

        async def gone() -> bool:
            return not (await api.list_all(TRACKERS, namespace)).items

        await become(gone)
    assert promotions.deleted == [attempt] * len(promotions.deleted)
    assert len(promotions.started) == 1


async def test_two_watchers_execute_a_command_once_and_a_restarted_one_answers_what_was_left(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    promotions = FakePromotions()

    async def status_of(name: str) -> Document:
        status: Document = (await api.get(COMMANDS, namespace, name)).get("status", {})
        return status

    async def answer(name: str) -> Document:
        async def answered() -> bool:
            return "accepted" in await status_of(name)

        await become(answered)
        return await status_of(name)

    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        await api.create(TRACKERS, namespace, tracker())
        await api.create(COMMANDS, namespace, command("hold", "dev"))
        assert (await answer("hold-1"))["accepted"] is True
    await api.create(COMMANDS, namespace, command("promote", "staging"))
    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        assert (await answer("promote-1"))["accepted"] is True
        await api.create(COMMANDS, namespace, command("restart", "dev"))
        assert (await answer("restart-1"))["accepted"] is False
        promotions.states = dict.fromkeys(promotions.states, WorkflowState.TERMINATED)
        again = command("restart", "dev")
        again["metadata"]["name"] = "restart-2"
        await api.merge(
            TRACKERS,
            namespace,
            "web-412",
            {
                "status": {
                    "attempt": 1,
                    "state": "Testing",
                    "workflow": {"id": "x", "startedAt": "2026-03-01T12:00:00Z"},
                }
            },
            subresource="status",
        )
        await api.create(COMMANDS, namespace, again)
        assert (await answer("restart-2"))["message"] == "attempt 2 begins"
        await until(lambda: len(promotions.started) == 2)
    assert [order.verb for _, order in promotions.orders] == ["hold", "promote"]
    assert (await api.get(TRACKERS, namespace, "web-412"))["spec"]["attempt"] == 2
