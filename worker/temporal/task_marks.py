"""Leave an event behind workflow tasks, so that no replay runs a task together with the one after it.

The SDK replays a task that left no event, after another that left none, together with the next one, as if it had only
prolonged that. Where an update alone brings the next task to a worker without the workflow in its cache, such as after
another worker's death, the first execution runs the two together: the update comes before the answers that the task
before it has taken. Each later replay, which knows of the update, runs them one after the other, decides otherwise, and
the workflow is stuck (temporalio/sdk-python#1591, found here by killing workers).

So the second of two tasks that would leave nothing starts a timer that never rings, and the next such task cancels it:
one event each. Runs that began before this have no memo that asks for it, and replay as they were.
"""

from collections.abc import Iterable

from temporalio.api.common.v1 import Payload
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.workflow import Info

MARKED_MEMO = "marks-tasks"
"""Key of the memo of a run whose tasks are marked."""

_FIRST = 1 << 24
"""Numbers of our timers, beyond those that the SDK gives a workflow's own."""
_NEVER_SECONDS = 10 * 365 * 24 * 3600
_SUMMARY = Payload(metadata={"encoding": b"json/plain"}, data=b'"keeps a replay in order"')
"""What people read of it in the timeline."""
_IN_NO_HISTORY = frozenset({"query_workflow", "do_update", "remove_from_cache", "update_random_seed"})
"""What brings an activation and is in no history; an update is, once it was accepted."""


class TaskMarks:
    """Mark the tasks of one run."""

    def __init__(self, info: Info) -> None:
        """Mark nothing of a run that began before tasks were marked."""
        self._marks = MARKED_MEMO in info.raw_memo
        self._task = 0
        """The task at hand, by the length of the history."""
        self._left = self._left_before = False
        """Whether it, and the one before it, left an event of a command."""
        self._timer = _FIRST
        self._started = False

    def complete(self, activation: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Add what leaves an event to a completion that would leave none, after another that left none."""
        if not self._marks or not completion.HasField("successful"):
            return
        commands = completion.successful.commands
        accepted = any(one.update_response.HasField("accepted") for one in commands)
        if not accepted and not _is_in_history(activation.jobs):
            # A replay does not have it: it must change nothing here.
            return
        if activation.history_length != self._task:
            self._task, self._left, self._left_before = activation.history_length, False, self._left
        if _leaves_an_event(commands):
            self._left = True
        elif not (accepted or self._left or self._left_before):
            self._mark(commands.add())
            self._left = True

    def _mark(self, command: WorkflowCommand) -> None:
        if self._started:
            command.cancel_timer.seq = self._timer
            self._timer += 1
        else:
            command.start_timer.seq = self._timer
            command.start_timer.start_to_fire_timeout.FromSeconds(_NEVER_SECONDS)
            command.user_metadata.summary.CopyFrom(_SUMMARY)
        self._started = not self._started


def _is_in_history(jobs: Iterable[WorkflowActivationJob]) -> bool:
    return any(job.WhichOneof("variant") not in _IN_NO_HISTORY for job in jobs)


def _leaves_an_event(commands: Iterable[WorkflowCommand]) -> bool:
    """Return whether a command becomes an event; a timer that ends as it starts becomes none."""
    timers: set[int] = set()
    for command in commands:
        match command.WhichOneof("variant"):
            case "start_timer":
                timers ^= {command.start_timer.seq}
            case "cancel_timer":
                timers ^= {command.cancel_timer.seq}
            case "update_response" | "respond_to_query":
                continue
            case _:
                return True
    return bool(timers)
