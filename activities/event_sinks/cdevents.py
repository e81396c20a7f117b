"""An event as CDEvents in structured CloudEvents. Pure.

Sources: https://github.com/cdevents/spec/tree/v0.5.1 (service and test suite run), of its draft of 0.6.0 the approval,
which no release has yet, and https://github.com/cdevents/spec/blob/v0.5.1/cloudevents-binding.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from activities.event_sinks.webhook import data
from activities.models.event_sinks import PromotionEvent
from activities.models.tracking import Artifact
from crds.fields import format_time
from crds.reasons.events import EventReason

CONTENT_TYPE = "application/cloudevents+json"
RELEASED, DRAFT = "0.5.1", "0.6.0-draft"
"""Versions of the specification."""
UPGRADED = "dev.cdevents.service.upgraded.0.3.0"
ROLLED_BACK = "dev.cdevents.service.rolledback.0.3.0"
TESTS_STARTED = "dev.cdevents.testsuiterun.started.0.3.0"
TESTS_FINISHED = "dev.cdevents.testsuiterun.finished.0.3.0"
APPROVAL_CREATED = "dev.cdevents.approval.created.0.1.0"
APPROVAL_CLOSED = "dev.cdevents.approval.closed.0.1.0"

_OUTCOMES: Mapping[str, str] = {
    EventReason.TESTS_PASSED: "success",
    EventReason.NOTHING_REQUIRED: "success",
    EventReason.TESTS_FAILED: "failure",
}
SENT_REASONS = frozenset(
    {
        EventReason.ARRIVED,
        EventReason.PROMOTED,
        EventReason.ROLLED_BACK,
        EventReason.TESTS_STARTED,
        *_OUTCOMES,
        EventReason.WAITS_FOR_APPROVAL,
        EventReason.COMMAND_PROMOTE,
    }
)
"""Reasons of events for which there is a type."""


@dataclass(frozen=True, kw_only=True)
class _Subject:
    type: str
    id: str
    content: Mapping[str, Any]
    version: str = field(default=RELEASED)


def cloud_events(event: PromotionEvent, *, installation: str) -> tuple[dict[str, Any], ...]:
    """Return the CloudEvents of one event: one for each service that runs another artifact, else one or none."""
    subjects = list(_subjects(event))
    return tuple(
        _cloud_event(event, subject, f"{event.id}-{index}" if index else event.id, installation)
        for index, subject in enumerate(subjects)
    )


def _cloud_event(event: PromotionEvent, subject: _Subject, identity: str, installation: str) -> dict[str, Any]:
    source = f"/pilotage/{quote(installation)}/{event.tracker.namespace}"
    at = format_time(event.at)
    return {
        "specversion": "1.0",
        "id": identity,
        "source": source,
        "type": subject.type,
        "subject": subject.id,
        "time": at,
        "datacontenttype": "application/json",
        "data": {
            "context": {
                "specversion": subject.version,
                "id": identity,
                "source": source,
                "type": subject.type,
                "timestamp": at,
                "chainId": f"{event.tracker.uid}-{event.tracker.attempt}",
            },
            "subject": {"id": subject.id, "source": source, "content": dict(subject.content)},
            "customData": data(event),
            "customDataContentType": "application/json",
        },
    }


def _subjects(event: PromotionEvent) -> Iterator[_Subject]:
    match event.reason:
        case EventReason.ARRIVED | EventReason.PROMOTED:
            for artifact in event.artifacts:
                yield _service(event, UPGRADED, artifact)
        case EventReason.ROLLED_BACK:
            for artifact in event.artifacts:
                yield _service(event, ROLLED_BACK, artifact)
        case EventReason.TESTS_STARTED:
            yield _test_suite_run(event, TESTS_STARTED, {"trigger": {"type": "pipeline"}})
        case EventReason.TESTS_PASSED | EventReason.NOTHING_REQUIRED | EventReason.TESTS_FAILED:
            outcome = {"outcome": _OUTCOMES[event.reason], **({"reason": event.message} if event.message else {})}
            yield _test_suite_run(event, TESTS_FINISHED, outcome)
        case EventReason.WAITS_FOR_APPROVAL:
            requestor = f"urn:pilotage:promotionpolicy:{event.tracker.namespace}:{event.policy or event.environment}"
            yield _approval(event, APPROVAL_CREATED, {"requestor": requestor})
        case EventReason.COMMAND_PROMOTE:
            responder = f"urn:user:{quote(event.by, safe='')}"
            closed = {"responder": responder, "decision": "approved", "status": "approved"}
            yield _approval(event, APPROVAL_CLOSED, closed)


def _service(event: PromotionEvent, kind: str, artifact: Artifact) -> _Subject:
    content = {"environment": {"id": event.environment}, "artifactId": package_url(artifact)}
    return _Subject(type=kind, id=artifact.component, content=content)


def _test_suite_run(event: PromotionEvent, kind: str, content: Mapping[str, Any]) -> _Subject:
    """A round of tests is a run of the policy's suite; it runs in the environment that the change comes from."""
    suite = {"testSuite": {"id": event.policy}} if event.policy else {}
    return _Subject(
        type=kind,
        id=f"{_hop(event)}/{event.round or 0}",
        content={"environment": {"id": event.source or event.environment}, **suite, **content},
    )


def _approval(event: PromotionEvent, kind: str, content: Mapping[str, Any]) -> _Subject:
    address = event.url or f"urn:pilotage:tracker:{event.tracker.namespace}:{event.tracker.name}"
    urls = {"approvalDetailsUrl": address, "resourceTargetUrl": address}
    return _Subject(type=kind, id=_hop(event), content={**urls, **content}, version=DRAFT)


def _hop(event: PromotionEvent) -> str:
    tracker = event.tracker
    return f"{tracker.namespace}/{tracker.name}/{tracker.attempt}/{event.environment}"


def package_url(artifact: Artifact) -> str:
    """Return a purl (https://github.com/package-url/purl-spec): an image by its tag, else a commit."""
    if artifact.image and artifact.tag:
        name = quote(artifact.image.rpartition("/")[2].lower(), safe="")
        return f"pkg:oci/{name}?repository_url={quote(artifact.image, safe='/')}&tag={quote(artifact.tag, safe='')}"
    return f"pkg:generic/{quote(artifact.component, safe='')}@{artifact.revision}"
