"""Events leave in order, one after the other, and stop at the first that is not taken."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.event_sinks.delivering import EventDeliveries
from activities.models.event_sinks import DeliverEventsInput, DeliverEventsResult, PromotionEvent, SinkOutcome, SinkRef
from activities.ports import MissingReason, OpenSink, ReferenceMissing
from crds.v1alpha1.event_sink import EventSinkSpec
from providers.errors import ProviderError, ProviderRejected, ProviderUnauthorized, ProviderUnavailable
from providers.models import EventMessage
from tests.activities.event_sinks.samples import event

SINK = SinkRef(namespace="shop", name="chat", uid="uid-chat")
EVENTS = tuple(event(number=number) for number in (1, 2, 3))


@dataclass
class Sinks:
    """Open one sink, whose receiver refuses from some event on."""

    spec: dict[str, Any] = field(default_factory=lambda: {"type": "Webhook", "url": "https://hooks.example.com"})
    uid: str = "uid-chat"
    missing: ReferenceMissing | None = None
    refuses: dict[str, ProviderError] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    async def event_sink(self, namespace: str, name: str) -> OpenSink:
        if self.missing is not None:
            raise self.missing
        return OpenSink(uid=self.uid, spec=EventSinkSpec.from_wire(self.spec), receiver=self)

    async def post(self, message: EventMessage) -> None:
        if message.id in self.refuses:
            raise self.refuses[message.id]
        self.taken.append(message.id)


async def deliver(sinks: Sinks, events: tuple[PromotionEvent, ...] = EVENTS) -> DeliverEventsResult:
    request = DeliverEventsInput(namespace="shop", installation="main", sink=SINK, events=events)
    return await ActivityEnvironment().run(EventDeliveries(sinks).deliver_events, request)


async def test_events_leave_in_order() -> None:
    sinks = Sinks()
    assert await deliver(sinks) == DeliverEventsResult(outcome=SinkOutcome.DELIVERED, delivered=3)
    assert sinks.taken == [one.id for one in EVENTS]


async def test_what_was_taken_before_a_refusal_is_not_sent_again_and_nothing_overtakes_it() -> None:
    sinks = Sinks(refuses={EVENTS[1].id: ProviderUnavailable("503", status=503)})
    assert (await deliver(sinks)).delivered == 1
    with pytest.raises(ApplicationError) as refused:
        await deliver(sinks, EVENTS[1:])
    assert refused.value.type == "ProviderUnavailable"
    assert sinks.taken == [EVENTS[0].id]


async def test_an_event_that_the_type_has_no_document_for_counts_as_sent() -> None:
    sinks = Sinks(spec={"type": "CDEvents", "url": "https://hooks.example.com"})
    assert (await deliver(sinks, (event("Aborted"), event("Promoted", number=2)))).delivered == 2
    assert sinks.taken == [event("Promoted", number=2).id]


@pytest.mark.parametrize(
    ("sinks", "outcome"),
    [
        (Sinks(uid="uid-of-another"), SinkOutcome.GONE),
        (Sinks(missing=ReferenceMissing("EventSink/chat", MissingReason.NOT_FOUND, "gone")), SinkOutcome.GONE),
        (Sinks(spec={"type": "Webhook", "url": "https://x.example", "suspend": True}), SinkOutcome.SUSPENDED),
    ],
)
async def test_a_sink_that_is_gone_or_suspended_is_sent_nothing(sinks: Sinks, outcome: SinkOutcome) -> None:
    assert (await deliver(sinks)).outcome is outcome
    assert sinks.taken == []


async def test_a_missing_secret_is_no_missing_sink() -> None:
    sinks = Sinks(missing=ReferenceMissing("Secret/chat", MissingReason.SECRET_NOT_FOUND, "create it"))
    with pytest.raises(ApplicationError, match="create it"):
        await deliver(sinks)


@pytest.mark.parametrize("error", [ProviderUnauthorized("401", status=401), ProviderRejected("400", status=400)])
async def test_a_refusal_is_named_by_its_kind(error: ProviderError) -> None:
    with pytest.raises(ApplicationError) as refused:
        await deliver(Sinks(refuses={EVENTS[0].id: error}))
    assert refused.value.type == type(error).__name__
