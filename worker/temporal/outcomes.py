"""What a workflow's owner learns of it, whatever carries the call. Pure: the watcher decides by it without the SDK."""

from dataclasses import dataclass
from enum import StrEnum


class WorkflowState(StrEnum):
    RUNNING = "Running"
    COMPLETED = "Completed"
    TERMINATED = "Terminated"
    """Ended from outside: terminated or cancelled."""
    FAILED = "Failed"
    """It failed or ran out of time."""
    ABSENT = "Absent"
    """Temporal does not know it: never started, restored from an old copy, or past its retention."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a workflow stands, and whether it goes on."""

    state: WorkflowState
    stall: str = ""
    """Why one that runs does not go on; the same text while the cause is the same."""


class WorkflowsUnavailable(ConnectionError):
    """Temporal, or a worker that would have to answer, is not there now. Worth another try."""
