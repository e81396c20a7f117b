"""What a promotion's history shows: every published state, command, failure and end, without a query or a worker."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from activities.models.promotion import Command, CommandAnswer
from activities.models.status import PublishStatusInput, TrackerStatus
from crds.texts.plain import one_line
from worker.cli.exits import CliError, ExitCode
from worker.temporal.connect import TemporalMisconfigured, TemporalUnavailable, connect

PUBLISH = "publish_status"
RUNS = 100
"""Runs that are read, the newest ones: each holds some thousand events."""
_TEXT = 500


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that happened."""

    at: str
    """Time in RFC 3339, UTC."""
    kind: str
    """`state`, `event`, `command`, `failure` or `run`."""
    text: str


class HistoryReader:
    """Read events in their order, and remember what later ones are about. One for each promotion."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter
        self._shown: tuple[str, str, str] | None = None
        self._noted: set[str] = set()
        self._activities: dict[int, str] = {}
        self._commands: dict[str, str] = {}

    async def read(self, events: Sequence[HistoryEvent]) -> list[Entry]:
        """Return what happened in one run."""
        self._activities.clear()
        found: list[Entry] = []
        for event in events:
            at = event.event_time.ToDatetime(tzinfo=UTC)
            found += [
                Entry(at=f"{at:%Y-%m-%dT%H:%M:%SZ}", kind=kind, text=one_line(text)[:_TEXT])
                async for kind, text in self._entries(event)
            ]
        return found

    async def _entries(self, event: HistoryEvent) -> AsyncIterator[tuple[str, str]]:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                if not event.workflow_execution_started_event_attributes.continued_execution_run_id:
                    yield "run", "the promotion begins"
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                scheduled = event.activity_task_scheduled_event_attributes
                self._activities[event.event_id] = scheduled.activity_type.name
                if scheduled.activity_type.name == PUBLISH:
                    async for entry in self._published(scheduled.input):
                        yield entry
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                what = self._activities.get(failed.scheduled_event_id, "an activity")
                yield "failure", f"{what} failed: {await self._failure(failed.failure)}"
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                late = event.activity_task_timed_out_event_attributes
                what = self._activities.get(late.scheduled_event_id, "an activity")
                yield "failure", f"{what} took too long ({_timeout(late.failure)})"
            case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                task = event.workflow_task_failed_event_attributes
                cause = WorkflowTaskFailedCause.Name(task.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_").lower()
                yield "failure", f"a workflow task failed: {cause}: {await self._failure(task.failure)}"
            case _:
                async for entry in self._commanded(event):
                    yield entry
                async for entry in self._ended(event):
                    yield entry

    async def _published(self, payloads: Payloads) -> AsyncIterator[tuple[str, str]]:
        [request] = await self._converter.decode(list(payloads.payloads), [PublishStatusInput])
        status: TrackerStatus = request.status
        shown = (status.state, status.reason, status.message)
        if shown != self._shown:
            self._shown = shown
            yield "state", _state(status)
        for note in request.events:
            # Published again until a watcher has taken it.
            if note.id not in self._noted:
                self._noted.add(note.id)
                yield "event", f"{note.reason}: {note.message}"

    async def _commanded(self, event: HistoryEvent) -> AsyncIterator[tuple[str, str]]:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            accepted = event.workflow_execution_update_accepted_event_attributes
            request = accepted.accepted_request
            [command] = await self._converter.decode(list(request.input.args.payloads), [Command])
            reason = f" ({command.reason})" if command.reason else ""
            self._commands[accepted.protocol_instance_id] = f"{command.actor}: {request.input.name}{reason}"
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
            completed = event.workflow_execution_update_completed_event_attributes
            what = self._commands.pop(completed.meta.update_id, "a command")
            if completed.outcome.HasField("failure"):
                yield "command", f"{what}: refused, {await self._failure(completed.outcome.failure)}"
            else:
                [answer] = await self._converter.decode(list(completed.outcome.success.payloads), [CommandAnswer])
                yield "command", f"{what}: {'accepted' if answer.accepted else 'refused'}, {answer.message}"
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            signal = event.workflow_execution_signaled_event_attributes
            if signal.signal_name == "deleted":
                yield "command", "the tracker was deleted"

    async def _ended(self, event: HistoryEvent) -> AsyncIterator[tuple[str, str]]:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                yield "run", "the promotion ended"
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                failure = event.workflow_execution_failed_event_attributes.failure
                yield "run", f"the workflow failed: {await self._failure(failure)}"
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
                yield "run", "the workflow ran out of time"
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
                yield "run", "the workflow was cancelled from outside"
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
                ended = event.workflow_execution_terminated_event_attributes
                yield "run", f"the workflow was terminated by {ended.identity}: {ended.reason or 'no reason was given'}"

    async def _failure(self, failure: Failure) -> str:
        return str(await self._converter.decode_failure(failure))


async def recount(workflow_id: str) -> list[Entry]:
    """Return what happened in a promotion. Raises CliError."""
    try:
        return await read_history(await connect(), workflow_id)
    except TemporalMisconfigured as error:
        raise CliError(str(error), code=ExitCode.USAGE) from error
    except TemporalUnavailable as error:
        raise CliError(str(error), code=ExitCode.UNREACHABLE) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            text = f"Temporal keeps no history of {workflow_id}"
            raise CliError(
                text, code=ExitCode.NOT_FOUND, advice="Temporal deletes a history after the namespace's retention"
            ) from error
        raise CliError(f"Temporal: {error.message}"[:_TEXT], code=ExitCode.UNREACHABLE) from error


async def read_history(client: Client, workflow_id: str) -> list[Entry]:
    """Read all runs of a promotion, from the first on that Temporal keeps. Raises RPCError."""
    reader, runs = HistoryReader(client.data_converter), [run async for run in _runs(client, workflow_id)]
    found: list[Entry] = []
    for events in reversed(runs):
        found += await reader.read(events)
    return found


async def _runs(client: Client, workflow_id: str) -> AsyncIterator[Sequence[HistoryEvent]]:
    """Yield the events of each run, the newest first."""
    run_id: str | None = None
    for _ in range(RUNS):
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        yield history.events
        started = history.events[0].workflow_execution_started_event_attributes
        run_id = started.continued_execution_run_id
        if not run_id:
            return


def _state(status: TrackerStatus) -> str:
    reason = f" ({status.reason})" if status.reason not in ("", status.state) else ""
    place = f" in {status.environment}" if status.environment else ""
    message = f": {status.message}" if status.message else ""
    return f"{status.state}{place}{reason}{message}"


def _timeout(failure: Failure) -> str:
    kind = failure.timeout_failure_info.timeout_type
    return TimeoutType.Name(kind).removeprefix("TIMEOUT_TYPE_").lower().replace("_", " ")
