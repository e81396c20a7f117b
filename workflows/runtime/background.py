"""Tasks in the background that are begun, carried and begun again: what each is for stands in the story.

Continuing as new ends them; the next run begins again what the story still holds.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from temporalio import workflow


class BackgroundTasks:
    """Keep the tasks of one kind."""

    def __init__(self) -> None:
        # A dict, which keeps the order in which tasks began: a replay cancels them in the same one.
        self._tasks: dict[asyncio.Task[None], None] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return not self._tasks

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a task."""
        task = asyncio.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    def stop(self) -> None:
        """Leave what is open to the next run."""
        for task in self._tasks:
            task.cancel()

    async def drain(self) -> None:
        """Return when nothing runs any more."""
        await workflow.wait_condition(lambda: self.idle)
