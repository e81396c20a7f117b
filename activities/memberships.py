"""Steps of a promotion at its places: what belongs to one step is sent and read in one activity.

Each is safe to retry as a whole. A place that is sent a view again answers it with what is true now, or ignores it
where a newer one is there; whatever is read is read again. A read that fails is left out of the answer, so that the
workflow reads alone and shows why there is no answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from pydantic_core import to_json

from activities.deployment_reads import DeploymentReads
from activities.models.budgets import VALUE_BYTES
from activities.models.configuration import (
    FindPolicyInput,
    FindPolicyResult,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
)
from activities.models.memberships import (
    OpenHopInput,
    OpenHopResult,
    SendViewsInput,
    SendViewsResult,
    TakeLaneInput,
    TakeLaneResult,
)
from activities.models.places import PlaceSignal, TellEnvironmentInput
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


async def open_hop(
    request: OpenHopInput,
    *,
    find: Callable[[FindPolicyInput], Awaitable[FindPolicyResult]],
    read: Callable[[ReadEnvironmentInput], Awaitable[ReadEnvironmentResult]],
    send: Callable[[TellEnvironmentInput], Awaitable[PlaceSignal | None]],
) -> OpenHopResult:
    """Find the policy; where there is one, read its target and send that the view, side by side."""
    parts, asked = Parts(), request.find
    found = await find(asked)
    if found.policy is None:
        return OpenHopResult(found=found)
    target = found.policy.target
    view = TellEnvironmentInput(
        namespace=asked.namespace,
        environment=target,
        repository=asked.repository,
        signal=replace(request.view, heard=(request.heard or {}).get(target)),
        timings=request.timings,
    )
    reading = ReadEnvironmentInput(
        namespace=asked.namespace, environment=target, repository=asked.repository, fresh=asked.fresh
    )

    async def sending() -> tuple[PlaceSignal | None]:
        return (await send(view),)

    declared, sent = await asyncio.gather(parts.attempt(read(reading)), parts.attempt(sending()))
    return fitting(
        OpenHopResult(
            found=found,
            environment=declared.environment if declared is not None else None,
            sent=sent is not None,
            answer=sent[0] if sent is not None else None,
        )
    )


def fitting(opened: OpenHopResult) -> OpenHopResult:
    """Leave the target's view out of an answer that would be too large with it: one that is sent alone has room."""
    if len(to_json(opened)) < VALUE_BYTES:
        return opened
    return replace(opened, sent=False, answer=None)
