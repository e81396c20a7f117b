"""A status that is refused leaves a part of itself, an event, a log line and a count."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.models.status import LaneStatus, PlaceStatus, PublishPlaceInput, PublishStatusInput, State
from activities.resources import KubernetesResources
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import EVENTS, ApiInvalid, Document
from tests.watcher.samples import ENVIRONMENTS, Quiet, full_status, ref_of, tracker
from tests.watcher.test_emptied_fields import SPECS
from worker.watcher.trackers import TRACKERS

REFUSAL = "tests[0].state: Unsupported value"


class Counting(Quiet):
    def __init__(self) -> None:
        self.refused: list[tuple[object, ...]] = []

    def status_refused(self, *refused: object) -> None:
        self.refused.append(refused)


class Refusing(KubernetesApi):
    """A real API server before which something refuses what has one of some fields."""

    fields: tuple[str, ...] = ()

    async def apply(self, *args: Any, **kwargs: Any) -> Document:
        document: Mapping[str, Any] = args[3]
        status = document.get("status", {})
        if any(status.get(field) for field in self.fields):
            raise ApiInvalid(REFUSAL, status=422)
        return await super().apply(*args, **kwargs)


@pytest.fixture
async def refusing(api: KubernetesApi) -> Refusing:
    api.__class__ = Refusing
    assert isinstance(api, Refusing)
    return api


async def test_a_refused_status_leaves_state_wait_and_refusal_and_keeps_the_records(
    refusing: Refusing, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    created = await refusing.create(TRACKERS, namespace, tracker())
    counting = Counting()
    resources = KubernetesResources(kubernetes=refusing, observer=counting)
    first = full_status(1)
    assert (await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=first))).reason == ""
    before = (await refusing.get(TRACKERS, namespace, "web-412"))["status"]
    refusing.fields = ("tests",)
    second = replace(full_status(2, state=State.TESTS_FAILED), message="e2e failed")
    result = await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=second))
    assert (result.written, result.reason) == (True, "StatusRefused")
    status = (await refusing.get(TRACKERS, namespace, "web-412"))["status"]
    assert (status["state"], status["sequence"], status["attempt"]) == ("TestsFailed", 2, 1)
    assert status["waitingFor"]["what"] == "Verdict"
    assert "e2e failed" in status["message"]
    assert REFUSAL in status["message"]
    assert not status.get("tests")
    assert (status["promotions"], status["pullRequest"]) == (before["promotions"], before["pullRequest"])
    assert counting.refused == [("PullRequestTracker", namespace)]
    events = (await refusing.list_all(EVENTS, namespace)).items
    assert [(event["reason"], event["type"]) for event in events] == [("StatusRefused", "Warning")]
    assert any(REFUSAL in record.getMessage() for record in caplog.records)
    refusing.fields = ()
    third = full_status(3, state=State.COMPLETED)
    assert (await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=third))).reason == ""


async def test_a_status_that_its_own_type_refuses_is_reduced_as_well(api: KubernetesApi, namespace: str) -> None:
    created = await api.create(TRACKERS, namespace, tracker())
    status = full_status(1)
    strange = replace(status, tests=(replace(status.tests[0], state="Exploded"),))
    resources = KubernetesResources(kubernetes=api, observer=Counting())
    result = await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=strange))
    assert (result.written, result.reason) == (True, "StatusRefused")
    written = (await api.get(TRACKERS, namespace, "web-412"))["status"]
    assert written["state"] == "Testing"
    assert "Exploded" in written["message"]


async def test_where_even_the_part_is_refused_it_is_tried_again(refusing: Refusing, namespace: str) -> None:
    created = await refusing.create(TRACKERS, namespace, tracker())
    refusing.fields = ("state",)
    counting = Counting()
    resources = KubernetesResources(kubernetes=refusing, observer=counting)
    with pytest.raises(ApplicationError, match="even a part") as refused:
        await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=full_status(1)))
    assert refused.value.non_retryable is False
    assert counting.refused


async def test_a_refused_entry_of_a_place_keeps_its_holder_and_names_the_refusal(
    api: KubernetesApi, namespace: str
) -> None:
    await api.create(ENVIRONMENTS, namespace, {"metadata": {"name": "dev"}, "spec": SPECS["variables"][1]})
    first = {"sequence": 1, "deployments": [{"name": "web", "health": "Healthy"}]}
    body = {"status": {"repositories": [{"repository": "web", **first}]}}
    await api.apply(ENVIRONMENTS, namespace, "dev", body, field_manager="pilotage-place-web", subresource="status")
    counting = Counting()
    resources = KubernetesResources(kubernetes=api, observer=counting)
    entry = PlaceStatus(repository="web", sequence=2, deployments=(), lane=LaneStatus(holder="web-412"))
    strange = replace(entry, history=("strange",))  # type: ignore[arg-type]  # what a defect of ours could send
    request = PublishPlaceInput(namespace=namespace, environment="dev", status=strange)
    result = await resources.publish_place(request)
    assert (result.written, result.reason) == (True, "StatusRefused")
    (written,) = (await api.get(ENVIRONMENTS, namespace, "dev"))["status"]["repositories"]
    assert (written["sequence"], written["lane"]["holder"]) == (2, "web-412")
    assert "only a part" in written["deployments"][0]["problem"]
    assert counting.refused == [("Environment", namespace)]
