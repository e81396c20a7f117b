"""A rollback is an event of the tracker whose change was taken back, in Kubernetes and at the sinks that want it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from activities.drift.rollbacks import RollbackEvents
from activities.event_sinks.feeding import EventFeed
from activities.models.event_sinks import PromotionEvent, SinkRef
from activities.models.tracking import Artifact
from crds.api.ports import ApiError, Document, resource_of
from crds.v1alpha1.event_sink import EventSink
from tests.watcher.fakes import EVENTS_REFUSED, FakeKubernetes, tracker_document
from worker.temporal.outcomes import WorkflowsUnavailable
from worker.watcher.trackers import TRACKERS

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SINKS = resource_of(EventSink.definition)
PROMOTED, OLDER = "a" * 40, "b" * 40
RUNS = Artifact(component="web", revision=OLDER, image="ghcr.io/acme/web", tag="sha-bbb")
STATUS = {"pullRequest": {"number": 412, "title": "Fix rounding", "author": "ann", "url": "https://scm.example/412"}}
MONITOR: Document = {
    "apiVersion": "pilotage.dev/v1alpha1",
    "kind": "DriftMonitor",
    "metadata": {
        "name": "prod-web",
        "namespace": "shop",
        "uid": "uid-prod-web",
        "labels": {"pilotage.dev/tracker-uid": "uid-web-412"},
    },
    "spec": {
        "trackerRef": {"name": "web-412"},
        "environment": "prod",
        "deployment": "web",
        "application": "web-prod",
        "project": "shop",
        "instanceRef": {"name": "argocd"},
        "repositoryRef": {"name": "web"},
        "revision": PROMOTED,
        "promotedAt": "2026-01-01T10:00:00Z",
    },
}


class Sinks:
    """Remember what each sink was sent."""

    def __init__(self, *, away: bool = False) -> None:
        self.sent: list[tuple[str, PromotionEvent]] = []
        self.away = away

    async def send(self, sink: SinkRef, events: Sequence[PromotionEvent]) -> None:
        if self.away:
            raise WorkflowsUnavailable("Temporal is away")
        self.sent += [(sink.name, one) for one in events]


def kubernetes(**status: Any) -> FakeKubernetes:
    found = FakeKubernetes()
    found.put(TRACKERS, {**tracker_document(number=412, uid="uid-web-412"), "status": status})
    for name, more in (("broker", {"type": "CDEvents"}), ("merges", {"type": "Webhook", "events": ["Merged"]})):
        metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}"}
        sink = {"apiVersion": "pilotage.dev/v1alpha1", "kind": "EventSink", "metadata": metadata}
        found.put(SINKS, {**sink, "spec": {"url": "https://hooks.example.com", **more}})
    return found


async def report(found: FakeKubernetes, sinks: Sinks) -> None:
    await RollbackEvents(found, EventFeed(found, sinks)).report(MONITOR, RUNS, NOON)


async def test_a_sink_that_wants_it_is_sent_what_runs_again_and_whose_change_it_was() -> None:
    found, sinks = kubernetes(**STATUS), Sinks()
    await report(found, sinks)
    [(name, event)] = sinks.sent
    assert (name, event.reason, event.warning, event.environment) == ("broker", "RolledBack", True, "prod")
    assert (event.artifacts, event.revision) == ((RUNS,), PROMOTED)
    assert (event.tracker.name, event.tracker.uid, event.tracker.attempt) == ("web-412", "uid-web-412", 1)
    assert (event.pull_request, event.title, event.author) == (412, "Fix rounding", "ann")
    assert event.message == f"prod/web runs {OLDER[:12]}, older than {PROMOTED[:12]}, which #412 brought there"


async def test_a_tracker_that_was_created_again_under_the_name_gets_no_event_of_the_one_before() -> None:
    found, sinks = kubernetes(**STATUS), Sinks()
    found.put(TRACKERS, {**tracker_document(number=412, uid="uid-again"), "status": STATUS})
    await report(found, sinks)
    assert (sinks.sent, found.events) == ([], {})


async def test_the_tracker_has_it_as_an_event_once_however_often_it_is_reported() -> None:
    found, sinks = kubernetes(), Sinks()
    await report(found, sinks)
    await report(found, sinks)
    assert len({event.id for _, event in sinks.sent}) == 1
    [(target, reason, message)] = found.events.values()
    assert (target.kind, target.name, reason) == ("PullRequestTracker", "web-412", "RolledBack")
    assert "which web-412 brought there" in message


async def test_nothing_is_shown_before_the_sinks_have_it() -> None:
    found = kubernetes()
    with pytest.raises(WorkflowsUnavailable):
        await report(found, Sinks(away=True))
    assert found.events == {}


async def test_a_tracker_that_is_gone_or_cannot_be_understood_has_no_event() -> None:
    gone, strange, sinks = FakeKubernetes(), kubernetes(), Sinks()
    strange.objects[TRACKERS.plural, "shop", "web-412"]["spec"] = {"number": "many"}
    await report(gone, sinks)
    await report(strange, sinks)
    assert sinks.sent == []


@pytest.mark.parametrize("refusal", EVENTS_REFUSED)
async def test_a_namespace_that_takes_no_events_keeps_no_sink_from_it(refusal: ApiError) -> None:
    found, sinks = kubernetes(), Sinks()
    found.events_refused = refusal
    await report(found, sinks)
    assert [name for name, _ in sinks.sent] == ["broker"]
