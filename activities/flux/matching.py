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


class NotTaken(ValueError):
    """A subscription does not take an event; the text has the reason."""


def wants_labels(subscriptions: Iterable[Subscription], event: FluxEvent) -> bool:
    """Return whether the labels of the event's object decide who takes it."""
    return any(source.labels and source.names(event) for one in subscriptions for source in one.sources)


def take(subscription: Subscription, event: FluxEvent, labels: Mapping[str, str] | None) -> None:
    """Raise NotTaken where a subscription does not take an event; `labels` are the object's, None = not readable."""
    if subscription.suspended:
        raise NotTaken(f"{subscription} is suspended")
    named = [source for source in subscription.sources if source.names(event)]
    if not named:
        raise NotTaken("no event source names the object")
    if not any(_labelled(source, labels) for source in named):
        reason = "the object cannot be read, whose labels decide" if labels is None else "the object's labels differ"
        raise NotTaken(reason)
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
