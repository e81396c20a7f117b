"""The way to EventSinkWorkflows, over a Temporal client."""

from collections.abc import Iterator, Sequence

from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)

from activities.models import budgets
from activities.models.event_sinks import EventSinkInput, PromotionEvent, SinkRef
from activities.models.tracking import Timings
from worker.temporal.calls import CALL_TIMEOUT, found, starting
from workflows.identity import (
    EVENT_SINK_WORKFLOW,
    EVENTS_SIGNAL,
    POKE_SIGNAL,
    SEARCH_NAMESPACE,
    Queues,
    event_sink_workflow_id,
    fairness_key,
)
from workflows.sizes import encoded_size

_BEHIND_PROMOTIONS = 4
"""Of five, the first being served first: what moves changes has three."""


class TemporalEventSinks:
    """Implement activities.ports.EventSinkWorkflows, and what a watcher needs. Raises WorkflowsUnavailable."""

    def __init__(self, *, client: Client, installation: str, timings: Timings) -> None:
        self._client = client
        self._installation = installation
        self._timings = timings
        self._queue = Queues(installation=installation).promotions

    async def send(self, sink: SinkRef, events: Sequence[PromotionEvent]) -> None:
        """Signal events, starting the workflow if it does not run; once this returns, they are durable."""
        for part in _parts(events):
            await self._send(sink, part)

    async def poke(self, sink: SinkRef) -> None:
        """Have a workflow that runs look at its sink at once."""
        handle = self._client.get_workflow_handle(self._id(sink))
        await found(lambda: handle.signal(POKE_SIGNAL, rpc_timeout=CALL_TIMEOUT))

    async def _send(self, sink: SinkRef, events: tuple[PromotionEvent, ...]) -> None:
        key = SearchAttributeKey.for_keyword(SEARCH_NAMESPACE)
        await starting(
            lambda: self._client.start_workflow(
                EVENT_SINK_WORKFLOW,
                EventSinkInput(installation=self._installation, sink=sink, timings=self._timings),
                id=self._id(sink),
                task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                start_signal=EVENTS_SIGNAL,
                start_signal_args=[events],
                static_summary=f"EventSink {sink.namespace}/{sink.name}",
                search_attributes=TypedSearchAttributes([SearchAttributePair(key, sink.namespace)]),
                priority=Priority(priority_key=_BEHIND_PROMOTIONS, fairness_key=fairness_key(sink.namespace)),
                rpc_timeout=CALL_TIMEOUT,
            )
        )

    def _id(self, sink: SinkRef) -> str:
        return event_sink_workflow_id(self._installation, sink.namespace, sink.name, sink.uid)


def _parts(events: Sequence[PromotionEvent]) -> Iterator[tuple[PromotionEvent, ...]]:
    """Yield the events in signals that a server takes."""
    part, room = list[PromotionEvent](), budgets.SINK_SIGNAL_BYTES
    for event in events:
        size = encoded_size(event)
        if part and size > room:
            yield tuple(part)
            part, room = [], budgets.SINK_SIGNAL_BYTES
        part.append(event)
        room -= size
    if part:
        yield tuple(part)
