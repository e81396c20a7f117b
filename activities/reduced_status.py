"""The status that is written where the whole one was refused: state, wait and refusal, added to what is there."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from pydantic import ValidationError

from activities.models.bounds import cut
from activities.models.status import EventNote, PlaceStatus, PublishStatusInput, TrackerStatus
from crds.api.ports import Document
from crds.api.publishing import status_of
from crds.conditions import MESSAGE_LIMIT
from crds.fields import truncate
from crds.reasons.events import EventReason

REASON = EventReason.STATUS_REFUSED
"""Of the event, and of the result that a workflow gets."""

OMITTED_LIMIT = 256
"""What the schema takes of the text that names what an entry misses."""

_SHARE_BYTES = 400
"""Room of each half of the message: neither the state's own text nor the refusal pushes the other out."""

_KEPT = ("pullRequest", "artifacts", "promotions")
"""What the API server took before may stay, so that a refusal loses no record."""


def reduced_tracker_statuses(status: TrackerStatus, refusal: str) -> tuple[TrackerStatus, ...]:
    """Return parts of the status, the largest first, each with the refusal in its message.

    All show where the promotion stands and what it waits for. What is refused is rarely known by its name, so that the
    tests at hand go first, then the details of the records, then all that may stand in the resource already.
    """
    message = f"{cut(status.message, _SHARE_BYTES)}; " if status.message else ""
    message = f"{message}the whole status was refused, this is a part of it: {cut(refusal, _SHARE_BYTES)}"
    without_tests = replace(status, message=message, tests=(), aggregate=None)
    brief = tuple(replace(one, tests=(), aggregate=None, applications=(), source_moved=()) for one in status.promotions)
    bare = replace(without_tests, pull_request=None, artifacts=(), promotions=(), hop=None, superseded=())
    return without_tests, replace(without_tests, promotions=brief), bare


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


def reduced_place_entries(
    status: PlaceStatus, document: Document, refusal: str, *, render: Callable[[PlaceStatus], Document]
) -> Iterator[Document]:
    """Yield parts of a repository's entry, the larger first: what runs and who holds the lane, then the holder alone.

    Each names the refusal; the smaller one keeps what stands there of the deployments.
    """
    repositories = status_of(document).get("repositories") or ()
    known: Document = next((one for one in repositories if one.get("repository") == status.repository), {})
    text = f"only a part of the status could be written: {refusal}"
    omitted = truncate(text, OMITTED_LIMIT)
    lane = {"members": [], **({"holder": status.lane.holder} if status.lane.holder else {})}
    with suppress(ValidationError):
        part = render(replace(status, history=(), lane=replace(status.lane, members=())))
        yield {**part, "lane": lane, "omitted": omitted}
    problem = truncate(text, MESSAGE_LIMIT)
    yield {
        "repository": status.repository,
        "sequence": status.sequence,
        "deployments": [{**one, "problem": problem} for one in known.get("deployments") or ()],
        "lane": lane,
        "omitted": omitted,
    }
