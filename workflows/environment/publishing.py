"""What a place publishes: its repository's entry in the Environment's status."""

from dataclasses import replace

from temporalio import workflow

from activities.contracts import ResourceActivities
from activities.models.status import PublishPlaceInput, PublishStatusResult
from activities.models.tracking import Timings
from workflows import policies
from workflows.identity import Queues
from workflows.runtime.publishing import Publisher


def place_publisher(queues: Queues, timings: Timings, *, sequence: int = 0) -> Publisher[PublishPlaceInput]:
    """Return the publisher of one repository's entry in an Environment's status."""

    async def send(payload: PublishPlaceInput) -> PublishStatusResult:
        holder = payload.status.lane.holder
        lane = f"held by {holder}" if holder else "free"
        config = policies.kubernetes_publish(queues, timings, summary=f"publish {payload.environment}: lane {lane}")
        return await workflow.execute_activity_method(ResourceActivities.publish_place, payload, **config)

    return Publisher(
        send=send,
        stamp=lambda payload, sequence: replace(payload, status=replace(payload.status, sequence=sequence)),
        merge=lambda _older, newer: newer,
        adds=lambda sent, payload: (
            replace(sent, status=replace(sent.status, sequence=payload.status.sequence)) != payload
        ),
        sequence=sequence,
    )
