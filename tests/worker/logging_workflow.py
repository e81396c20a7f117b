"""A workflow that logs one line and waits for nothing."""

from temporalio import workflow


@workflow.defn
class LoggingWorkflow:
    """Log what is worth a line."""

    @workflow.run
    async def run(self) -> None:
        """Log it."""
        workflow.logger.warning("status was refused")
