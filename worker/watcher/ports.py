"""The port through which the watcher reaches promotions: it decides, worker/temporal/promotions.py knows Temporal."""

from typing import Protocol

from activities.models.drift import DriftNotice
from activities.models.promotion import Command, CommandAnswer
from activities.models.tracking import TrackerRef, TrackerSpec
from worker.temporal.outcomes import Look, WorkflowState


class Promotions(Protocol):
    """Start, signal and update promotions. Each method may be repeated; the only error is WorkflowsUnavailable."""

    def identify(self, attempt: TrackerRef) -> str:
        """Return the id of the attempt's workflow, which need not exist."""

    async def start(
        self,
        attempt: TrackerRef,
        spec: TrackerSpec,
        *,
        generation: int,
        repository: str = "",
        drift: DriftNotice | None = None,
    ) -> WorkflowState:
        """Start the workflow unless it exists; a closed one is not started again and its state is returned.

        `repository` is what people call it, such as `acme/web`, where that is known; `drift` is what monitors of the
        tracker report by now.
        """

    async def read_state(self, attempt: TrackerRef) -> WorkflowState:
        """Return the state of the attempt's workflow."""

    async def look(self, attempt: TrackerRef) -> Look:
        """Return the state of the attempt's workflow, and why it does not go on where it runs."""

    async def signal_deleted(self, attempt: TrackerRef) -> bool:
        """Signal that the tracker is deleted; False where the workflow does not run."""

    async def poke(self, attempt: TrackerRef) -> bool:
        """Have the workflow look again at once; False where it does not run."""

    async def poke_place(self, *, namespace: str, environment: str, repository: str) -> bool:
        """Have a place look again at once; False where it does not run."""

    async def execute(self, attempt: TrackerRef, verb: str, command: Command) -> CommandAnswer | None:
        """Send a command as an update and return the answer; None where the workflow does not run."""
