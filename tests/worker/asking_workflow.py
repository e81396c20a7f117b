"""A workflow whose task after an activity leaves nothing, and whose update goes by what that task has taken."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def answer() -> str:
    # The task that takes the signal ends before.
    await asyncio.sleep(2)
    return "known"


@activity.defn
async def act(_given: str) -> None: ...


@workflow.defn
class AskingWorkflow:
    """Ask, note the answer, and act by what is known when an update comes."""

    def __init__(self) -> None:
        self.known = ""
        self.over = False

    @workflow.run
    async def run(self) -> None:
        asking = asyncio.create_task(self._ask())
        await workflow.wait_condition(lambda: self.over)
        await asking

    async def _ask(self) -> None:
        self.known = await workflow.execute_activity(answer, start_to_close_timeout=timedelta(seconds=10))

    @workflow.update
    async def proceed(self) -> str:
        if self.known:
            await workflow.sleep(0.001)
        else:
            await workflow.execute_activity(act, self.known, start_to_close_timeout=timedelta(seconds=10))
        return self.known

    @workflow.signal
    def look(self) -> None:
        """Have a task that leaves nothing."""

    @workflow.signal
    def end(self) -> None:
        self.over = True
