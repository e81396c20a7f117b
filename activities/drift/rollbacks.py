"""Have people and event sinks know that an environment runs an older version than the one that was promoted."""

import hashlib
import logging
from datetime import datetime
from typing import Protocol

from pydantic import ValidationError

from activities.event_sinks.feeding import EventFeed
from activities.models.event_sinks import PromotionEvent
from activities.models.tracking import Artifact, TrackerRef
from crds.api.ports import REFUSES_EVENT, ApiNotFound, Document, Kubernetes, resource_of
from crds.api.publishing import WORKFLOW_MANAGER
from crds.reasons.events import EventReason
from crds.v1alpha1.drift_monitor import DriftMonitor, MonitorLabel
from crds.v1alpha1.pull_request_tracker import PullRequestTracker

logger = logging.getLogger(__name__)

_TRACKERS = resource_of(PullRequestTracker.definition)
_ID_DIGITS = 32
_NAME_DIGITS = 16
_SHORT = 12


class Rollbacks(Protocol):
    """Learn of each rollback before the status shows it."""

    async def report(self, monitor: Document, runs: Artifact, at: datetime) -> None:
        """Return once it is known; the same one may be reported again."""


class RollbackEvents:
    """Make it an event of the tracker whose change was taken back, in Kubernetes and at each sink that wants it."""

    def __init__(self, kubernetes: Kubernetes, feed: EventFeed) -> None:
        self._kubernetes = kubernetes
        self._feed = feed

    async def report(self, monitor: Document, runs: Artifact, at: datetime) -> None:
        """Hand it over under an id that is the same at each repetition. Raises WorkflowsUnavailable."""
        watched = DriftMonitor.from_wire(monitor)
        namespace, name = watched.metadata.namespace or "", watched.spec.tracker_ref.name
        try:
            tracker = PullRequestTracker.from_wire(await self._kubernetes.get(_TRACKERS, namespace, name))
        except ApiNotFound:
            # The monitor is about to go with its tracker.
            return
        except ValidationError as invalid:
            logger.warning("tracker %s/%s cannot be understood: %s errors", namespace, name, invalid.error_count())
            return
        if watched.metadata.labels.get(MonitorLabel.TRACKER) != tracker.metadata.uid:
            # Another one was created under its name: the monitor is about to go with the one before.
            return
        event = _event(watched, tracker, runs, at)
        await self._feed.send(namespace, (event,))
        await self._post(event)

    async def _post(self, event: PromotionEvent) -> None:
        tracker = event.tracker
        target = _TRACKERS.target(
            namespace=tracker.namespace,
            name=tracker.name,
            uid=tracker.uid,
        )
        try:
            await self._kubernetes.post_event(
                target,
                name=f"{tracker.name}.{event.id[:_NAME_DIGITS]}",
                reason=event.reason,
                message=event.message,
                warning=event.warning,
                component=WORKFLOW_MANAGER,
            )
        except REFUSES_EVENT as error:
            # The monitor's status shows it too.
            logger.warning(
                "tracker %s/%s gets no event (%s): %s", tracker.namespace, tracker.name, error, event.message
            )


def _event(monitor: DriftMonitor, tracker: PullRequestTracker, runs: Artifact, at: datetime) -> PromotionEvent:
    spec, pull_request = monitor.spec, tracker.status.pull_request
    by = f"#{pull_request.number}" if pull_request and pull_request.number else tracker.metadata.name
    place, before, now = f"{spec.environment}/{spec.deployment}", spec.revision[:_SHORT], runs.revision[:_SHORT]
    seen = f"{monitor.metadata.uid}/{spec.promoted_at.isoformat()}/{runs.revision}/{at.isoformat()}"
    return PromotionEvent(
        id=hashlib.sha256(seen.encode()).hexdigest()[:_ID_DIGITS],
        reason=EventReason.ROLLED_BACK,
        warning=True,
        message=f"{place} runs {now}, older than {before}, which {by} brought there",
        at=at,
        tracker=TrackerRef(
            namespace=monitor.metadata.namespace or "",
            name=tracker.metadata.name,
            uid=tracker.metadata.uid or "",
            attempt=tracker.spec.attempt,
        ),
        repository=spec.repository_ref.name,
        pull_request=pull_request.number if pull_request else None,
        title=(pull_request.title if pull_request else None) or "",
        url=(pull_request.url if pull_request else None) or "",
        author=(pull_request.author if pull_request else None) or "",
        environment=spec.environment,
        revision=spec.revision,
        artifacts=(runs,),
    )
