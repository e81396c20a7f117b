"""Hand the events of a publication to the sinks of its namespace, which send them in their own time."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from activities.event_sinks.gathering import gather
from activities.event_sinks.selecting import wants
from activities.models.event_sinks import PromotionEvent, SinkRef
from activities.models.status import EventNote, PublishStatusInput
from activities.ports import EventSinkWorkflows
from crds.api.ports import ApiForbidden, ApiNotFound, Kubernetes, resource_of
from crds.v1alpha1.event_sink import EventSink

logger = logging.getLogger(__name__)

_SINKS = resource_of(EventSink.definition)


class EventFeed:
    """Signal the workflows of sinks; where a namespace has none, nothing is called."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        workflows: EventSinkWorkflows,
        *,
        kept: Callable[[str], Sequence[EventSink] | None] = lambda namespace: None,
    ) -> None:
        """Take what is kept of a namespace's sinks in memory; for None, what may be old, the API server is asked."""
        self._kubernetes = kubernetes
        self._workflows = workflows
        self._kept = kept

    async def feed(self, request: PublishStatusInput, notes: Sequence[EventNote]) -> None:
        """Return once each sink that wants some of the events has them for certain. Raises WorkflowsUnavailable."""
        if notes:
            await self.send(request.tracker.namespace, gather(request, notes, datetime.now(UTC)))

    async def send(self, namespace: str, events: Sequence[PromotionEvent]) -> None:
        """Do the same with events of one tracker that no publication holds."""
        for sink in await self._sinks(namespace):
            if wanted := [one for one in events if wants(sink.spec, one)]:
                metadata = sink.metadata
                ref = SinkRef(namespace=metadata.namespace or "", name=metadata.name, uid=metadata.uid or "")
                await self._workflows.send(ref, wanted)

    async def _sinks(self, namespace: str) -> Sequence[EventSink]:
        if (kept := self._kept(namespace)) is not None:
            return kept
        try:
            page = await self._kubernetes.list_all(_SINKS, namespace)
        except (ApiNotFound, ApiForbidden) as error:
            # Definitions or rights of an older release: no status may wait for them.
            logger.warning("no event sinks of %s are served: %s", namespace, error)
            return ()
        found: list[EventSink] = []
        for document in page.items:
            try:
                found.append(EventSink.from_wire(document))
            except ValidationError as invalid:
                name = document["metadata"]["name"]
                logger.warning(
                    "EventSink %s/%s cannot be understood: %s errors", namespace, name, invalid.error_count()
                )
        return tuple(found)
