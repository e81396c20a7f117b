"""A receiver and the API server as the activities of a sink's workflow see them, on a server or what stands for one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from activities.contracts import EventSinkActivities, EventSinkStatusActivities
from activities.failures import reported
from activities.models.event_sinks import (
    DeliverEventsInput,
    DeliverEventsResult,
    PromotionEvent,
    PublishEventSinkInput,
    SinkOutcome,
    SinkRef,
)
from activities.models.status import PublishStatusResult
from activities.models.tracking import Timings
from providers.errors import ProviderError, ProviderUnavailable
from tests.worlds.played import Server, connected, served
from tests.worlds.serving import Activity
from worker.temporal.event_sinks import TemporalEventSinks
from workflows.event_sink.presentation import EventSinkProgress
from workflows.event_sink.workflow import EventSinkWorkflow
from workflows.identity import PROGRESS_QUERY, event_sink_workflow_id

SINK = SinkRef(namespace="shop", name="chat", uid="uid-1")
AWAY = ProviderUnavailable("no connection", status=503)


@dataclass
class World(EventSinkActivities, EventSinkStatusActivities):
    """What was sent, and what was published of it."""

    client: Client
    step_seconds: float
    """How often it is looked whether something is so."""
    installation: str = field(default_factory=lambda: f"events-{uuid4().hex[:8]}")
    taken: list[str] = field(default_factory=list)
    """Ids of what the receiver took, in order."""
    omitted: list[int] = field(default_factory=list)
    attempts: list[DeliverEventsInput] = field(default_factory=list)
    refuses: Callable[[PromotionEvent], ProviderError | None] = lambda _event: None
    outcome: SinkOutcome = SinkOutcome.DELIVERED
    loses: int = 0
    """How many of the next answers are lost although the receiver took everything."""
    published: list[PublishEventSinkInput] = field(default_factory=list)

    @activity.defn
    @reported
    async def deliver_events(self, request: DeliverEventsInput) -> DeliverEventsResult:
        self.attempts.append(request)
        if self.outcome is not SinkOutcome.DELIVERED:
            return DeliverEventsResult(outcome=self.outcome)
        for number, one in enumerate(request.events):
            if (error := self.refuses(one)) is not None:
                if number:
                    return DeliverEventsResult(outcome=self.outcome, delivered=number)
                raise error
            self.taken.append(one.id)
            self.omitted.append(one.omitted)
        if self.loses and request.events:
            self.loses -= 1
            raise ProviderUnavailable("the answer was lost", status=500)
        return DeliverEventsResult(outcome=self.outcome, delivered=len(request.events))

    @activity.defn
    async def publish_event_sink(self, request: PublishEventSinkInput) -> PublishStatusResult:
        self.published.append(request)
        return PublishStatusResult(written=True)

    @property
    def port(self) -> TemporalEventSinks:
        return TemporalEventSinks(client=self.client, installation=self.installation, timings=Timings())

    @property
    def id(self) -> str:
        return event_sink_workflow_id(self.installation, SINK.namespace, SINK.name, SINK.uid)

    @property
    def handle(self) -> WorkflowHandle[object, object]:
        return self.client.get_workflow_handle(self.id)

    async def send(self, *events: PromotionEvent) -> None:
        await self.port.send(SINK, events)

    async def progress(self) -> EventSinkProgress:
        found: EventSinkProgress = await self.handle.query(PROGRESS_QUERY, result_type=EventSinkProgress)
        return found

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Let time pass until something is so; where it is virtual, a day costs nothing."""
        async with asyncio.timeout(timedelta(days=3).total_seconds() if self.step_seconds == 1 else 60):
            while not wanted():  # noqa: ASYNC110 -- activities bring it about
                await asyncio.sleep(self.step_seconds)

    def shown(self) -> list[tuple[bool, str]]:
        """Return what the condition was, without repetitions."""
        found = [(one.delivered, one.reason) for one in self.published]
        return [one for before, one in zip([None, *found], found, strict=False) if one != before]


@asynccontextmanager
async def playing(server: Server) -> AsyncIterator[World]:
    client = await connected(server)
    world = World(client, step_seconds=0.05 if isinstance(server, str) else 1)
    activities: dict[str, list[Activity]] = {
        "checks": [world.deliver_events],
        "kubernetes": [world.publish_event_sink],
    }
    async with served(server, client, world.installation, [EventSinkWorkflow], activities):
        yield world


def ids(*events: PromotionEvent) -> list[str]:
    return [one.id for one in events]
