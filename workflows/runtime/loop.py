"""The loop of a workflow that decides: collect what ended, continue as new if due, decide, set the alarm, wait.

One decision looks at all that is known and awaits nothing: between what it reads and what it changes nothing can come
in between. What it wants done runs in the background; each piece writes its answer into the state of the part that
started it and wakes the loop, as signals do. The alarm wakes it at the earliest time that the decision named.

The background is owned by the loop and shared by all parts that start work in it. Its tasks and the handlers of
signals are the only code that runs between two decisions. A defect in a task fails the workflow task and is seen
(`background.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NoReturn

from temporalio import workflow

from workflows.runtime import lifetime
from workflows.runtime.background import Background, in_background


def earliest(*times: datetime | None) -> datetime | None:
    """Return the earliest of the times that are set."""
    return min((one for one in times if one is not None), default=None)


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
            self._timer = in_background(self._wait(at))

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._at = None

    async def _wait(self, at: datetime) -> None:
        await workflow.sleep(max(at - workflow.now(), timedelta(milliseconds=1)), summary="look again")
        self._timer = self._at = None
        self._ring()


class Loop:
    """Run a workflow's decisions until there is nothing left to wait for."""

    def __init__(self, *, history_limit: int) -> None:
        self.background = Background()
        self._alarm = Alarm(self.background.wake)
        self._history_limit = history_limit

    async def run(
        self,
        step: Callable[[datetime], datetime | None],
        *,
        hand_over: Callable[[], Awaitable[NoReturn]],
        over: Callable[[], bool],
    ) -> None:
        """Decide by `step`, which returns when it is due again at the latest, at every change; return once `over()`.

        `hand_over` continues as new; what arrives while it waits is in the state that it hands over.
        """
        while True:
            self.background.collect()
            self.background.changed = False
            if lifetime.due(self._history_limit):
                self._alarm.cancel()
                await hand_over()
            self._alarm.set(step(workflow.now()))
            await workflow.wait_condition(lambda: self.background.changed or over())
            if not self.background.changed:
                return
