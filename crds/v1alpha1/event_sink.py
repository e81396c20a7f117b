"""EventSink: a receiver outside the cluster that Pilotage sends events of promotions to."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Endpoint, Name, NameReference, SecretReference, Text, Time
from crds.model import AGE, Definition, Model, PrinterColumn, Rule, extra
from crds.reasons.events import EventReason
from crds.resource import ConditionedStatus, Resource


class EventSinkType(StrEnum):
    """Form in which Pilotage sends an event."""

    CDEVENTS = "CDEvents"
    """CDEvents in structured CloudEvents over HTTP. Pilotage does not send events that CDEvents has no type for."""
    WEBHOOK = "Webhook"
    """A JSON document of Pilotage, or the one that `template` names."""


class EventTemplate(StrEnum):
    """Documents of other programs that a webhook can send."""

    SLACK = "Slack"
    """A message as incoming webhooks of Slack take it."""


class EventSinkSpec(Model):
    """Where Pilotage sends events, in which form, and which of them."""

    rules: ClassVar = (
        Rule(
            rule="has(self.url) || has(self.secretRef)",
            message="url must be set, or secretRef with a Secret that has `address`",
        ),
        Rule(
            rule="!has(self.template) || self.type == 'Webhook'",
            message="template needs `type: Webhook`",
            field_path=".template",
        ),
    )

    type: EventSinkType
    """Form in which Pilotage sends an event."""
    url: Endpoint | None = None
    """Address that events are posted to. Keep an address that is a secret itself, as one of Slack, in the Secret."""
    secret_ref: SecretReference | None = None
    """Secret with any of these keys: `address`, which wins over `url`; `secret`, which signs each request as Standard
    Webhooks specifies; `token`, a Bearer token; `ca.crt`, as `caSecretRef` names it."""
    ca_secret_ref: SecretReference | None = None
    """Secret with `ca.crt`, the authority that signed the receiver's certificate. If not given, the `ca.crt` of
    `secretRef` is trusted."""
    proxy_secret_ref: SecretReference | None = None
    """Secret with `address` of the HTTP proxy between Pilotage and the receiver, and with `username` and `password` if
    the proxy asks for them."""
    template: EventTemplate | None = None
    """Document that a webhook sends; the one of Pilotage if not given."""
    events: Annotated[tuple[EventReason, ...], Field(max_length=64, json_schema_extra=extra(list_type="set"))] = ()
    """Reasons of the events that are sent; empty means all."""
    repository_refs: Annotated[
        tuple[NameReference, ...], Field(max_length=100, json_schema_extra=extra(keys=("name",)))
    ] = ()
    """Repositories whose events are sent; empty means all."""
    environments: Annotated[tuple[Name, ...], Field(max_length=100, json_schema_extra=extra(list_type="set"))] = ()
    """Environments whose events are sent: where the change is, comes from or goes to. Empty means all."""
    suspend: bool = False
    """Whether Pilotage drops events. It does not send them later."""


class SinkError(Model):
    """The newest refusal of the receiver."""

    time: Time
    """Time of the refusal."""
    message: Text
    """Why, and what to fix."""


class EventSinkStatus(ConditionedStatus):
    """What Pilotage sent, and what waits."""

    last_success: Time | None = None
    """When the receiver last took an event."""
    last_error: SinkError | None = None
    """The newest reason why the receiver did not take an event."""
    waiting: Annotated[int, Field(ge=0)] | None = None
    """Events that wait to be sent."""
    dropped: Annotated[int, Field(ge=0)] | None = None
    """Events that Pilotage dropped, since the queue was full or the receiver refused them for an hour. The next event
    that is sent has their number as `omitted`."""


class EventSink(Resource):
    """A receiver that Pilotage sends events of the namespace's promotions to."""

    definition: ClassVar = Definition(
        kind="EventSink",
        plural="eventsinks",
        short_name="psink",
        columns=(
            PrinterColumn(name="TYPE", json_path=".spec.type"),
            PrinterColumn(name="READY", json_path=".status.conditions[?(@.type=='Ready')].status"),
            PrinterColumn(name="SENT", json_path=".status.lastSuccess", type="date"),
            PrinterColumn(name="WAITING", json_path=".status.waiting", type="integer"),
            PrinterColumn(name="DROPPED", json_path=".status.dropped", type="integer", priority=1),
            PrinterColumn(name="MESSAGE", json_path=".status.conditions[?(@.type=='Ready')].message", priority=1),
            AGE,
        ),
    )

    kind: str = "EventSink"
    spec: EventSinkSpec
    status: EventSinkStatus = EventSinkStatus()
