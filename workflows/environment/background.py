"""Work that runs beside a workflow's decisions: each piece wakes the workflow when it ends, and its bugs surface."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow


def earliest(*times: datetime | None) -> datetime | None:
    """Return the earliest of the times that are set."""
    return min((one for one in times if one is not None), default=None)


class Background:
    """Run coroutines beside the main loop and say when something happened."""

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


class Alarm:
    """Wake the main loop at the earliest of all deadlines, with as few timers as possible.

    A timer that is set too early fires once for nothing, which costs less history than replacing it at each step.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._at: datetime | None = None
        self._timer: asyncio.Task[None] | None = None

    def set(self, at: datetime | None) -> None:
        """Ring at this time or earlier; None = never."""
        if at is None:
            self.cancel()
        elif self._timer is None or self._at is None or at < self._at:
            self.cancel()
            self._at = at
            self._timer = asyncio.create_task(self._wait(at))

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._at = None

    async def _wait(self, at: datetime) -> None:
        await workflow.sleep(max(at - workflow.now(), timedelta(milliseconds=1)), summary="look again")
        self._timer = self._at = None
        self._ring()
