"""Steps of a promotion at its places: what belongs to one step is sent and read in one activity.

Each is safe to retry as a whole. A place that is sent a view again answers it with what is true now, or ignores it
where a newer one is there; whatever is read is read again. A read that fails is left out of the answer, so that the
workflow reads alone and shows why there is no answer.
"""

import asyncio

from activities.deployment_reads import DeploymentReads
from activities.models.memberships import (
    SendViewsInput,
    SendViewsResult,
    TakeLaneInput,
    TakeLaneResult,
)
from activities.models.places import PlaceSignal
from activities.parts import Parts
from activities.ports import Places


async def take_lane(places: Places, reads: DeploymentReads, request: TakeLaneInput) -> TakeLaneResult:
    """Send the view, then read: what is read after the grant was taken is changed by no other promotion."""
    parts = Parts()
    await places.tell(request.view)
    read = await parts.read(reads, request.read)
    return TakeLaneResult(observations=read.observations if read is not None else None)


async def send_views(places: Places, request: SendViewsInput) -> SendViewsResult:
    """Send all views in each attempt, so that a place that does not get its own keeps no other one waiting."""
    answers = await asyncio.gather(*map(places.tell, request.views), return_exceptions=True)
    for one in answers:
        if isinstance(one, BaseException):
            raise one
    return SendViewsResult(answer=next((one for one in answers if isinstance(one, PlaceSignal)), None))
