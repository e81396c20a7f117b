"""Which sink is sent which event. Pure."""

from activities.event_sinks.cdevents import SENT_REASONS
from activities.models.event_sinks import PromotionEvent
from crds.v1alpha1.event_sink import EventSinkSpec, EventSinkType


def wants(spec: EventSinkSpec, event: PromotionEvent) -> bool:
    """Return whether a sink is sent an event."""
    if spec.suspend or (spec.type is EventSinkType.CDEVENTS and event.reason not in SENT_REASONS):
        return False
    places = {event.environment, event.source}
    return (
        (not spec.events or event.reason in spec.events)
        and (not spec.repository_refs or any(one.name == event.repository for one in spec.repository_refs))
        and (not spec.environments or not places.isdisjoint(spec.environments))
    )
