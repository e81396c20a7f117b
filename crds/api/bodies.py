"""Bodies of requests that are no object of ours."""

from datetime import UTC, datetime

from crds.api.ports import Document, EventTarget
from crds.fields import format_time, truncate


def delete_options(uid: str | None, resource_version: str | None) -> Document:
    """Write the body of a deletion that only an object with these is meant for."""
    named = {"uid": uid, "resourceVersion": resource_version}
    wanted = {field: value for field, value in named.items() if value is not None}
    return {"apiVersion": "v1", "kind": "DeleteOptions", **({"preconditions": wanted} if wanted else {})}


def event_document(
    target: EventTarget,
    *,
    name: str,
    reason: str,
    message: str,
    warning: bool,
    component: str,
) -> Document:
    """Build a core/v1 Event; events on cluster-scoped objects live in namespace `default`."""
    at = format_time(datetime.now(UTC))
    return {
        "metadata": {"name": name, "namespace": target.namespace or "default"},
        "involvedObject": {
            "apiVersion": target.api_version,
            "kind": target.kind,
            "name": target.name,
            "uid": target.uid,
            **({"namespace": target.namespace} if target.namespace else {}),
        },
        "type": "Warning" if warning else "Normal",
        "reason": truncate(reason, 128),
        "message": truncate(message, 1024),
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
        "source": {"component": component},
        "reportingComponent": component,
    }
