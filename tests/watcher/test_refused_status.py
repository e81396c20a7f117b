"""A status that is refused leaves a part of itself, an event, a log line and a count."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.models.status import (
    DeploymentStatus,
    LaneStatus,
    MemberStatus,
    PlaceStatus,
    PublishPlaceInput,
    PublishStatusInput,
)
from activities.resources import KubernetesResources
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import EVENTS, ApiInvalid, Document
from crds.reasons.vocabulary import State
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
    parts: tuple[str, ...] = ()
    """Texts that no document may hold, as JSON."""

    async def apply(self, *args: Any, **kwargs: Any) -> Document:
        self.check(args[3])
        return await super().apply(*args, **kwargs)

    async def patch(self, *args: Any, **kwargs: Any) -> Document:
        self.check({"status": {"repositories": [one.get("value") for one in args[3]]}})
        return await super().patch(*args, **kwargs)

    def check(self, document: Mapping[str, Any]) -> None:
        """Refuse a status that has something of what is not wanted."""
        status = document.get("status", {})
        if any(status.get(field) for field in self.fields) or any(part in json.dumps(status) for part in self.parts):
            raise ApiInvalid(REFUSAL, status=422)


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
    # What runs is taken as it is by now; only what was refused is left out, and the reason is shown.
    assert written.get("deployments") in (None, [])
    assert written["omitted"].startswith("only a part of the status could be written: ")
    assert counting.refused == [("Environment", namespace)]


async def test_a_refused_entry_keeps_what_runs_and_where_that_is_refused_what_ran_with_the_reason(
    refusing: Refusing, namespace: str
) -> None:
    await refusing.create(ENVIRONMENTS, namespace, {"metadata": {"name": "dev"}, "spec": SPECS["variables"][1]})
    resources = KubernetesResources(kubernetes=refusing, observer=Counting())

    async def written(sequence: int, health: str, *unwanted: str) -> Document:
        refusing.parts = unwanted
        one = DeploymentStatus(name="web", artifact=None, health=health)
        lane = LaneStatus(holder="web-412", members=(MemberStatus(tracker="web-412", phase="Holder"),))
        status = PlaceStatus(repository="web", sequence=sequence, deployments=(one,), lane=lane)
        await resources.publish_place(PublishPlaceInput(namespace=namespace, environment="dev", status=status))
        (entry,) = (await refusing.get(ENVIRONMENTS, namespace, "dev"))["status"]["repositories"]
        assert entry["sequence"] == sequence
        assert isinstance(entry, dict)
        return entry

    first = await written(1, "Progressing", 'web-412", "phase')
    assert first["deployments"][0]["health"] == "Progressing"
    assert not first["lane"].get("members")
    assert REFUSAL in first["omitted"]
    second = await written(2, "Degraded", '"health": "Degraded"')
    assert second["deployments"][0]["health"] == "Progressing"
    assert REFUSAL in second["deployments"][0]["problem"]
    assert second["lane"]["holder"] == "web-412"
    third = await written(3, "Healthy")
    assert third["lane"]["members"]
    assert "omitted" not in third


async def test_a_refused_status_keeps_the_newest_record_with_as_much_of_it_as_is_taken(
    refusing: Refusing, namespace: str
) -> None:
    created = await refusing.create(TRACKERS, namespace, tracker())
    resources = KubernetesResources(kubernetes=refusing, observer=Counting())
    whole = full_status(1)
    record = replace(whole.promotions[0], error="the newest")
    assert record.tests
    refusing.parts = ('"tests": [{',)
    status = replace(whole, promotions=(record,), tests=())
    result = await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=status))
    assert (result.written, result.reason) == (True, "StatusRefused")
    found = (await refusing.get(TRACKERS, namespace, "web-412"))["status"]
    assert [one["error"] for one in found["promotions"]] == ["the newest"]
    assert not found["promotions"][0].get("tests")
    assert REFUSAL in found["message"]
