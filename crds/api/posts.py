"""Write what became of commit statuses to the status of a Provider or CommitStatus: of each kind the newest record."""

from datetime import datetime
from typing import Any

from crds.api.compare_and_set import StatusWrite, compare_and_set
from crds.api.ports import Document, Kubernetes
from crds.api.publishing import status_of
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
    field = _FIELDS[isinstance(record, LastError)]

    async def decide(document: Document) -> StatusWrite[bool] | bool:
        status = status_of(document)
        if (uid and document["metadata"].get("uid") != uid) or not _is_news(status.get(field), record.time):
            return False
        # Both belong to the manager: one that is left out would go.
        kept: dict[str, Any] = {one: status[one] for one in _FIELDS if status.get(one)}
        return StatusWrite(status={**kept, field: record.to_wire()}, result=True)

    return await compare_and_set(
        kubernetes,
        definition,
        namespace=namespace,
        name=name,
        decide=decide,
        gone=False,
        field_manager=POST_MANAGER,
    )


def _is_news(present: Any, time: datetime) -> bool:
    """Return whether a record has something that is not there: times are written in whole seconds and sort as texts."""
    return not isinstance(present, dict) or str(present.get("time", "")) <= format_time(time)
