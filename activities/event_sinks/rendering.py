"""The requests that one event is for a sink. Pure."""

from activities.event_sinks import cdevents, slack, webhook
from activities.models.event_sinks import PromotionEvent
from crds.texts.json_document import to_json
from crds.v1alpha1.event_sink import EventSinkSpec, EventSinkType, EventTemplate
from providers.models import EventMessage

_JSON = "application/json"


def messages(spec: EventSinkSpec, event: PromotionEvent, *, installation: str) -> tuple[EventMessage, ...]:
    """Return what is posted of an event, in order; nothing for what the type has no document."""
    if spec.type is EventSinkType.CDEVENTS:
        return tuple(
            EventMessage(id=one["id"], content_type=cdevents.CONTENT_TYPE, body=to_json(one))
            for one in cdevents.cloud_events(event, installation=installation)
        )
    document = slack.message(event) if spec.template is EventTemplate.SLACK else webhook.document(event)
    return (EventMessage(id=event.id, content_type=_JSON, body=to_json(document)),)
