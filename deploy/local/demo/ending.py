"""End a demo that somebody interrupts: calmly, saying what is stopped, once."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

from deploy.local.environment.assembly import LocalEnvironment

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNAL_EXIT_BASE = 128
"""Shells report a program that a signal ended as this plus the signal's number: 130 for Ctrl-C, 143 for SIGTERM."""


class Ending:
    """Turns the first Ctrl-C or SIGTERM into SystemExit; the demo's stopping is not to be interrupted in turn."""

    def __init__(self, environment: LocalEnvironment) -> None:
        self._environment = environment
        self._unsaid = ""
        self.screen_is_taken = False
        """Whether a view redraws itself: what is written meanwhile would be overwritten."""
        self._cancel: Callable[[], object] | None = None
        self.exit_code: int | None = None
        """What the demo ends with; None as long as nobody interrupts it."""

    def arm(self) -> None:
        """Take the signals over; one that a shell has its background jobs ignore stays ignored."""
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._end)

    def check(self) -> None:
        """Raise SystemExit once a signal came: one that its handler raised inside a destructor got lost."""
        if self.exit_code is not None:
            raise SystemExit(self.exit_code)

    def run(self, work: Coroutine[Any, Any, int]) -> int:
        """Run a coroutine that a signal cancels; what a handler raises in an event loop is reported as lost."""
        self.check()
        code = asyncio.run(self._cancellable(work))
        self.check()
        return code

    def give_screen_back(self) -> None:
        """Say now what could not be said while a view had the screen."""
        self.screen_is_taken = False
        self._speak()

    def farewell(self, logs: str) -> None:
        """Say how it ended, and where to look."""
        ended = "" if self.exit_code is None else "stopped; nothing is left running. "
        print(f"{ended}logs: {logs}", file=sys.stderr, flush=True)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        for other in ENDING_SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        self.exit_code = SIGNAL_EXIT_BASE + number
        names = ", ".join(self._environment.names())
        self._unsaid = f"\ninterrupted: stopping {names}\n" if names else "\ninterrupted before anything was started\n"
        if not self.screen_is_taken:
            self._speak()
        if self._cancel is None:
            raise SystemExit(self.exit_code)
        self._cancel()

    async def _cancellable(self, work: Coroutine[Any, Any, int]) -> int:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            if self.exit_code is None:
                raise
            return self.exit_code
        finally:
            self._cancel = None

    def _speak(self) -> None:
        # Not print: a handler may have interrupted one, which does not bear being entered again.
        text, self._unsaid = self._unsaid, ""
        os.write(sys.stderr.fileno(), text.encode())
