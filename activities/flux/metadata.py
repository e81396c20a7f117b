"""Metadata of an event: which keys count, and which of several values for one key wins.

Source of the rules: notification-controller's event server; see docs/guides/flux-events.md.
"""

from collections.abc import Mapping
from dataclasses import replace

from activities.flux.events import EVENT_GROUP, FluxEvent

_NOT_SHOWN = ("checksum", "digest")
_TOKEN = "token"  # noqa: S105 -- its name
SUMMARY = "summary"


def cleaned(event: FluxEvent) -> FluxEvent:
    """Keep the metadata of Flux and of the object's own controller; its checksum and digest are of no use."""
    own = f"{event.involved.group}/"
    dropped = {own + name for name in _NOT_SHOWN}
    kept = {
        key: value
        for key, value in event.metadata.items()
        if key.startswith((f"{EVENT_GROUP}/", own)) and key.lower() not in dropped
    }
    return replace(event, metadata=kept)


def combined(event: FluxEvent, *, added: Mapping[str, str], summary: str = "") -> Mapping[str, str]:
    """Return metadata by its bare keys; the controller's values win over an Alert's, those over annotations."""
    own, flux = f"{event.involved.group}/", f"{EVENT_GROUP}/"
    found = {key.removeprefix(flux): value for key, value in event.metadata.items() if key.startswith(flux)}
    found |= added
    if summary:
        found[SUMMARY] = summary
    found |= {
        bare: value
        for key, value in event.metadata.items()
        if key.startswith(own) and (bare := key.removeprefix(own)) != _TOKEN
    }
    return found
