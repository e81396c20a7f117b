"""Why a workflow that runs does not go on: its task keeps failing, or no worker polls the queue of what is due."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import (
    EventType,
    PendingActivityState,
    PendingWorkflowTaskState,
    TaskQueueType,
    WorkflowTaskFailedCause,
)
from temporalio.api.history.v1 import WorkflowTaskFailedEventAttributes
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionDescription

from crds.texts.plain import one_line
from worker.temporal.calls import CALL_TIMEOUT

FAILURES = 3
"""How often a task may fail before it counts: a worker that stops loses one, and its successor may be slow."""
WAIT = timedelta(minutes=1)
"""How long a task may wait for a worker before it is asked whether there is any."""
POLLED = timedelta(minutes=2)
"""How old a poll may be that shows a worker: each lasts one minute at most."""
KEPT_SECONDS = 10.0
LISTED = 200
"""Workflows that are looked at in one turn; beyond that a fault is everybody's, and each is looked at in its resync."""
# https://docs.temporal.io/search-attribute#default-search-attribute: set by the server once a task failed five times in
# a row, and unset when one succeeds.
PROBLEMS = "TemporalReportedProblems"
REPORTED_PROBLEMS = f"{PROBLEMS} IN ('category=WorkflowTaskFailed', 'category=WorkflowTaskTimedOut')"
_EVENTS = 20
"""Where the failure is among the newest events: signals may have come since, each of them one event."""
_TEXT = 300

WORKFLOW, ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


@dataclass(frozen=True, kw_only=True)
class _Due:
    """A task that waits for a worker."""

    queue: str
    kind: TaskQueueType.ValueType
    build: str = ""
    """The version of the workers that may take it; empty = any."""


class Stalls:
    """Find why workflows do not go on. What many of them wait for is asked once in some seconds."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._kept: dict[tuple[str, TaskQueueType.ValueType], tuple[float, Sequence[PollerInfo]]] = {}
        """When and what was last known of a queue; of our queues alone, so few."""

    async def find(self, description: WorkflowExecutionDescription) -> str:
        """Return why a running workflow does not go on; empty where it does, or nothing is known. Raises RPCError.

        The text stays the same while the cause does.
        """
        if _fails(description):
            return f"its task fails each time: {await self._failure(description)}"
        for due in _waiting(description, datetime.now(UTC)):
            if not any(_serves(poller, due.build) for poller in await self.pollers(due.queue, due.kind)):
                build = f" of build {due.build}" if due.build else ""
                return f"no worker{build} polls the queue {due.queue}"
        return ""

    async def pollers(self, queue: str, kind: TaskQueueType.ValueType) -> Sequence[PollerInfo]:
        """Return who polled a queue lately. Raises RPCError."""
        now = time.monotonic()
        at, found = self._kept.get((queue, kind), (-KEPT_SECONDS, ()))
        if now - at < KEPT_SECONDS:
            return found
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        answer = await self._client.workflow_service.describe_task_queue(request, retry=True, timeout=CALL_TIMEOUT)
        earliest = datetime.now(UTC) - POLLED
        found = tuple(one for one in answer.pollers if _time(one.last_access_time) > earliest)
        self._kept[queue, kind] = now, found
        return found

    async def _failure(self, description: WorkflowExecutionDescription) -> str:
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=description.raw_info.execution,
            maximum_page_size=_EVENTS,
        )
        service = self._client.workflow_service
        answer = await service.get_workflow_execution_history_reverse(request, retry=True, timeout=CALL_TIMEOUT)
        for event in answer.history.events:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                return await self._failed(event.workflow_task_failed_event_attributes)
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
                return "no worker completes it in time"
        return "look at the logs of the workers"

    async def _failed(self, attributes: WorkflowTaskFailedEventAttributes) -> str:
        cause = WorkflowTaskFailedCause.Name(attributes.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
        error = await self._client.data_converter.decode_failure(attributes.failure)
        return f"{cause.replace('_', ' ').lower()}: {one_line(str(error))[:_TEXT]}"


def _fails(description: WorkflowExecutionDescription) -> bool:
    """Return whether a task failed too often.

    The server's count was seen at three after an hour of failures: it begins again while signals come or servers are
    restarted. What the server reports stays until a task succeeds.
    """
    reported = description.raw_info.search_attributes.indexed_fields
    return description.raw_description.pending_workflow_task.attempt > FAILURES or PROBLEMS in reported


def _waiting(description: WorkflowExecutionDescription, now: datetime) -> Iterator[_Due]:
    raw = description.raw_description
    task = raw.pending_workflow_task
    scheduled = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
    if task.state == scheduled and now - _time(task.original_scheduled_time) > WAIT:
        build = raw.workflow_execution_info.versioning_info.deployment_version.build_id
        yield _Due(queue=description.task_queue, kind=WORKFLOW, build=build)
    for activity in raw.pending_activities:
        # One that waits for its next attempt has its own reason, and servers before 1.28 do not name its queue.
        queue = activity.activity_options.task_queue.name
        first = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED and activity.attempt == 1
        if queue and first and now - _time(activity.scheduled_time) > WAIT:
            yield _Due(queue=queue, kind=ACTIVITY)


def version_of(poller: PollerInfo) -> str:
    """Return the version of a worker as `TemporalWorkerDeploymentVersion` has it; empty for one without."""
    options = poller.deployment_options
    return f"{options.deployment_name}:{options.build_id}" if options.build_id else ""


def _serves(poller: PollerInfo, build: str) -> bool:
    return not build or poller.deployment_options.build_id == build


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
