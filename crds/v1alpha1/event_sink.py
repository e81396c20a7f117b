"""EventSink: a receiver outside the cluster that is sent what happens to promotions."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Endpoint, Name, NameReference, SecretReference, Text, Time
from crds.model import AGE, Definition, Model, PrinterColumn, Rule, extra
from crds.reasons.events import EventReason
from crds.resource import ConditionedStatus, Resource


class EventSinkType(StrEnum):
    """What an event is sent as."""

    CDEVENTS = "CDEvents"
    """CDEvents in structured CloudEvents over HTTP; events that the specification has no type for are not sent."""
    WEBHOOK = "Webhook"
    """A JSON document of Pilotage's own, or of `template`."""


class EventTemplate(StrEnum):
    """Documents of others that a webhook can send."""

    SLACK = "Slack"
    """A message as incoming webhooks of Slack take it."""


class EventSinkSpec(Model):
    """Where events are sent, as what, and which."""

    rules: ClassVar = (
        Rule(
            rule="has(self.url) || has(self.secretRef)",
            message="url must be set, or secretRef with a Secret that has `address`",
        ),
        Rule(
            rule="!has(self.template) || self.type == 'Webhook'",
            message="template is for `type: Webhook` alone",
            field_path=".template",
        ),
    )

    type: EventSinkType
    """What an event is sent as."""
    url: Endpoint | None = None
    """Where events are posted. An address that is a secret itself, as those of Slack are, belongs into the Secret."""
    secret_ref: SecretReference | None = None
    """Secret with any of: `address`, which wins over `url`; `secret`, by which each request is signed as Standard
    Webhooks has it; `token`, sent as a Bearer token; `ca.crt`, the authority that signed the receiver's
    certificate."""
    template: EventTemplate | None = None
    """Document that a webhook sends; Pilotage's own if not given."""
    events: Annotated[tuple[EventReason, ...], Field(max_length=64, json_schema_extra=extra(list_type="set"))] = ()
    """Reasons of the events that are sent; empty means all."""
    repository_refs: Annotated[
        tuple[NameReference, ...], Field(max_length=100, json_schema_extra=extra(keys=("name",)))
    ] = ()
    """Repositories whose events are sent; empty means all."""
    environments: Annotated[tuple[Name, ...], Field(max_length=100, json_schema_extra=extra(list_type="set"))] = ()
    """Environments whose events are sent: those that the change is, or is to be promoted to. Empty means all."""
    suspend: bool = False
    """Whether events are dropped. They are not sent later."""


class SinkError(Model):
    """The newest reason for which the receiver took an event not."""

    time: Time
    """When."""
    message: Text
    """Why, and what to fix."""


class EventSinkStatus(ConditionedStatus):
    """What was sent, and what was not."""

    last_success: Time | None = None
    """When the receiver last took an event."""
    last_error: SinkError | None = None
    """The newest reason for which it did not."""
    waiting: Annotated[int, Field(ge=0)] | None = None
    """Events that wait to be sent."""
    dropped: Annotated[int, Field(ge=0)] | None = None
    """Events that are never sent: the queue was full, or the receiver kept refusing them. The next one names how many
    are missing before it."""


class EventSink(Resource):
    """A receiver that is sent what happens to promotions of its namespace."""

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
