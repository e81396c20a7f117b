"""The port through which the controller reaches workflows; it decides, the port's owner knows Temporal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, kw_only=True, order=True)
class Attempt:
    """Name one attempt of one tracker, and so one workflow."""

    namespace: str
    name: str
    uid: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a tracker declares when its promotion starts."""

    repository: str
    number: int
    environment: str
    generation: int


class WorkflowState(StrEnum):
    RUNNING = "Running"
    COMPLETED = "Completed"
    TERMINATED = "Terminated"
    """Somebody ended it from outside: terminated or cancelled."""
    FAILED = "Failed"
    """It failed or ran out of time."""
    ABSENT = "Absent"
    """Temporal does not know it: never started, restored from an old copy, or past its retention."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A person's command as the workflow gets it; the same request id is executed once."""

    verb: str
    request_id: str
    actor: str
    environment: str
    revision: str
    reason: str
    target_revisions: Mapping[str, str] = field(default_factory=dict)
    """What the person saw the target hold, by deployment, who promotes although it diverged."""
    keep_refusal: bool = False
    """Whether a refusal must stand as well: another watcher may have sent the order, or may send it yet."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    accepted: bool
    message: str


class WorkflowsUnavailable(ConnectionError):
    """Temporal, or a worker that would have to answer, is not there now. Worth another try."""


class Promotions(Protocol):
    """Start, tell and ask promotions. Every method may be repeated and raises WorkflowsUnavailable, nothing else."""

    def identify(self, attempt: Attempt) -> str:
        """Return the id of the attempt's workflow, which need not exist."""

    async def start(self, attempt: Attempt, declaration: Declaration) -> WorkflowState:
        """Start the workflow unless it exists; a closed one is not started again and its state is returned."""

    async def read_state(self, attempt: Attempt) -> WorkflowState:
        """Tell how the workflow of the attempt stands."""

    async def tell_deleted(self, attempt: Attempt) -> bool:
        """Tell the workflow that its tracker is deleted; False where it does not run."""

    async def poke(self, attempt: Attempt) -> bool:
        """Have the workflow look again at once; False where it does not run."""

    async def poke_place(self, *, namespace: str, environment: str, repository: str) -> bool:
        """Have a place look again at once; False where nobody is on the way there."""

    async def execute(self, attempt: Attempt, order: Order) -> Answer | None:
        """Pass on a command and return the workflow's answer; None where the workflow does not run."""
