"""Which events a subscription takes: a CommitStatus, or an Alert of Flux's own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from activities.flux.events import FluxEvent, Severity
from activities.flux.patterns import Patterns

ANY_NAME = "*"
_PATTERNS = Patterns()


@dataclass(frozen=True, kw_only=True)
class Source:
    """Objects whose events are taken."""

    kind: str
    name: str
    """A name, or `*` for all."""
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that the object must have; empty asks for none."""

    def names(self, event: FluxEvent) -> bool:
        """Return whether the event's object is one of these, labels aside."""
        involved = event.involved
        return (
            (self.kind, self.namespace) == (involved.kind, involved.namespace)
            and self.name in (ANY_NAME, involved.name)
            and bool(involved.name)
        )


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Who wants commit statuses of which events, and how they look."""

    kind: str
    namespace: str
    name: str
    provider: str
    """A Provider of the same group and namespace."""
    sources: tuple[Source, ...]
    severity: str = Severity.INFO
    """`info` takes every severity."""
    inclusions: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    suspended: bool = False
    prefix: str = ""
    target_url: str = ""
    closes_superseded: bool = False
    added: Mapping[str, str] = field(default_factory=dict)
    """An Alert's `eventMetadata`."""
    summary: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    """The object as expressions see it."""

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class ObjectLabels:
    """Labels of an event's object, as far as they can be read."""

    found: Mapping[str, str] | None = None
    """None where there is no such object."""
    fault: str = ""
    """Why a person must act for them to be read."""


NO_OBJECT = ObjectLabels()


class NotTaken(ValueError):
    """A subscription does not take an event; the text has the reason, `fault` whether a person must act on it."""

    def __init__(self, reason: str, *, fault: bool = False) -> None:
        super().__init__(reason)
        self.fault = fault


def wants_labels(subscriptions: Iterable[Subscription], event: FluxEvent) -> bool:
    """Return whether the labels of the event's object decide who takes it."""
    return any(source.labels and source.names(event) for one in subscriptions for source in one.sources)


def take(subscription: Subscription, event: FluxEvent, labels: ObjectLabels) -> None:
    """Raise NotTaken where a subscription does not take an event; `labels` are those of the event's object."""
    if subscription.suspended:
        raise NotTaken(f"{subscription} is suspended")
    named = [source for source in subscription.sources if source.names(event)]
    if not named:
        raise NotTaken("no event source names the object")
    if not any(_labelled(source, labels.found) for source in named):
        if labels.found is not None:
            raise NotTaken("the object's labels differ")
        raise NotTaken(labels.fault or "there is no such object, whose labels decide", fault=bool(labels.fault))
    if subscription.severity not in (Severity.INFO, event.severity):
        raise NotTaken(f"severity `{event.severity}` is not `{subscription.severity}`")
    if subscription.inclusions and not _found(subscription.namespace, subscription.inclusions, event.message):
        raise NotTaken("no pattern of inclusionList is found in the message")
    if _found(subscription.namespace, subscription.exclusions, event.message):
        raise NotTaken("a pattern of exclusionList is found in the message")


def _labelled(source: Source, labels: Mapping[str, str] | None) -> bool:
    if not source.labels:
        return True
    return labels is not None and all(labels.get(key) == value for key, value in source.labels.items())


def _found(namespace: str, patterns: Iterable[str], message: str) -> bool:
    compiled = (_PATTERNS.compiled(namespace, one) for one in patterns)
    return any(pattern is not None and pattern.search(message) is not None for pattern in compiled)
