"""An event as Pilotage's own JSON document. Pure."""

from typing import Any

from activities.models.event_sinks import PromotionEvent
from crds.fields import format_time


def document(event: PromotionEvent) -> dict[str, Any]:
    """Return what a webhook sends; what is not known is left out."""
    return {"type": event.reason, "timestamp": format_time(event.at), "data": data(event)}


def data(event: PromotionEvent) -> dict[str, Any]:
    """Return what is known of an event, without its type and time."""
    tracker = event.tracker
    pull_request = {"number": event.pull_request, "title": event.title, "url": event.url, "author": event.author}
    artifacts = [
        _known({"component": one.component, "revision": one.revision, "image": one.image, "tag": one.tag})
        for one in event.artifacts
    ]
    return {
        "message": event.message,
        "warning": event.warning,
        "namespace": tracker.namespace,
        "tracker": tracker.name,
        "attempt": tracker.attempt,
        **_known(
            {
                "repository": event.repository,
                "pullRequest": _known(pull_request) if event.pull_request else None,
                "source": event.source,
                "environment": event.environment,
                "policy": event.policy,
                "round": event.round,
                "revision": event.revision,
                "artifacts": artifacts,
                "by": event.by,
                "omitted": event.omitted,
            }
        ),
    }


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
