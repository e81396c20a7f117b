"""Constrained field types shared by the kinds: names, texts, durations, times, references and selectors.

Status texts and lists cut themselves to their limit: the API server would refuse the whole status for one long
message of a CI system.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from crds.durations import MAX_LENGTH, PATTERN, format_duration, parse_duration
from crds.model import Model, Rule, extra
from crds.texts.plain import plain

NAME_MAX_LENGTH = 63
OBJECT_NAME_LENGTH = 253
"""Of the name of any Kubernetes object."""
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
ELLIPSIS = "…"

Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX_LENGTH, pattern=NAME_PATTERN)]
"""The name of a resource or of an entry; a DNS label, so that it also fits a label value."""

ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=OBJECT_NAME_LENGTH,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
"""The name of any Kubernetes object, such as a Secret; a DNS subdomain."""


def truncate(text: str, limit: int) -> str:
    """Make a text plain and cut it to a number of characters, ending in an ellipsis where something was cut."""
    fit = plain(text)
    return fit if len(fit) <= limit else fit[: limit - 1] + ELLIPSIS


def _cutting(limit: int) -> Callable[[Any], Any]:
    return lambda value: truncate(value, limit) if isinstance(value, str) and not isinstance(value, StrEnum) else value


def keep_last(limit: int) -> BeforeValidator:
    """Let a list keep its newest entries only."""
    return BeforeValidator(
        lambda value: tuple(value)[-limit:] if isinstance(value, Sequence) and not isinstance(value, str) else value
    )


def keep_first(limit: int) -> BeforeValidator:
    """Let a list keep its first entries only."""
    return BeforeValidator(
        lambda value: tuple(value)[:limit] if isinstance(value, Sequence) and not isinstance(value, str) else value
    )


HEADLINE_LENGTH = 48
Headline = Annotated[str, Field(max_length=HEADLINE_LENGTH), BeforeValidator(_cutting(HEADLINE_LENGTH))]
"""A text for one column of a table: at most 48 characters, cut when longer."""

ShortText = Annotated[str, Field(max_length=256), BeforeValidator(_cutting(256))]
"""A status text of at most 256 characters, cut when longer."""

Text = Annotated[str, Field(max_length=1024), BeforeValidator(_cutting(1024))]
"""A status text of at most 1024 characters, cut when longer."""

Link = Annotated[str, Field(max_length=2048), BeforeValidator(_cutting(2048))]
"""An address that people open, of at most 2048 characters."""

Endpoint = Annotated[str, Field(min_length=8, max_length=2048, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
"""The base URL of a server, without credentials, query or fragment."""


def _read_duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 2, "maxLength": MAX_LENGTH, "pattern": PATTERN}),
]
"""A duration of whole seconds, written as `45m` or `1h30m`."""

# Python accepts zero, so that validation can name it with the other errors of a resource that was stored before.
PositiveDuration = Annotated[
    Duration, Field(json_schema_extra=extra(Rule(rule="duration(self) > duration('0s')", message="must be positive")))
]
"""A duration of at least one second."""


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def format_time(value: datetime) -> str:
    """Write a time as Kubernetes does: UTC, whole seconds."""
    return _in_utc(value).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A point in time, UTC, written in whole seconds."""

# The API server knows no limits for keys; validation checks them.
Variables = Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=64)]


class NameReference(Model):
    """A resource in the same namespace; references never cross namespaces."""

    name: Name
    """Name of the resource."""


class SecretReference(Model):
    """A Secret in the same namespace; for a cluster-scoped kind, in the namespace Pilotage runs in."""

    name: ObjectName
    """Name of the Secret."""


class SelectorOperator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class SelectorRequirement(Model):
    """One requirement on the labels of an object."""

    rules: ClassVar = (
        Rule(
            rule="(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            message="values must be given with In and NotIn, and with no other operator",
            field_path=".values",
        ),
    )

    key: Annotated[str, Field(min_length=1, max_length=317)]
    """Label key."""
    operator: SelectorOperator
    """How the label relates to the values."""
    values: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=32)] = ()
    """Values for `In` and `NotIn`; empty for the other operators."""


class LabelSelector(Model):
    """A selection of objects by their labels; every requirement must hold, and an empty selector selects nothing."""

    match_labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Labels that must have exactly these values."""
    match_expressions: Annotated[tuple[SelectorRequirement, ...], Field(max_length=32)] = ()
    """Further requirements."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether an object with these labels is selected."""
        if not self.match_labels and not self.match_expressions:
            return False
        exact = all(labels.get(key) == value for key, value in self.match_labels.items())
        return exact and all(_meets(requirement, labels) for requirement in self.match_expressions)

    def to_query(self) -> str:
        """Write the selector in the form of a `labelSelector` query parameter."""
        parts = [f"{key}={value}" for key, value in sorted(self.match_labels.items())]
        for requirement in self.match_expressions:
            values = ",".join(requirement.values)
            match requirement.operator:
                case SelectorOperator.IN:
                    parts.append(f"{requirement.key} in ({values})")
                case SelectorOperator.NOT_IN:
                    parts.append(f"{requirement.key} notin ({values})")
                case SelectorOperator.EXISTS:
                    parts.append(requirement.key)
                case SelectorOperator.DOES_NOT_EXIST:
                    parts.append(f"!{requirement.key}")
        return ",".join(parts)


def _meets(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    match requirement.operator:
        case SelectorOperator.IN:
            return labels.get(requirement.key) in requirement.values
        case SelectorOperator.NOT_IN:
            return requirement.key not in labels or labels[requirement.key] not in requirement.values
        case SelectorOperator.EXISTS:
            return requirement.key in labels
        case SelectorOperator.DOES_NOT_EXIST:
            return requirement.key not in labels
