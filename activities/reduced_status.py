"""The status that is written where the whole one was refused: state, wait and the refusal, beside what stands there."""

from dataclasses import replace

from activities.models.bounds import cut
from activities.models.status import EventNote, PlaceStatus, PublishStatusInput, TrackerStatus
from crds.api.ports import Document
from crds.api.publishing import status_of
from crds.conditions import MESSAGE_LIMIT
from crds.fields import truncate

REASON = "StatusRefused"
"""Of the event, and of the result that a workflow gets."""

_SHARE_BYTES = 400
"""Room of each half of the message: neither the state's own words nor the refusal push the other out."""

_KEPT = ("pullRequest", "artifacts", "promotions")
"""What the API server took before may stay, so that a refusal loses no record."""


def reduced_tracker_status(status: TrackerStatus, refusal: str) -> TrackerStatus:
    """Return what says where the promotion stands and what it waits for, with the refusal as its message."""
    said = f"{cut(status.message, _SHARE_BYTES)}; " if status.message else ""
    return replace(
        status,
        message=f"{said}the whole status was refused, this is a part of it: {cut(refusal, _SHARE_BYTES)}",
        pull_request=None,
        artifacts=(),
        tests=(),
        aggregate=None,
        promotions=(),
    )


def with_past(rendered: Document, document: Document) -> Document:
    """Add what stands in the resource already and the reduced status would lose."""
    before = status_of(document)
    if before.get("attempt") != rendered.get("attempt"):
        return rendered
    return {**{key: before[key] for key in _KEPT if before.get(key)}, **_without_lists(rendered)}


def _without_lists(rendered: Document) -> Document:
    return {key: value for key, value in rendered.items() if key not in _KEPT or value}


def refusal_event(request: PublishStatusInput, refusal: str) -> EventNote:
    """Return the event that names the refusal; one per status."""
    tracker = request.tracker
    return EventNote(
        id=f"{tracker.name}.{tracker.attempt}.refused.{request.status.sequence}",
        warning=True,
        reason=REASON,
        message=f"only a part of the status could be written: {refusal}",
    )


def reduced_place_entry(status: PlaceStatus, document: Document, refusal: str) -> Document:
    """Return a repository's entry with its lane's holder, and what stands there with the refusal as its problem."""
    repositories = status_of(document).get("repositories") or ()
    known: Document = next((one for one in repositories if one.get("repository") == status.repository), {})
    problem = truncate(f"only a part of the status could be written: {refusal}", MESSAGE_LIMIT)
    return {
        "repository": status.repository,
        "sequence": status.sequence,
        "deployments": [{**one, "problem": problem} for one in known.get("deployments") or ()],
        "lane": {"members": [], **({"holder": status.lane.holder} if status.lane.holder else {})},
    }
