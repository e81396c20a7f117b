"""What a promotion publishes: its tracker's status, with the events that came since the last write."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from temporalio import workflow

from activities.contracts import ResourceActivities
from activities.models.budgets import EVENTS_BYTES, EVENTS_KEPT
from activities.models.status import EventNote, PublishStatusInput, PublishStatusResult, TrackerStatus
from activities.models.tracking import Timings
from crds.reasons.vocabulary import State
from workflows import policies
from workflows.identity import Queues
from workflows.runtime.publishing import Publisher
from workflows.sizes import encoded_size


def status_publisher(
    queues: Queues,
    timings: Timings,
    *,
    sequence: int = 0,
    shown: State | None = None,
    answered: Callable[[PublishStatusResult], None],
) -> Publisher[PublishStatusInput]:
    """Return the publisher of a tracker's status; events of superseded payloads travel with the newest one.

    The first write of each state names it in the timeline of the Temporal UI; `shown` is the last one of a run before.
    """

    async def send(payload: PublishStatusInput) -> PublishStatusResult:
        nonlocal shown
        begins, shown = payload.status.state is not shown, payload.status.state
        summary = begin_line(payload.status) if begins else f"publish {payload.status.state}"
        config = policies.kubernetes_publish(queues, timings, summary=summary)
        answer = await workflow.execute_activity_method(ResourceActivities.publish_status, payload, **config)
        answered(answer)
        return answer

    return Publisher(
        send=send,
        stamp=_stamp_status,
        merge=_merge_status,
        adds=_status_adds,
        at_once=_other_state,
        gap=timings.publish_gap,
        sequence=sequence,
    )


def begin_line(status: TrackerStatus) -> str:
    """Return the line that shows where a state begins, such as `▶ Testing (dev → staging)`."""
    where = f"{status.hop.source} → {status.hop.target}" if status.hop is not None else status.environment
    return f"▶ {status.state}{f' ({where})' if where else ''}"


def _stamp_status(payload: PublishStatusInput, sequence: int) -> PublishStatusInput:
    return replace(payload, status=replace(payload.status, sequence=sequence))


def _merge_status(older: PublishStatusInput, newer: PublishStatusInput) -> PublishStatusInput:
    events: dict[str, EventNote] = {event.id: event for event in (*older.events, *newer.events)}
    kept, dropped = newest_events(tuple(events.values()))
    return replace(newer, events=kept, events_dropped=older.events_dropped + newer.events_dropped + dropped)


def newest_events(events: Sequence[EventNote]) -> tuple[tuple[EventNote, ...], int]:
    """Return the newest events that fit into a publication, oldest first, and how many were left out."""
    kept: list[EventNote] = []
    room = EVENTS_BYTES
    for event in reversed(events):
        room -= encoded_size(event)
        if len(kept) == EVENTS_KEPT or room < 0:
            break
        kept.append(event)
    return tuple(reversed(kept)), len(events) - len(kept)


def _status_adds(sent: PublishStatusInput, payload: PublishStatusInput) -> bool:
    if payload.events or payload.events_dropped:
        return True
    return (
        replace(sent, events=(), events_dropped=0, status=replace(sent.status, sequence=payload.status.sequence))
        != payload
    )


def _other_state(sent: PublishStatusInput, payload: PublishStatusInput) -> bool:
    return (sent.status.state, sent.status.reason) != (payload.status.state, payload.status.reason)
