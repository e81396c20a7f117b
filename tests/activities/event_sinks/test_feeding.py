"""A publication's events reach the sinks of its namespace that want them, and cost nothing where there is none."""

from collections.abc import Sequence
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.event_sinks.feeding import EventFeed
from activities.models.event_sinks import PromotionEvent, SinkRef
from activities.models.status import PublishStatusInput
from activities.resources import KubernetesResources
from crds.api.ports import ApiForbidden, ApiNotFound, ApiUnauthorized
from tests.activities.cluster import Cluster
from tests.activities.event_sinks.samples import TRACKER, note, publication
from tests.watcher.fakes import FakeKubernetes, tracker_document
from tests.watcher.samples import Quiet
from worker.temporal.outcomes import WorkflowsUnavailable
from worker.watcher.trackers import TRACKERS

SPEC: dict[str, Any] = {"type": "Webhook", "url": "https://hooks.example.com"}
MERGED = note("Merged", 1, environment="dev", source="")
FAILED = note("TestsFailed", 2)
PROMOTED = note("Promoted", 3, environment="prod", source="staging")


class Workflows:
    """Remember what each sink was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str]]] = []
        self.away = False

    async def send(self, sink: SinkRef, events: Sequence[PromotionEvent]) -> None:
        if self.away:
            raise WorkflowsUnavailable("Temporal is away")
        self.sent.append((f"{sink.name} {sink.uid}", [one.reason for one in events]))


async def fed(cluster: Cluster, request: PublishStatusInput) -> list[tuple[str, list[str]]]:
    workflows = Workflows()
    await EventFeed(cluster.port(), workflows).feed(request, request.events)
    return workflows.sent


@pytest.mark.parametrize(
    ("spec", "reasons"),
    [
        ({}, ["Merged", "TestsFailed", "Promoted"]),
        ({"events": ["TestsFailed", "Promoted"]}, ["TestsFailed", "Promoted"]),
        ({"environments": ["prod"]}, ["Promoted"]),
        ({"environments": ["dev"]}, ["Merged", "TestsFailed"]),
        ({"repositoryRefs": [{"name": "web"}]}, ["Merged", "TestsFailed", "Promoted"]),
        ({"type": "CDEvents"}, ["TestsFailed", "Promoted"]),
    ],
)
async def test_a_sink_is_sent_what_it_selects(spec: dict[str, Any], reasons: list[str]) -> None:
    cluster = Cluster()
    cluster.add("EventSink", "chat", {**SPEC, **spec})
    assert await fed(cluster, publication(MERGED, FAILED, PROMOTED)) == [("chat uid-chat", reasons)]


@pytest.mark.parametrize("spec", [{"suspend": True}, {"repositoryRefs": [{"name": "api"}]}, {"events": ["Aborted"]}])
async def test_a_sink_that_wants_nothing_of_it_is_not_signalled(spec: dict[str, Any]) -> None:
    cluster = Cluster()
    cluster.add("EventSink", "chat", {**SPEC, **spec})
    assert await fed(cluster, publication(MERGED, FAILED, PROMOTED)) == []


async def test_sinks_of_other_namespaces_are_sent_nothing_and_each_of_the_own_its_part() -> None:
    cluster = Cluster()
    cluster.add("EventSink", "other", SPEC, namespace="payments")
    cluster.add("EventSink", "all", SPEC)
    cluster.add("EventSink", "prod", {**SPEC, "environments": ["prod"]})
    cluster.add("EventSink", "unreadable", {"type": "Pigeon"})
    sent = await fed(cluster, publication(FAILED, PROMOTED))
    assert sent == [("all uid-all", ["TestsFailed", "Promoted"]), ("prod uid-prod", ["Promoted"])]


@pytest.mark.parametrize("failure", [ApiNotFound("no such kind", status=404), ApiForbidden("no right", status=403)])
async def test_definitions_or_rights_of_an_older_release_hold_up_no_status(failure: Any) -> None:
    cluster = Cluster(failure=failure)
    assert await fed(cluster, publication(PROMOTED)) == []


async def test_a_credential_that_is_not_accepted_now_loses_no_event() -> None:
    cluster = Cluster(failure=ApiUnauthorized("Unauthorized", status=401))
    with pytest.raises(ApiUnauthorized):
        await fed(cluster, publication(PROMOTED))


async def test_a_status_counts_as_published_once_its_events_are_handed_over() -> None:
    kubernetes, cluster, workflows = FakeKubernetes(), Cluster(), Workflows()
    kubernetes.put(TRACKERS, tracker_document(number=412, uid=TRACKER.uid))
    cluster.add("EventSink", "chat", SPEC)
    feed = EventFeed(cluster.port(), workflows)
    resources = KubernetesResources(kubernetes=kubernetes, observer=Quiet(), feed=feed)
    workflows.away = True
    with pytest.raises(ApplicationError, match="Temporal is away"):
        await ActivityEnvironment().run(resources.publish_status, publication(PROMOTED))
    workflows.away = False
    again = await ActivityEnvironment().run(resources.publish_status, publication(PROMOTED))
    assert (again.reason, workflows.sent) == ("AlreadyWritten", [("chat uid-chat", ["Promoted"])])


@pytest.mark.parametrize(("kept", "sent"), [(True, []), (False, [("chat uid-chat", ["Promoted"])])])
async def test_what_is_kept_of_sinks_counts_and_the_api_server_is_asked_where_it_may_be_old(
    kept: bool, sent: list[tuple[str, list[str]]]
) -> None:
    cluster, workflows = Cluster(), Workflows()
    cluster.add("EventSink", "chat", SPEC)
    feed = EventFeed(cluster.port(), workflows, kept=lambda namespace: () if kept else None)
    request = publication(PROMOTED)
    await feed.feed(request, request.events)
    assert workflows.sent == sent
