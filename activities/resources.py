"""Write results back to Kubernetes: the activities of the queue `kubernetes`, served by the watcher."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from pydantic import ValidationError
from temporalio import activity

from activities import reduced_status
from activities.contracts import ResourceActivities
from activities.event_sinks.feeding import EventFeed
from activities.failures import describe, reported
from activities.models.status import (
    EventNote,
    PlaceStatus,
    PublishPlaceInput,
    PublishStatusInput,
    PublishStatusResult,
    TrackerStatus,
)
from activities.models.tracking import TrackerRef
from crds.api.forgeries import forgery_message
from crds.api.places import PlaceWriter
from crds.api.ports import (
    REFUSES_EVENT,
    ApiForbidden,
    ApiInvalid,
    ApiNotFound,
    ApiUnavailable,
    Document,
    Kubernetes,
    resource_of,
)
from crds.api.publishing import (
    WORKFLOW_MANAGER,
    Publication,
    conditions_of,
    merge_own_conditions,
    publish_tracker_status,
    with_summary,
)
from crds.conditions import Condition, ConditionStatus
from crds.reasons.events import EventReason
from crds.texts.plain import counted
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.environment_status import RepositoryStatus
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.tracker_status import PullRequestTrackerStatus
from providers.reading import in_thread

logger = logging.getLogger(__name__)

FORGED = EventReason.SEQUENCE_FORGED
"""Of the event that shows a replaced sequence."""
_NOT_OURS = frozenset({"Gone", "Recreated"})
_REFUSALS = (ApiInvalid, ValidationError)
_DIGEST_LENGTH = 16
_RENDERED_AT_ONCE = 50
"""Tests and applications of a status, about 10 ms."""


class PublicationObserver(Protocol):
    """Learn of each status that was written, for metrics."""

    def tracker_written(self, tracker: TrackerRef, previous: Mapping[str, Any], status: TrackerStatus) -> None:
        """See a tracker's status and the one before it."""

    def status_refused(self, kind: str, namespace: str) -> None:
        """Learn of a status that the API server, or its own type, refused."""

    def status_forged(self, kind: str, namespace: str) -> None:
        """Learn of a status whose sequence somebody else wrote, and that was replaced."""


class KubernetesResources(ResourceActivities):
    """Publish status and events through the Kubernetes API."""

    def __init__(self, *, kubernetes: Kubernetes, observer: PublicationObserver, feed: EventFeed | None = None) -> None:
        """Take what hands events on to sinks; None for a process that serves none."""
        self._kubernetes = kubernetes
        self._observer = observer
        self._feed = feed
        self._places = PlaceWriter(kubernetes)

    @activity.defn
    @reported
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        """Write a tracker's status and events unless uid, attempt or sequence show that it is not ours to write."""
        tracker, status, events = request.tracker, request.status, (*_left_out(request), *request.events)

        async def render(document: Document) -> Document:
            return await _rendered(status, document)

        refusal = ""
        try:
            publication = await publish_tracker_status(self._kubernetes, tracker, status.sequence, render)
        except _REFUSALS as error:
            refusal = self._refused(PullRequestTracker.definition.kind, tracker.namespace, tracker.name, error)
            publication = await self._publish_part(tracker, status, refusal)
            events = (*events, reduced_status.refusal_event(request, refusal))
        if publication.previous is not None:
            self._observer.tracker_written(tracker, publication.previous, status)
        if publication.forged:
            events = (*events, self._forged_event(tracker, publication.forged))
        if publication.reason not in _NOT_OURS:
            await self._post_events(tracker, events)
            if self._feed is not None:
                await self._feed.feed(request, events)
        reason = reduced_status.REASON if refusal and publication.written else publication.reason
        return PublishStatusResult(written=publication.written, reason=reason, sequence=publication.sequence)

    @activity.defn
    @reported
    async def publish_place(self, request: PublishPlaceInput) -> PublishStatusResult:
        """Write one repository's entry of an Environment's status unless a newer sequence is there.

        What waits for the same Environment is written together; each activity answers for its own entry.
        """
        namespace, environment = request.namespace, request.environment
        try:
            publication = await self._places.publish(namespace, environment, render_place_status(request.status))
        except _REFUSALS as error:
            refusal = self._refused(Environment.definition.kind, namespace, environment, error)
            publication = await self._publish_part_of_place(request, refusal)
            return PublishStatusResult(written=publication.written, reason=reduced_status.REASON)
        if publication.forged:
            await self._show_forged_place(namespace, environment, publication)
        return PublishStatusResult(
            written=publication.written, reason=publication.reason, sequence=publication.sequence
        )

    def _forged_event(self, tracker: TrackerRef, forged: int) -> EventNote:
        definition = PullRequestTracker.definition
        message = forgery_message(definition, forged)
        self._observer.status_forged(definition.kind, tracker.namespace)
        logger.warning("tracker %s/%s: %s", tracker.namespace, tracker.name, message)
        return EventNote(
            id=f"{tracker.name}.{tracker.attempt}.forged.{forged}", warning=True, reason=FORGED, message=message
        )

    async def _show_forged_place(self, namespace: str, environment: str, publication: Publication) -> None:
        definition = Environment.definition
        message = forgery_message(definition, publication.forged)
        self._observer.status_forged(definition.kind, namespace)
        logger.warning("environment %s/%s: %s", namespace, environment, message)
        resource = resource_of(definition)
        target = resource.target(
            namespace=namespace,
            name=environment,
            uid=publication.uid,
        )
        # The condition and the log line show it too.
        with suppress(*REFUSES_EVENT):
            await self._kubernetes.post_event(
                target,
                name=f"{environment}.{publication.uid}.forged.{publication.forged}",
                reason=FORGED,
                message=message,
                warning=True,
                component=WORKFLOW_MANAGER,
            )

    async def _publish_part(self, tracker: TrackerRef, status: TrackerStatus, refusal: str) -> Publication:
        """Write the largest part of the status that is taken."""
        *larger, least = reduced_status.reduced_tracker_statuses(status, refusal)
        for part in larger:
            with suppress(*_REFUSALS):
                return await self._publish_reduced(tracker, part)
        with _again_if_refused():
            return await self._publish_reduced(tracker, least)

    async def _publish_reduced(self, tracker: TrackerRef, part: TrackerStatus) -> Publication:
        async def render(document: Document) -> Document:
            return reduced_status.with_past(await _rendered(part, document), document)

        return await publish_tracker_status(self._kubernetes, tracker, part.sequence, render)

    async def _publish_part_of_place(self, request: PublishPlaceInput, refusal: str) -> Publication:
        """Write the largest part of the entry that is taken."""
        namespace, environment = request.namespace, request.environment
        document = await self._kubernetes.get(resource_of(Environment.definition), namespace, environment)
        *larger, least = reduced_status.reduced_place_entries(
            request.status, document, refusal, render=render_place_status
        )
        for part in larger:
            with suppress(*_REFUSALS):
                return await self._places.publish(namespace, environment, part)
        with _again_if_refused():
            return await self._places.publish(namespace, environment, least)

    def _refused(self, kind: str, namespace: str, name: str, error: Exception) -> str:
        refusal = describe(error)
        self._observer.status_refused(kind, namespace)
        logger.warning(
            "the status of %s %s/%s was refused, a part of it is written: %s", kind, namespace, name, refusal
        )
        return refusal

    async def _post_events(self, tracker: TrackerRef, events: Sequence[EventNote]) -> None:
        resource = resource_of(PullRequestTracker.definition)
        target = resource.target(
            namespace=tracker.namespace,
            name=tracker.name,
            uid=tracker.uid,
        )
        for index, event in enumerate(events):
            try:
                await self._kubernetes.post_event(
                    target,
                    name=event_name(tracker, event),
                    reason=event.reason,
                    message=event.message,
                    warning=event.warning,
                    component=WORKFLOW_MANAGER,
                )
            except ApiNotFound:
                # Only the namespace can be missing here: no one would read the event.
                return
            except ApiForbidden as error:
                # A namespace that is being deleted takes no new events, and a Role may grant none: no status waits
                # for them, least of all the last one, for which the finalizer of a deleted tracker stays.
                left_out = "; ".join(f"{each.reason}: {each.message}" for each in events[index:])
                logger.warning(
                    "tracker %s/%s gets no events (%s): %s", tracker.namespace, tracker.name, error, left_out
                )
                return
            except ApiInvalid as error:
                # A policy or a webhook of the cluster denies this one, and may take the next.
                logger.warning(
                    "tracker %s/%s does not get the event %s: %s (%s)",
                    tracker.namespace,
                    tracker.name,
                    event.reason,
                    event.message,
                    error,
                )


@contextmanager
def _again_if_refused() -> Iterator[None]:
    """Have Temporal try again: what refuses even the part is no field of it, but a webhook or a policy."""
    try:
        yield
    except _REFUSALS as error:
        raise ApiUnavailable(f"even a part of the status is refused: {describe(error)}") from None


def _left_out(request: PublishStatusInput) -> tuple[EventNote, ...]:
    """Return the event that stands for those left out while no one wrote them."""
    if not request.events_dropped:
        return ()
    left_out = counted(request.events_dropped, "older event")
    message = f"left out while no watcher wrote them: {left_out}; the status is complete"
    identity = f"{request.tracker.name}.{request.tracker.attempt}.left-out.{request.status.sequence}"
    return (EventNote(id=identity, warning=True, reason=EventReason.EVENTS_LEFT_OUT, message=message),)


def event_name(tracker: TrackerRef, event: EventNote) -> str:
    """Name an event so that its repetition meets itself, and no other tracker's."""
    digest = hashlib.sha256(f"{tracker.uid}/{event.id}".encode()).hexdigest()
    return f"{tracker.name}.{digest[:_DIGEST_LENGTH]}"


async def _rendered(status: TrackerStatus, document: Document) -> Document:
    """Render a status; the largest takes 0.3 s, in which nothing else would run."""
    render = partial(render_tracker_status, status, document)
    details = sum(len(one.tests) + len(one.applications) for one in status.promotions) + len(status.tests)
    return await in_thread(render) if details > _RENDERED_AT_ONCE else render()


def render_tracker_status(status: TrackerStatus, document: Document) -> Document:
    """Write the workflow-owned status as the resource has it; texts and lists are cut to their limits."""
    fields = _without_empty(asdict(status))
    fields["uid"] = document["metadata"]["uid"]
    fields["title"] = status.pull_request.title if status.pull_request else None
    fields.pop("conditions", None)
    rendered: Document = _without_empty_lists(PullRequestTrackerStatus.model_validate(fields).to_wire())
    now = datetime.now(UTC)
    # The type is free: a newer workflow may know conditions that this watcher does not.
    wanted = [
        Condition(
            type=condition.type,
            status=ConditionStatus(condition.status),
            reason=condition.reason,
            message=condition.message,
            last_transition_time=now,
            observed_generation=status.observed_generation or None,
        )
        for condition in status.conditions
    ]
    rendered.pop("conditions", None)
    summed = with_summary(PullRequestTracker.definition, document, wanted, now, status=rendered)
    rendered["conditions"] = merge_own_conditions(conditions_of(document), summed)
    return rendered


def render_place_status(status: PlaceStatus) -> Document:
    """Write one repository's entry of an Environment's status as the resource has it."""
    return RepositoryStatus.model_validate(_without_empty(asdict(status))).to_wire()


def _without_empty(value: Any) -> Any:
    """Drop what is None, an empty text or an object of such: all mean `not known` on the wire."""
    if isinstance(value, Mapping):
        cleaned = {key: _without_empty(inner) for key, inner in value.items()}
        return {key: inner for key, inner in cleaned.items() if inner is not None and inner != "" and inner != {}}
    if isinstance(value, tuple | list):
        return [_without_empty(inner) for inner in value]
    return value


def _without_empty_lists(value: Any) -> Any:
    """Drop lists without items: absent means the same, and each would stand in every tracker that ever ended."""
    if isinstance(value, Mapping):
        return {key: _without_empty_lists(inner) for key, inner in value.items() if inner != []}
    if isinstance(value, list):
        return [_without_empty_lists(inner) for inner in value]
    return value
