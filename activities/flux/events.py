"""One event as Flux's controllers send it, read from JSON with every field checked.

Source of the shape: `github.com/fluxcd/pkg/apis/event/v1beta1`. Fields may be absent, as at Flux's own receiver; a
field that is there has its type, and a text is kept up to a limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

MESSAGE_LIMIT = 39_000
"""Characters of a message, as Flux documents them."""
METADATA_LIMIT = 64
VALUE_LIMIT = 4096
NAME_LIMIT = 253

EVENT_GROUP = "event.toolkit.fluxcd.io"
COMMIT_KEY = f"{EVENT_GROUP}/commit"


class NotAnEvent(ValueError):
    """The document is no event; the text names the field."""


class Severity(StrEnum):
    """What Flux calls severities. `trace` is never sent by its controllers."""

    TRACE = "trace"
    INFO = "info"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class InvolvedObject:
    """What an event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    api_version: str = ""
    uid: str = ""

    @property
    def group(self) -> str:
        """The API group, such as `kustomize.toolkit.fluxcd.io`; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class FluxEvent:
    """What one controller reports of one object."""

    involved: InvolvedObject = InvolvedObject()
    severity: str = ""
    timestamp: datetime
    """When it happened, by the clock of the sending cluster; when it arrived, where the event names no time."""
    message: str = ""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    controller: str = ""

    def own(self, key: str) -> str:
        """Return a metadata value that the object's controller set; empty where there is none."""
        return self.metadata.get(f"{self.involved.group}/{key}", "")


def read_event(document: object, *, now: datetime) -> FluxEvent:
    """Read an event. Raises NotAnEvent, which names the field that has another type."""
    if not isinstance(document, Mapping):
        raise NotAnEvent("the body must be a JSON object")
    involved = document.get("involvedObject") or {}
    if not isinstance(involved, Mapping):
        raise NotAnEvent("involvedObject must be an object")
    return FluxEvent(
        involved=InvolvedObject(
            kind=_text(involved, "kind", "involvedObject."),
            namespace=_text(involved, "namespace", "involvedObject."),
            name=_text(involved, "name", "involvedObject."),
            api_version=_text(involved, "apiVersion", "involvedObject."),
            uid=_text(involved, "uid", "involvedObject."),
        ),
        severity=_text(document, "severity"),
        timestamp=_time(document, now),
        message=_text(document, "message", limit=MESSAGE_LIMIT),
        reason=_text(document, "reason"),
        metadata=_metadata(document),
        controller=_text(document, "reportingController"),
    )


def _text(document: Mapping[str, object], name: str, within: str = "", *, limit: int = NAME_LIMIT) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotAnEvent(f"{within}{name} must be a string")
    return value[:limit]


def _time(document: Mapping[str, object], now: datetime) -> datetime:
    written = _text(document, "timestamp")
    if not written:
        return now
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise NotAnEvent("timestamp must be a time such as 2026-01-31T10:00:00Z") from None
    if found.tzinfo is None:
        raise NotAnEvent("timestamp must have a time zone, such as 2026-01-31T10:00:00Z")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise NotAnEvent("timestamp is out of range") from None


def _metadata(document: Mapping[str, object]) -> Mapping[str, str]:
    given = document.get("metadata") or {}
    if not isinstance(given, Mapping):
        raise NotAnEvent("metadata must be an object")
    found: dict[str, str] = {}
    for key, value in given.items():
        if not isinstance(value, str):
            raise NotAnEvent(f"metadata[{key[:NAME_LIMIT]!r}] must be a string")
        if len(found) < METADATA_LIMIT:
            found[key[:NAME_LIMIT]] = value[:VALUE_LIMIT]
    return found
