"""Send events to the receivers of sinks."""

import time

from temporalio import activity

from activities.contracts import EventSinkActivities
from activities.event_sinks.rendering import messages
from activities.failures import reported
from activities.metrics import Count, count
from activities.models.event_sinks import DeliverEventsInput, DeliverEventsResult, SinkOutcome
from activities.ports import MissingReason, OpenSink, ReferenceMissing, SinkOpener
from crds.api.mirror import read_through
from providers.errors import ProviderError

ENOUGH_SECONDS = 25.0
"""No other event is begun after it: an attempt has a minute, and one event may take another 25 seconds."""


class EventDeliveries(EventSinkActivities):
    """Send through what sinks declare."""

    def __init__(self, opener: SinkOpener) -> None:
        self._opener = opener

    @activity.defn
    @reported
    async def deliver_events(self, request: DeliverEventsInput) -> DeliverEventsResult:
        """Send events in order until one is not taken. Safe to retry: one that arrives twice has the same id."""
        sink = await self._open(request, fresh=request.changed)
        if isinstance(sink, SinkOutcome) and not request.changed:
            # A worker's memory may be older than the sink that was made again, or resumed; the queue is dropped once.
            sink = await self._open(request, fresh=True)
        if isinstance(sink, SinkOutcome):
            return self._counted(request, sink)
        begun, delivered = time.monotonic(), 0
        for event in request.events:
            if delivered and time.monotonic() - begun > ENOUGH_SECONDS:
                break
            try:
                for message in messages(sink.spec, event, installation=request.installation):
                    await sink.receiver.post(message)
            except ProviderError:
                self._count(request, "Failed")
                if delivered:
                    # What was taken is never sent again; the next delivery meets the same refusal and shows it.
                    break
                raise
            delivered += 1
            self._count(request, SinkOutcome.DELIVERED)
        return DeliverEventsResult(outcome=SinkOutcome.DELIVERED, delivered=delivered)

    async def _open(self, request: DeliverEventsInput, *, fresh: bool) -> OpenSink | SinkOutcome:
        """Return the sink, or why nothing of the queue is ever sent."""
        try:
            with read_through(when=fresh):
                found = await self._opener.event_sink(request.namespace, request.sink.name)
        except ReferenceMissing as error:
            if (error.what, error.reason) == (f"EventSink/{request.sink.name}", MissingReason.NOT_FOUND):
                return SinkOutcome.GONE
            raise
        if found.uid != request.sink.uid:
            return SinkOutcome.GONE
        return SinkOutcome.SUSPENDED if found.spec.suspend else found

    def _counted(self, request: DeliverEventsInput, outcome: SinkOutcome) -> DeliverEventsResult:
        for _ in request.events:
            self._count(request, outcome)
        return DeliverEventsResult(outcome=outcome)

    def _count(self, request: DeliverEventsInput, outcome: str) -> None:
        count(Count.EVENTS, namespace=request.namespace, sink=request.sink.name, outcome=outcome)
