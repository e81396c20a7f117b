"""Work next to what decides; a run that continues as new ends it, and the next one begins it again.

That of a loop (`loop.py`) wakes it: its answers are what the next decision goes by. Of carried tasks no one awaits
anything: what each is for stands in the carried state until it is done.

No one awaits the result of either, so that a defect in it would end with it, unseen. Here it fails the workflow task
instead, as one in a step does: Temporal shows it, and tries again until it is fixed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception


class Defect(Exception):
    """Work in the background ended with what no one expects there; the cause is what that was."""


def in_background(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run the work as a task whose defects fail the workflow task, wherever the run waits then."""
    task = asyncio.create_task(work)
    task.add_done_callback(_show_defect)
    return task


def _show_defect(task: asyncio.Task[None]) -> None:
    defect = None if task.cancelled() else task.exception()
    # What else is no Exception leaves a workflow that is taken out of a worker's memory.
    if isinstance(defect, Exception) and not is_cancelled_exception(defect):
        _ = asyncio.create_task(_fail_workflow_task(defect))  # noqa: RUF006 -- a workflow's loop keeps its tasks


async def _fail_workflow_task(defect: Exception) -> None:
    def fails() -> bool:
        # A failure of an activity, as it is, would end the workflow for good.
        raise Defect("work in the background failed") from defect

    # A condition is looked at in the task at hand, and what it raises is that one's failure.
    await workflow.wait_condition(fails)


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
        task = in_background(work)
        self._tasks.append(task)
        task.add_done_callback(lambda _task: self.wake())
        return task.cancel

    def wake(self) -> None:
        """Have the main loop decide again."""
        self.changed = True

    def collect(self) -> None:
        """Forget what ended."""
        self._tasks = [task for task in self._tasks if not task.done()]


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
        task = in_background(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    def stop(self) -> None:
        """Leave what is open to the next run."""
        for task in self._tasks:
            task.cancel()

    async def drain(self) -> None:
        """Return when nothing runs any more."""
        await workflow.wait_condition(lambda: self.idle)
