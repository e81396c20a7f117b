"""One event as Flux's controllers send it, read from JSON with every field checked.

Source of the shape: `github.com/fluxcd/pkg/apis/event/v1beta1`. Fields may be absent or null, as at Flux's own
receiver; a field that is there has its type, and a text is kept up to a limit, without what no payload may hold.

An event that notification-controller sends on, by a Provider of the type `generic` or `generic-hmac`, has its metadata
by bare keys: `combineEventMetadata` in its internal/server/event_handlers.go. It is read as the controller had sent it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from crds.texts.plain import plain

MESSAGE_LIMIT = 39_000
"""Characters of a message, as Flux documents them."""
METADATA_LIMIT = 64
"""Keys; those that are read here come first."""
VALUE_LIMIT = 4096
NAME_LIMIT = 253

EVENT_GROUP = "event.toolkit.fluxcd.io"
COMMIT_KEY = f"{EVENT_GROUP}/commit"
_OF_CONTROLLERS = ("originRevision", "revision", "commit_status", "token")
"""Keys, without their group, that the controller of an object sets; others come from annotations or an Alert."""
_READ_HERE = ("commit", *_OF_CONTROLLERS)
"""Keys, without their group, by which an event is understood, and differs from others."""


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
    resource_version: str = ""
    field_path: str = ""

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
    instance: str = ""

    def own(self, key: str) -> str:
        """Return a metadata value that the object's controller set; empty where there is none."""
        return self.metadata.get(f"{self.involved.group}/{key}", "")


def read_event(document: object, *, now: datetime) -> FluxEvent:
    """Read an event. Raises NotAnEvent, which names the field that has another type."""
    if not isinstance(document, Mapping):
        raise NotAnEvent("the body must be a JSON object")
    involved = _involved(_object(document, "involvedObject"))
    return FluxEvent(
        involved=involved,
        severity=_text(document, "severity"),
        timestamp=_time(document, now),
        message=_text(document, "message", limit=MESSAGE_LIMIT),
        reason=_text(document, "reason"),
        metadata=_metadata(document, involved.group),
        controller=_text(document, "reportingController"),
        instance=_text(document, "reportingInstance"),
    )


def _involved(found: Mapping[str, object]) -> InvolvedObject:
    within = "involvedObject."
    return InvolvedObject(
        kind=_text(found, "kind", within),
        namespace=_text(found, "namespace", within),
        name=_text(found, "name", within),
        api_version=_text(found, "apiVersion", within),
        uid=_text(found, "uid", within),
        resource_version=_text(found, "resourceVersion", within),
        field_path=_text(found, "fieldPath", within),
    )


def _object(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise NotAnEvent(f"{name} must be an object")
    return value


def _text(document: Mapping[str, object], name: str, within: str = "", *, limit: int = NAME_LIMIT) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotAnEvent(f"{within}{name} must be a string")
    return plain(value[:limit])


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


def _metadata(document: Mapping[str, object], group: str) -> Mapping[str, str]:
    given = _object(document, "metadata")
    found: dict[str, str] = {}
    # A stable order: of many annotations none may push out the revision.
    for key in sorted(given, key=lambda one: one.rpartition("/")[2] not in _READ_HERE):
        # Go reads null as an empty text.
        value = "" if given[key] is None else given[key]
        if not isinstance(value, str):
            raise NotAnEvent(f"metadata[{plain(key[:NAME_LIMIT])!r}] must be a string")
        name = plain(key[:NAME_LIMIT])
        whole = name if "/" in name else _with_group(name, group)
        if len(found) < METADATA_LIMIT and (whole == name or whole not in given):
            found[whole] = plain(value[:VALUE_LIMIT])
    return found


def _with_group(key: str, group: str) -> str:
    """Return a key as it was before notification-controller took its group off."""
    return f"{group if key in _OF_CONTROLLERS else EVENT_GROUP}/{key}"
