"""Pure: what a history did, as steps that any workflow can take again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent


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
    speaks: bool = False
    """Whether the activity signals its workflow, as telling a place does."""
    duration: timedelta = timedelta(0)


SPEAKING = ("tell_environment", "sync_application")


def read_script(events: Iterable[HistoryEvent]) -> tuple[Step, ...]:
    """Return the steps of a history: the same commands in the same order, awaiting the same things."""
    found = list(_steps(events))
    signals = sum(step.do is Do.SIGNAL for step in found)
    # Farewells speak too, but nobody answers them: as many activities speak as signals came.
    speaking = [index for index, step in enumerate(found) if step.speaks][signals:]
    for index in speaking:
        step = found[index]
        found[index] = Step(do=step.do, id=step.id, queue=step.queue)
    return tuple(found)


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
                    speaks=scheduled.activity_type.name in SPEAKING,
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
                yield Step(do=Do.SIGNAL)
            case EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
                yield Step(do=Do.UPSERT)
            case _:
                pass
