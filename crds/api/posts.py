"""Write what became of commit statuses to the status of a Provider or CommitStatus: of each kind the newest record."""

from datetime import datetime
from typing import Any

from crds.api.ports import ApiConflict, ApiNotFound, Kubernetes, resource_of
from crds.api.publishing import CONFLICTS, status_of
from crds.api.recent import read_basis
from crds.fields import format_time
from crds.model import Definition
from crds.v1alpha1.flux_provider import LastError, LastPost

POST_MANAGER = "pilotage-posts"
"""Field manager of the two fields."""
_FIELDS = ("lastSuccess", "lastError")


async def publish_post(
    kubernetes: Kubernetes,
    definition: Definition,
    *,
    namespace: str,
    name: str,
    uid: str,
    record: LastPost | LastError,
) -> bool:
    """Write a record unless a newer one is there, or the object is another one; an empty uid is any. Safe to retry."""
    resource = resource_of(definition)
    field = _FIELDS[isinstance(record, LastError)]
    for turn in range(CONFLICTS):
        try:
            document, fresh = await read_basis(kubernetes, resource, namespace, name, fresh=turn > 0)
        except ApiNotFound:
            return False
        metadata, status = document["metadata"], status_of(document)
        if (uid and metadata.get("uid") != uid) or not _is_news(status.get(field), record.time):
            if fresh:
                return False
            continue
        # Both belong to the manager: one that is left out would go.
        kept: dict[str, Any] = {one: status[one] for one in _FIELDS if status.get(one)}
        change = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "status": {**kept, field: record.to_wire()},
        }
        try:
            await kubernetes.apply(resource, namespace, name, change, field_manager=POST_MANAGER, subresource="status")
        except ApiConflict:
            continue
        except ApiNotFound:
            return False
        return True
    raise ApiConflict(f"{resource.kind} {namespace}/{name} kept changing", status=409)


def _is_news(present: Any, time: datetime) -> bool:
    """Return whether a record has something that is not there: times are written in whole seconds and sort as texts."""
    return not isinstance(present, dict) or str(present.get("time", "")) <= format_time(time)
