"""Status writes on a real kube-apiserver: only to the object meant, never an older one over a newer one."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from activities.models.status import (
    ArtifactSet,
    DeploymentStatus,
    EventNote,
    LaneStatus,
    MemberStatus,
    PlaceStatus,
    PublishPlaceInput,
    PublishStatusInput,
)
from activities.models.tracking import Artifact
from activities.resources import KubernetesResources, event_name
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import (
    EVENTS,
    NAMESPACES,
    ApiInvalid,
)
from crds.api.verification import BINDINGS as ADMISSION_BINDINGS
from crds.api.verification import POLICIES as ADMISSION_POLICIES
from crds.reasons.vocabulary import Health, State
from tests.watcher.fakes import EVENTS_REFUSED, FakeKubernetes, become, tracker_document
from tests.watcher.samples import AT, ENVIRONMENTS, Quiet, conditions, full_status, ref_of, tracker
from worker.watcher.entries import FINALIZER
from worker.watcher.trackers import TRACKERS


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
    assert 900 < len(status["message"]) <= 1024
    assert len(status["promotions"]) == 20
    assert status["promotions"][0]["policy"] == {"name": "dev-to-staging", "generation": 3}
    assert status["uid"] == created["metadata"]["uid"]
    assert status["tests"][0]["startedAt"] == "2026-03-01T12:00:00Z"
    events = await api.list_all(EVENTS, namespace)
    assert [event["metadata"]["name"] for event in events.items] == [event_name(request.tracker, note)]
    assert events.items[0]["involvedObject"]["uid"] == created["metadata"]["uid"]


async def test_what_a_status_no_longer_holds_is_gone_from_the_resource(api: KubernetesApi, namespace: str) -> None:
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


async def test_the_last_status_of_a_deleted_tracker_is_written_in_a_namespace_that_is_being_deleted(
    api: KubernetesApi, namespace: str
) -> None:
    held = tracker()
    held["metadata"]["finalizers"] = [FINALIZER]
    created = await api.create(TRACKERS, namespace, held)
    await api.delete(NAMESPACES, None, namespace)
    await api.delete(TRACKERS, namespace, "web-412")
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    note = EventNote(id="web-412.1.9", warning=True, reason="Deleted", message="the tracker was deleted")
    request = PublishStatusInput(tracker=ref_of(created), status=full_status(9, state=State.ABORTED), events=(note,))
    assert (await resources.publish_status(request)).written
    assert (await api.get(TRACKERS, namespace, "web-412"))["status"]["state"] == "Aborted"
    assert (await resources.publish_status(request)).reason == "AlreadyWritten"
    assert (await api.list_all(EVENTS, namespace)).items == ()


async def test_a_status_is_written_though_no_event_may_be(caplog: pytest.LogCaptureFixture) -> None:
    kubernetes = FakeKubernetes()
    created = kubernetes.put(TRACKERS, tracker_document())
    kubernetes.events_refused = EVENTS_REFUSED[0]
    resources = KubernetesResources(kubernetes=kubernetes, observer=Quiet())
    notes = tuple(EventNote(id=str(n), warning=False, reason=f"Reason{n}", message=f"text {n}") for n in range(2))
    request = PublishStatusInput(tracker=ref_of(created), status=full_status(1), events=notes)
    assert (await resources.publish_status(request)).written
    (record,) = caplog.records
    assert "is forbidden" in record.getMessage()
    assert "Reason0: text 0; Reason1: text 1" in record.getMessage()


async def test_a_policy_of_the_cluster_that_denies_events_keeps_neither_status_nor_later_events(
    api: KubernetesApi, namespace: str
) -> None:
    name = f"no-tests-{namespace}"
    constraints = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["events"]}
        ],
    }
    validations = [{"expression": "object.reason != 'Testing'"}]
    spec = {"matchConstraints": constraints, "validations": validations}
    await api.create(ADMISSION_POLICIES, None, {"metadata": {"name": name}, "spec": spec})
    bound = {"policyName": name, "validationActions": ["Deny"]}
    await api.create(ADMISSION_BINDINGS, None, {"metadata": {"name": name}, "spec": bound})
    created = await api.create(TRACKERS, namespace, tracker())
    target = TRACKERS.target(namespace=namespace, name="web-412", uid=created["metadata"]["uid"])
    probes = itertools.count()

    async def denied() -> bool:
        try:
            await api.post_event(
                target, name=f"probe-{next(probes)}", reason="Testing", message="", warning=False, component="test"
            )
        except ApiInvalid:
            return True
        return False

    await become(denied)
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    notes = tuple(EventNote(id=one, warning=False, reason=one, message=one) for one in ("Testing", "Merged"))
    request = PublishStatusInput(tracker=ref_of(created), status=full_status(1), events=notes)
    assert (await resources.publish_status(request)).written
    posted = [one["metadata"]["name"] for one in (await api.list_all(EVENTS, namespace)).items]
    assert event_name(request.tracker, notes[1]) in posted
    for kind in (ADMISSION_BINDINGS, ADMISSION_POLICIES):
        await api.delete(kind, None, name)


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


async def test_an_environment_shows_whether_all_that_is_to_be_written_can_be(
    api: KubernetesApi, namespace: str
) -> None:
    argocd = {"instanceRef": {"name": "argocd"}, "project": "shop", "application": "web"}
    deployment = {"name": "web", "repositoryRef": {"name": "web"}, "argocd": argocd}
    await api.create(ENVIRONMENTS, namespace, {"metadata": {"name": "dev"}, "spec": {"deployments": [deployment]}})
    resources = KubernetesResources(kubernetes=api, observer=Quiet())

    async def publish(repository: str, sequence: int, why: str, reason: str = "") -> tuple[str, str]:
        one = DeploymentStatus(
            name="web", artifact=None, health=Health.HEALTHY, not_writable=why, not_writable_reason=reason
        )
        status = PlaceStatus(repository=repository, sequence=sequence, deployments=(one,), lane=LaneStatus())
        await resources.publish_place(PublishPlaceInput(namespace=namespace, environment="dev", status=status))
        found = conditions(await api.get(ENVIRONMENTS, namespace, "dev"))["Writable"]
        return found["status"], found["reason"]

    assert await publish("web", 1, "") == ("True", "Writable")
    assert await publish("web", 2, "an ApplicationSet would revert it") == ("False", "NotWritable")
    assert await publish("web", 3, "an ApplicationSet would revert it", "OwnedBy") == ("False", "OwnedBy")
    # Another repository's entry does not hide it.
    assert await publish("api", 1, "") == ("False", "OwnedBy")
    assert await publish("web", 4, "") == ("True", "Writable")
