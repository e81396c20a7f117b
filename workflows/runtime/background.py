"""Work next to what decides; a run that continues as new ends it, and the next one begins it again.

That of a loop (`loop.py`) wakes it: its answers are what the next decision goes by, and its defects are raised there.
Of carried tasks no one awaits anything: what each is for stands in the carried state until it is done.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from temporalio import workflow


class Background:
    """Run coroutines in the background of the main loop and wake it when something happened."""

    def __init__(self) -> None:
        self.changed = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def busy(self) -> bool:
        """Whether anything still runs."""
        return any(not task.done() for task in self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> Callable[[], object]:
        """Run the work, whose end wakes the main loop; return what cancels it."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(lambda _task: self.wake())
        return task.cancel

    def wake(self) -> None:
        """Have the main loop decide again."""
        self.changed = True

    def collect(self) -> None:
        """Forget what ended; an unexpected error is raised here, where it stops the workflow task and is seen."""
        done = [task for task in self._tasks if task.done()]
        self._tasks = [task for task in self._tasks if not task.done()]
        for task in done:
            if not task.cancelled():
                task.result()


class CarriedTasks:
    """Keep the tasks of one kind that the carried state names."""

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
