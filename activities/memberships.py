"""Steps of a promotion at its places: what belongs to one step is sent and read in one activity.

Each is safe to retry as a whole. A place that is sent a view again answers it with what is true now, or ignores it
where a newer one is there; whatever is read is read again. A read that fails is left out of the answer, so that the
workflow reads alone and shows why there is no answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from pydantic_core import to_json

from activities.deployment_reads import DeploymentReads
from activities.joining import ReadEnvironment, Send, declared_by
from activities.models.budgets import VALUE_BYTES
from activities.models.configuration import FindPolicyInput, FindPolicyResult
from activities.models.drift import CreateDriftMonitorsInput
from activities.models.memberships import (
    JoinPlaceInput,
    JoinPlaceResult,
    OpenHopInput,
    OpenHopResult,
    SendViewsInput,
    SendViewsResult,
    TakeLaneInput,
    TakeLaneResult,
)
from activities.models.places import PlaceSignal, SendViewInput
from activities.models.revisions import PAIRS_PER_CALL, CompareRevisionsInput, CompareRevisionsResult, pairs_between
from activities.parts import Parts
from activities.ports import Places

Answer = TypeVar("Answer")


async def take_lane(places: Places, reads: DeploymentReads, request: TakeLaneInput) -> TakeLaneResult:
    """Send the view, then read: what is read after the grant was taken is changed by no other promotion.

    Who only gets in line by the view takes the lane where it is granted in the call.
    """
    parts, signal = Parts(), request.view.signal
    answer = await places.send(request.view)
    if signal.takes and (answer is None or answer.grant is None or answer.grant.answers != signal.counter):
        return TakeLaneResult(taken=False, answer=answer)
    read = await parts.read(reads, request.read)
    return taken_with_room(TakeLaneResult(observations=read.observations if read is not None else None, answer=answer))


def taken_with_room(taken: TakeLaneResult) -> TakeLaneResult:
    """Return an answer that has room, without the read of the target where need be."""
    return _with_room(taken, lambda one: replace(one, observations=None))


async def join_place(request: JoinPlaceInput, *, read: ReadEnvironment, send: Send) -> JoinPlaceResult:
    """Send the view, with what is read of the place where it awaits that, and answer both."""
    reading = asyncio.create_task(Parts().attempt(read(declared_by(request.view, fresh=request.fresh))))
    # A join that gives up waiting must not end the read.
    declared, answer = await asyncio.gather(reading, send(request.view, asyncio.shield(reading)))
    environment = declared.environment if declared is not None else None
    return joined_with_room(JoinPlaceResult(environment=environment, answer=answer))


def joined_with_room(joined: JoinPlaceResult) -> JoinPlaceResult:
    """Return an answer that has room, without the place's declaration where need be."""
    return _with_room(joined, lambda one: replace(one, environment=None))


async def send_views(send: Send, request: SendViewsInput) -> SendViewsResult:
    """Send all views in each attempt, so that a place that does not get its own keeps no other one waiting."""
    return await _all_sent(send, request.views)


async def _all_sent(send: Send, views: Sequence[SendViewInput]) -> SendViewsResult:
    answers = await asyncio.gather(*map(send, views), return_exceptions=True)
    for one in answers:
        if isinstance(one, BaseException):
            raise one
    return SendViewsResult(answer=next((one for one in answers if isinstance(one, PlaceSignal)), None))


async def open_hop(
    request: OpenHopInput,
    *,
    find: Callable[[FindPolicyInput], Awaitable[FindPolicyResult]],
    read: ReadEnvironment,
    send: Send,
    watch: Callable[[CreateDriftMonitorsInput], Awaitable[object]],
    compare: Callable[[CompareRevisionsInput], Awaitable[CompareRevisionsResult]],
) -> OpenHopResult:
    """End the hop before, and find the policy; where there is one, read its target and send that the view.

    What the target answers is compared with what the source runs. What ends the hop is sent in each attempt, also where
    no policy can be found: a lane is handed back by it.
    """
    parts, asked = Parts(), request.find

    async def watching() -> bool:
        if request.watch is not None:
            await watch(request.watch)
        return request.watch is not None

    before = asyncio.gather(parts.attempt(_all_sent(send, request.farewells)), parts.attempt(watching()))
    try:
        opened = await _opened(request, parts, await find(asked), read=read, send=send)
        opened = await _compared(request, parts, opened, compare)
    finally:
        left, watched = await before
    answer = left.answer if left is not None else None
    return opened_with_room(replace(opened, left=left is not None, farewell_answer=answer, watched=bool(watched)))


async def _opened(
    request: OpenHopInput,
    parts: Parts,
    found: FindPolicyResult,
    *,
    read: ReadEnvironment,
    send: Send,
) -> OpenHopResult:
    asked = request.find
    if found.policy is None:
        return OpenHopResult(found=found)
    target = found.policy.target
    view = SendViewInput(
        namespace=asked.namespace,
        environment=target,
        repository=asked.repository,
        signal=replace(request.view, received=(request.received or {}).get(target)),
        timings=request.timings,
    )
    reading = asyncio.create_task(parts.attempt(read(declared_by(view, fresh=asked.fresh))))

    async def sending() -> tuple[PlaceSignal | None]:
        # A join that gives up waiting must not end the read of the hop.
        return (await send(view, asyncio.shield(reading)),)

    declared, sent = await asyncio.gather(reading, parts.attempt(sending()))
    return OpenHopResult(
        found=found,
        environment=declared.environment if declared is not None else None,
        sent=sent is not None,
        answer=sent[0] if sent is not None else None,
    )


async def _compared(
    request: OpenHopInput,
    parts: Parts,
    opened: OpenHopResult,
    compare: Callable[[CompareRevisionsInput], Awaitable[CompareRevisionsResult]],
) -> OpenHopResult:
    pairs = pairs_between(request.artifacts, opened.answer.observed) if opened.answer is not None else ()
    if not 0 < len(pairs) <= PAIRS_PER_CALL:
        return opened
    asked = CompareRevisionsInput(namespace=request.namespace, repository=request.repository, pairs=pairs)
    found = await parts.attempt(compare(asked))
    return replace(opened, compared=pairs, relations=found.relations) if found is not None else opened


def opened_with_room(opened: OpenHopResult) -> OpenHopResult:
    """Return an answer that has room, without the views of the places where need be."""
    return _with_room(
        opened,
        lambda one: replace(one, left=False, farewell_answer=None),
        lambda one: replace(one, sent=False, answer=None),
    )


def _with_room(answer: Answer, *lighten: Callable[[Answer], Answer]) -> Answer:
    """Leave out part after part until an answer is not too large: what is read or sent alone has room."""
    for leave_out in lighten:
        if len(to_json(answer)) < VALUE_BYTES:
            break
        answer = leave_out(answer)
    return answer
