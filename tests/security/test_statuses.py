"""What a tenant with rights on `…/status` alone can do: nothing that lasts, and nothing unseen."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.credential_checks import CredentialConditions
from activities.models.credential_checks import CheckedResource, CredentialCheckOutcome, PublishConnectionInput
from activities.models.status import LaneStatus, PlaceStatus, PublishPlaceInput, PublishStatusInput
from activities.resources import KubernetesResources
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import EVENTS, Document, resource_of
from crds.sequences import AHEAD, MAX_SEQUENCE, REPLACEABLE
from crds.v1alpha1.test_runner import TestRunner
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.crds.api import Api, message
from tests.crds.resources import deployment, document, environment_document
from tests.watcher.samples import ENVIRONMENTS, conditions, full_status, ref_of
from worker.watcher.trackers import TRACKERS

NAMESPACE = "statuses"
RBAC = "rbac.authorization.k8s.io/v1"
ENTRIES = 100
"""As many entries as the schema lets an Environment have."""


def here(found: Document) -> Document:
    return {**found, "metadata": {**found["metadata"], "namespace": NAMESPACE}}


def tracker(number: int) -> Document:
    spec = {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev"}
    return here(document("PullRequestTracker", f"web-{number}", spec))


def place(name: str) -> Document:
    return here(environment_document(name, deployment(f"web-{name}")))


@pytest.fixture(scope="module")
def admin(kubernetes_api: KubernetesAccess) -> Iterator[Api]:
    api = Api(kubernetes_api)
    named: list[tuple[str, Document]] = [
        ("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        (
            f"/apis/{RBAC}/namespaces/{NAMESPACE}/roles",
            {
                "apiVersion": RBAC,
                "kind": "Role",
                "metadata": {"name": "statuses"},
                "rules": [
                    {
                        "apiGroups": ["pilotage.dev"],
                        "resources": ["pullrequesttrackers/status", "environments/status", "testrunners/status"],
                        "verbs": ["get", "patch", "update"],
                    }
                ],
            },
        ),
        (
            f"/apis/{RBAC}/namespaces/{NAMESPACE}/rolebindings",
            {
                "apiVersion": RBAC,
                "kind": "RoleBinding",
                "metadata": {"name": "statuses"},
                "subjects": [{"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "statuses"},
            },
        ),
    ]
    for path, one in named:
        response = api.create_other(path, one)
        assert response.status_code in (201, 409), message(response)
    yield api
    api.close()


@pytest.fixture(scope="module")
def mallory(kubernetes_api: KubernetesAccess, admin: Api) -> Iterator[Api]:
    api = Api(kubernetes_api, impersonated="mallory")
    probe = tracker(999)
    assert admin.create(probe).status_code == 201
    deadline = time.monotonic() + 20
    while api.patch(probe, {"status": {"message": "mine"}}, status=True).status_code != 200:
        assert time.monotonic() < deadline, "the rights are not in force"
        time.sleep(0.1)
    yield api
    api.close()


@dataclass
class Forgeries:
    """Count what the metrics of the watcher would."""

    forged: list[tuple[str, str]] = field(default_factory=list)

    def tracker_written(self, *_: object) -> None:
        return

    def status_refused(self, *refused: object) -> None:
        raise AssertionError(refused)

    def status_forged(self, kind: str, namespace: str) -> None:
        self.forged.append((kind, namespace))


def clock() -> int:
    return int(time.time() * 1000)


async def publish(access: KubernetesAccess, request: PublishStatusInput | PublishPlaceInput, seen: Forgeries) -> Any:
    async with await KubernetesApi.connect(kubeconfig=str(access.kubeconfig)) as kubernetes:
        resources = KubernetesResources(kubernetes=kubernetes, observer=seen)
        if isinstance(request, PublishStatusInput):
            return await resources.publish_status(request)
        return await resources.publish_place(request)


async def read(access: KubernetesAccess, found: Document) -> Document:
    async with await KubernetesApi.connect(kubeconfig=str(access.kubeconfig)) as kubernetes:
        resource = TRACKERS if found["kind"] == "PullRequestTracker" else ENVIRONMENTS
        return await kubernetes.get(resource, NAMESPACE, found["metadata"]["name"])


async def events_of(access: KubernetesAccess, found: Document) -> list[tuple[str, str]]:
    async with await KubernetesApi.connect(kubeconfig=str(access.kubeconfig)) as kubernetes:
        events = (await kubernetes.list_all(EVENTS, NAMESPACE)).items
    return [(one["type"], one["reason"]) for one in events if one["involvedObject"]["uid"] == found["metadata"]["uid"]]


def entry(sequence: int, name: str = "web") -> Document:
    return {"repository": name, "sequence": sequence}


@pytest.mark.parametrize("forged", [2**63 - 2, MAX_SEQUENCE + 1, -1])
def test_to_freeze_a_status_by_a_sequence_that_no_clock_reaches(admin: Api, mallory: Api, forged: int) -> None:
    one, other = tracker(1), place("outside")
    for found in (one, other):
        assert admin.create(found).status_code in (201, 409)
    assert mallory.patch(one, {"status": {"sequence": forged}}, status=True).status_code == 422
    assert mallory.patch(other, {"status": {"repositories": [entry(forged)]}}, status=True).status_code == 422


@pytest.mark.parametrize("ahead", [AHEAD.total_seconds() * 1000 + 60_000, 365 * 86_400_000, None])
async def test_to_freeze_a_trackers_status_by_a_sequence_far_ahead(
    kubernetes_api: KubernetesAccess, admin: Api, mallory: Api, ahead: float | None
) -> None:
    number = 10 + (0 if ahead is None else int(ahead) % 89)
    created = admin.create(tracker(number)).json()
    forged = MAX_SEQUENCE if ahead is None else clock() + int(ahead)
    answer = mallory.patch(created, {"status": {"sequence": forged, "state": "Completed"}}, status=True)
    assert answer.status_code == 200, message(answer)
    seen, now = Forgeries(), clock()
    request = PublishStatusInput(tracker=ref_of(created), status=full_status(now))
    assert (await publish(kubernetes_api, request, seen)).written
    found = await read(kubernetes_api, created)
    assert (found["status"]["sequence"], found["status"]["state"]) == (now, "Testing")
    condition = conditions(found)["StatusTrusted"]
    assert (condition["status"], condition["reason"]) == ("False", "SequenceForged")
    assert str(forged) in condition["message"]
    assert seen.forged == [("PullRequestTracker", NAMESPACE)]
    assert await events_of(kubernetes_api, created) == [("Warning", "SequenceForged")]
    # The next status is an ordinary one, and the condition is still there to be read.
    again = PublishStatusInput(tracker=ref_of(created), status=full_status(now + 1))
    assert (await publish(kubernetes_api, again, seen)).written
    assert conditions(await read(kubernetes_api, created))["StatusTrusted"] == condition
    assert len(seen.forged) == 1


async def test_to_freeze_what_a_place_shows_by_a_sequence_far_ahead(
    kubernetes_api: KubernetesAccess, admin: Api, mallory: Api
) -> None:
    created = admin.create(place("frozen")).json()
    forged = {"status": {"repositories": [{**entry(MAX_SEQUENCE), "lane": {"holder": "stranger"}}]}}
    assert mallory.patch(created, forged, status=True).status_code == 200
    seen, now = Forgeries(), clock()
    status = PlaceStatus(repository="web", sequence=now, deployments=(), lane=LaneStatus(holder="web-412"))
    request = PublishPlaceInput(namespace=NAMESPACE, environment="frozen", status=status)
    assert (await publish(kubernetes_api, request, seen)).written
    found = await read(kubernetes_api, created)
    (written,) = found["status"]["repositories"]
    assert (written["sequence"], written["lane"]["holder"]) == (now, "web-412")
    assert conditions(found)["StatusTrusted"]["reason"] == "SequenceForged"
    assert seen.forged == [("Environment", NAMESPACE)]
    assert await events_of(kubernetes_api, created) == [("Warning", "SequenceForged")]


async def test_to_freeze_a_status_by_a_sequence_shortly_ahead_of_the_clock(
    kubernetes_api: KubernetesAccess, admin: Api, mallory: Api
) -> None:
    """It may be a workflow's for all that a watcher knows: the workflow learns of it, and writes after it."""
    created = admin.create(tracker(3)).json()
    ahead = clock() + 60_000
    assert mallory.patch(created, {"status": {"sequence": ahead}}, status=True).status_code == 200
    seen = Forgeries()
    request = PublishStatusInput(tracker=ref_of(created), status=full_status(clock()))
    answer = await publish(kubernetes_api, request, seen)
    assert (answer.written, answer.reason, answer.sequence) == (False, "OlderSequence", ahead)
    after = PublishStatusInput(tracker=ref_of(created), status=full_status(answer.sequence + 1))
    assert (await publish(kubernetes_api, after, seen)).written
    assert seen.forged == []


def test_to_bring_an_older_status_back_by_a_smaller_sequence(admin: Api, mallory: Api) -> None:
    one, other, now = tracker(4), place("older"), clock()
    decrease = int(REPLACEABLE.total_seconds() * 1000)
    for found in (one, other):
        assert admin.create(found).status_code == 201
    assert mallory.patch(one, {"status": {"sequence": now}}, status=True).status_code == 200
    assert mallory.patch(other, {"status": {"repositories": [entry(now)]}}, status=True).status_code == 200
    for older in (now - 1, now - decrease):
        assert mallory.patch(one, {"status": {"sequence": older}}, status=True).status_code == 422
        assert mallory.patch(other, {"status": {"repositories": [entry(older)]}}, status=True).status_code == 422


async def test_to_keep_a_repository_out_by_filling_a_places_status(
    kubernetes_api: KubernetesAccess, admin: Api, mallory: Api
) -> None:
    created = admin.create(place("full")).json()
    filled = {"status": {"repositories": [entry(clock(), f"r{number}") for number in range(ENTRIES)]}}
    assert mallory.patch(created, filled, status=True).status_code == 200
    status = PlaceStatus(repository="web", sequence=clock(), deployments=(), lane=LaneStatus(holder="web-412"))
    request = PublishPlaceInput(namespace=NAMESPACE, environment="full", status=status)
    assert (await publish(kubernetes_api, request, Forgeries())).written
    entries = (await read(kubernetes_api, created))["status"]["repositories"]
    assert len(entries) == ENTRIES
    assert any(one["repository"] == "web" for one in entries)


async def test_to_keep_a_refused_credential_out_of_sight_by_a_generation_that_was_not_reached(
    kubernetes_api: KubernetesAccess, admin: Api, mallory: Api
) -> None:
    spec = {"jenkins": {"url": "https://ci"}, "secretRef": {"name": "token"}}
    created = admin.create(here(document("TestRunner", "ci", spec))).json()
    good = {
        "type": "Reachable",
        "status": "True",
        "reason": "CredentialAccepted",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 2**62,
    }
    assert mallory.patch(created, {"status": {"conditions": [good]}}, status=True).status_code == 200
    ref = CheckedResource(kind="TestRunner", namespace=NAMESPACE, name="ci", uid=created["metadata"]["uid"])
    outcome = CredentialCheckOutcome(accepted=False, reason="Unauthorized", message="put a valid one into the Secret")
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as kubernetes:
        request = PublishConnectionInput(connection=ref, generation=1, outcome=outcome)
        publish_connection = CredentialConditions(kubernetes).publish_connection
        assert (await ActivityEnvironment().run(publish_connection, request)).written
        found = await kubernetes.get(resource_of(TestRunner.definition), NAMESPACE, "ci")
    assert (conditions(found)["Reachable"]["status"], conditions(found)["Reachable"]["reason"]) == (
        "False",
        "Unauthorized",
    )
