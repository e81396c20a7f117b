"""Pure: what a history did, as steps that any workflow can take again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from workflows.identity import PLACE_SIGNAL


class Do(StrEnum):
    """What a step does."""

    ACTIVITY = "activity"
    TIMER = "timer"
    CANCEL = "cancel"
    AWAIT = "await"
    SIGNAL = "signal"
    UPSERT = "upsert"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step; `id` names what it starts, awaits or cancels."""

    do: Do
    id: int = 0
    queue: str = ""
    signals: bool = False
    """Whether the activity signals its workflow, as one that informs a place does."""
    asks: str = ""
    """Which place the activity asks, where the place answers in the call."""
    duration: timedelta = timedelta(0)


SIGNALLING = (
    "send_view",
    "join_place",
    "send_views",
    "open_hop",
    "take_lane",
    "deliver_application",
    "sync_application",
)
ASKED = {"join_place": "source", "open_hop": "target", "take_lane": "target"}
"""The place that answers an activity in the call, as an update that starts the place where it does not run."""


def read_script(events: Iterable[HistoryEvent], *, places: bool = False) -> tuple[Step, ...]:
    """Return the steps of a history, or of a part of one: the same commands in the same order, awaiting the same.

    What began before the part is not awaited, and a signal that no activity of it sends is left out. With `places`,
    activities that a place answered in the call ask one; without, they are as instant as the others.
    """
    found = list(_steps(events))
    if not places:
        found = [replace(step, asks="") for step in found]
    begun = {step.id for step in found if step.do in (Do.ACTIVITY, Do.TIMER)}
    found = [step for step in found if step.do not in (Do.AWAIT, Do.CANCEL) or step.id in begun]
    silent: list[int] = []
    unclaimed: set[int] = set()
    # Most of what may signal is answered in the call, or never: a signal is that of the nearest activity before it.
    for index, step in enumerate(found):
        if step.signals:
            silent.append(index)
        elif step.do is Do.SIGNAL and silent:
            silent.pop()
        elif step.do is Do.SIGNAL:
            unclaimed.add(index)
    for index in silent:
        found[index] = replace(found[index], signals=False)
    found = [replace(step, asks="" if step.signals else step.asks) for step in found]
    return tuple(step for index, step in enumerate(found) if index not in unclaimed)


def activities_scheduled(events: Iterable[HistoryEvent], name: str) -> list[HistoryEvent]:
    """Return the events that schedule an activity of this name."""
    return [event for event in events if event.activity_task_scheduled_event_attributes.activity_type.name == name]


def _steps(events: Iterable[HistoryEvent]) -> Iterator[Step]:
    for event in events:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                scheduled = event.activity_task_scheduled_event_attributes
                queue = scheduled.task_queue.name.rpartition(".")[2]
                yield Step(
                    do=Do.ACTIVITY,
                    id=event.event_id,
                    queue=queue,
                    signals=scheduled.activity_type.name in SIGNALLING,
                    asks=ASKED.get(scheduled.activity_type.name, ""),
                )
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                yield Step(do=Do.AWAIT, id=event.activity_task_completed_event_attributes.scheduled_event_id)
            case EventType.EVENT_TYPE_TIMER_STARTED:
                timer = event.timer_started_event_attributes
                yield Step(do=Do.TIMER, id=event.event_id, duration=timer.start_to_fire_timeout.ToTimedelta())
            case EventType.EVENT_TYPE_TIMER_FIRED:
                yield Step(do=Do.AWAIT, id=event.timer_fired_event_attributes.started_event_id)
            case EventType.EVENT_TYPE_TIMER_CANCELED:
                yield Step(do=Do.CANCEL, id=event.timer_canceled_event_attributes.started_event_id)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                # What else comes in, such as a poke, comes from outside the script.
                if event.workflow_execution_signaled_event_attributes.signal_name == PLACE_SIGNAL:
                    yield Step(do=Do.SIGNAL)
            case EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
                yield Step(do=Do.UPSERT)
            case _:
                pass
