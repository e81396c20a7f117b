"""A workflow that says one line and waits for nothing."""

from temporalio import workflow


@workflow.defn
class SpeakingWorkflow:
    """Say something that is worth a line."""

    @workflow.run
    async def run(self) -> None:
        """Say it."""
        workflow.logger.warning("status was refused")
