"""Show on an EventSink what became of deliveries."""

from typing import Any

from temporalio import activity

from activities.contracts import EventSinkStatusActivities
from activities.failures import reported
from activities.models.event_sinks import PublishEventSinkInput
from activities.models.status import PublishStatusResult
from crds.api.ports import Document, Kubernetes
from crds.api.publishing import SINK_MANAGER, WantedCondition, publish_conditions, status_of
from crds.conditions import ConditionType
from crds.fields import format_time
from crds.v1alpha1.event_sink import EventSink, SinkError


class EventSinkStatuses(EventSinkStatusActivities):
    """Write through the Kubernetes API."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes

    @activity.defn
    @reported
    async def publish_event_sink(self, request: PublishEventSinkInput) -> PublishStatusResult:
        """Write the condition Delivered, with what was sent and what was not, unless the sink is another one by now.

        Safe to retry.
        """
        written = await publish_conditions(
            self._kubernetes,
            EventSink.definition,
            namespace=request.namespace,
            name=request.sink.name,
            uid=request.sink.uid,
            wanted=(
                WantedCondition(
                    type=ConditionType.DELIVERED,
                    status=request.delivered,
                    reason=request.reason,
                    message=request.message,
                ),
            ),
            field_manager=SINK_MANAGER,
            fields={"waiting": request.waiting, "dropped": request.dropped},
            derived=lambda document: _newest(request, document),
        )
        return PublishStatusResult(written=written, reason="" if written else "NothingToWrite")


def _newest(request: PublishEventSinkInput, document: Document) -> dict[str, Any]:
    """Return the last success and the last error: what one delivery knows nothing of stays as it stands."""
    present = status_of(document)
    shown = {"lastSuccess": present.get("lastSuccess"), "lastError": present.get("lastError")}
    if request.last_success is not None:
        shown["lastSuccess"] = format_time(request.last_success)
    if not request.delivered:
        shown["lastError"] = SinkError(time=request.at, message=request.message).to_wire()
    return shown
