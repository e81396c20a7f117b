"""Write status: only to the very object it was meant for, never an older one over a newer one."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from crds.api.compare_and_set import StatusWrite, compare_and_set
from crds.api.forgeries import distrust
from crds.api.ports import Document, Kubernetes
from crds.conditions import (
    Condition,
    ConditionType,
    find_condition,
    make_condition,
    merge_conditions,
    set_condition,
)
from crds.model import Definition
from crds.readiness import SUMMARY, summary
from crds.sequences import is_forged
from crds.v1alpha1.pull_request_tracker import PullRequestTracker

WORKFLOW_MANAGER = "pilotage"
"""Field manager of what workflows publish."""
WATCHER_MANAGER = "pilotage-watcher"
"""Field manager of the watcher's own conditions and of answers to commands."""
DISCOVERY_MANAGER = "pilotage-discovery"
"""Writes the condition of what a repository's list led to."""
CONNECTION_MANAGER = "pilotage-connection"
"""Field manager of the conditions that prove a credential."""

SINK_MANAGER = "pilotage-events"
"""Field manager of what became of events that were sent to a sink."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """Report what became of a write; `previous` is the status that was read before it."""

    written: bool
    reason: str = ""
    previous: Document | None = None
    sequence: int = 0
    """The sequence that stands there instead, for OlderSequence."""
    forged: int = 0
    """The sequence far ahead of the clock that was replaced, where one was."""
    uid: str = ""
    """Of the object that was written."""


def status_of(document: Mapping[str, Any]) -> Document:
    """Return an object's status, empty where there is none."""
    status = document.get("status")
    return status if isinstance(status, dict) else {}


def conditions_of(document: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Read the conditions of an object; those that cannot be read are left out."""
    found: list[Condition] = []
    for wire in status_of(document).get("conditions") or ():
        try:
            found.append(Condition.from_wire(wire))
        except ValueError:
            continue
    return tuple(found)


def with_summary(
    definition: Definition,
    document: Mapping[str, Any],
    wanted: Iterable[Condition],
    now: datetime,
    *,
    status: Mapping[str, Any] | None = None,
) -> tuple[Condition, ...]:
    """Add Ready and Stalled to the conditions that are about to be written, as they follow from all that then stand.

    `status` is the one that is written with them, where it has more than the present one.
    """
    own = tuple(wanted)
    after = merge_conditions(conditions_of(document), own)
    known = status_of(document) if status is None else status
    generation = document["metadata"].get("generation")
    return (*own, *summary(definition.kind, after, known, generation=generation, now=now))


class TrackerAttempt(Protocol):
    """One attempt of one tracker; the uid distinguishes a recreated tracker from its predecessor."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def attempt(self) -> int: ...


def merge_own_conditions(present: Iterable[Condition], wanted: Iterable[Condition]) -> list[Document]:
    """Write the wanted conditions only, each with its old transition time where its status did not change.

    Conditions of other field managers must not be among them: applying them would take them over.
    """
    known = tuple(present)
    merged: list[Document] = []
    for condition in wanted:
        result = find_condition(set_condition(known, condition), condition.type)
        merged.append((result or condition).to_wire())
    return merged


async def publish_tracker_status(
    kubernetes: Kubernetes, attempt: TrackerAttempt, sequence: int, render: Callable[[Document], Awaitable[Document]]
) -> Publication:
    """Write the whole workflow-owned status of a tracker's attempt; `render` gets the tracker as it was just read.

    Repeating a write that arrived is harmless and answered as written.
    """

    async def decide(tracker: Document) -> StatusWrite[Publication] | Publication:
        now = datetime.now(UTC)
        if (refused := _not_to_be_written(tracker, attempt, sequence, now)) is not None:
            return refused
        status = status_of(tracker)
        published = int(status.get("sequence") or 0)
        forged = published if is_forged(published, sequence, now) else 0
        rendered = await render(tracker)
        rendered["conditions"] = [
            *(rendered.get("conditions") or ()),
            *distrusted(PullRequestTracker.definition, tracker, forged, now),
        ]
        return StatusWrite(status=rendered, result=Publication(written=True, previous=status, forged=forged))

    return await compare_and_set(
        kubernetes,
        PullRequestTracker.definition,
        namespace=attempt.namespace,
        name=attempt.name,
        decide=decide,
        gone=Publication(written=False, reason="Gone"),
        field_manager=WORKFLOW_MANAGER,
    )


def _not_to_be_written(tracker: Document, attempt: TrackerAttempt, sequence: int, now: datetime) -> Publication | None:
    """Return why this status is not to be written to the tracker that was read; None where it is."""
    status = status_of(tracker)
    if tracker["metadata"].get("uid") != attempt.uid:
        return Publication(written=False, reason="Recreated")
    if int(tracker.get("spec", {}).get("attempt", 1)) != attempt.attempt:
        return Publication(written=False, reason="OtherAttempt")
    published = int(status.get("sequence") or 0)
    if published == sequence and status.get("attempt") == attempt.attempt:
        return Publication(written=True, reason="AlreadyWritten")
    if published >= sequence and not is_forged(published, sequence, now):
        return Publication(written=False, reason="OlderSequence", sequence=published)
    return None


def distrusted(definition: Definition, document: Document, forged: int, now: datetime) -> list[Document]:
    """Return the condition about a sequence that somebody else wrote, where it is to stand."""
    found = distrust(definition, conditions_of(document), forged, document["metadata"].get("generation"), now)
    return [one.to_wire() for one in found]


@dataclass(frozen=True, kw_only=True)
class WantedCondition:
    """A condition that one field manager wants on an object, without the time."""

    type: ConditionType
    status: bool | None
    reason: str
    message: str = ""


async def publish_conditions(
    kubernetes: Kubernetes,
    definition: Definition,
    *,
    namespace: str,
    name: str,
    uid: str,
    wanted: tuple[WantedCondition, ...],
    now: datetime | None = None,
    field_manager: str = WATCHER_MANAGER,
    generation: int | None = None,
    fields: Mapping[str, Any] | None = None,
    derived: Callable[[Document], Mapping[str, Any]] = lambda _document: {},
) -> bool:
    """Write all conditions of one field manager; nothing where they stand there or the object is another one.

    They are about the object as it is, or an older `generation`, which never replaces what is about a newer one.
    `fields` of the status are written with them and belong to the manager as well; one that is None goes. So are
    those that `derived` returns from the object as it stands.
    """

    async def decide(document: Document) -> StatusWrite[bool] | bool:
        if document["metadata"].get("uid") != uid:
            return False
        shown = {**(fields or {}), **derived(document)}
        change = _condition_change(definition, document, wanted, now or datetime.now(UTC), generation, shown)
        return False if change is None else StatusWrite(status=change, result=True)

    return await compare_and_set(
        kubernetes,
        definition,
        namespace=namespace,
        name=name,
        decide=decide,
        gone=False,
        field_manager=field_manager,
    )


def _condition_change(
    definition: Definition,
    document: Document,
    wanted: tuple[WantedCondition, ...],
    now: datetime,
    generation: int | None,
    fields: Mapping[str, Any],
) -> Document | None:
    """Return the status to apply; None where it stands there already, or something newer does."""
    present = conditions_of(document)
    before = [found for one in wanted if (found := find_condition(present, one.type))]
    # A generation that the resource has not reached yet was written by somebody else, and keeps nothing out.
    reached = int(document["metadata"].get("generation") or 0)
    if generation is not None and any(generation < (one.observed_generation or 0) <= reached for one in before):
        return None
    conditions = [
        make_condition(
            one.type,
            status=one.status,
            reason=one.reason,
            message=one.message,
            now=now,
            observed_generation=document["metadata"].get("generation") if generation is None else generation,
        )
        for one in wanted
    ]
    merged = merge_own_conditions(present, with_summary(definition, document, conditions, now))
    before += [found for one in SUMMARY if (found := find_condition(present, one))]
    status = status_of(document)
    if merged == [one.to_wire() for one in before] and all(status.get(key) == value for key, value in fields.items()):
        return None
    return {**{key: value for key, value in fields.items() if value is not None}, "conditions": merged}
