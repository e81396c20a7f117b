"""End a demo that a signal interrupts: name what is stopped, and stop it, once."""

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
    """Turns the first Ctrl-C or SIGTERM into SystemExit; ignores later ones, so that all is stopped."""

    def __init__(self, environment: LocalEnvironment) -> None:
        self._environment = environment
        self._unwritten = ""
        self.screen_is_taken = False
        """Whether a view redraws itself, which would overwrite what is written meanwhile."""
        self._cancel: Callable[[], object] | None = None
        self.exit_code: int | None = None
        """The exit code of an interrupted demo; None until a signal interrupts it."""

    def arm(self) -> None:
        """Handle the signals; one that a shell has its background jobs ignore stays ignored."""
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._end)

    def check(self) -> None:
        """Raise SystemExit once a signal came: Python drops one that the handler raises inside a destructor."""
        if self.exit_code is not None:
            raise SystemExit(self.exit_code)

    def run(self, work: Coroutine[Any, Any, int]) -> int:
        """Run a coroutine that a signal cancels: asyncio reports what a handler raises inside of its loop as lost."""
        self.check()
        code = asyncio.run(self._cancellable(work))
        self.check()
        return code

    def give_screen_back(self) -> None:
        """Write what had to wait while a view had the screen."""
        self.screen_is_taken = False
        self._write()

    def print_end(self, logs: str) -> None:
        """Print how the demo ended, and where its logs are."""
        ended = "" if self.exit_code is None else "stopped; nothing is left running. "
        print(f"{ended}logs: {logs}", file=sys.stderr, flush=True)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        for other in ENDING_SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        self.exit_code = SIGNAL_EXIT_BASE + number
        names = ", ".join(self._environment.names())
        state = f"interrupted: stopping {names}" if names else "interrupted before anything was started"
        self._unwritten = f"\n{state}\n"
        if not self.screen_is_taken:
            self._write()
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

    def _write(self) -> None:
        # Not print: the signal may have interrupted a print, which cannot be entered twice.
        text, self._unwritten = self._unwritten, ""
        os.write(sys.stderr.fileno(), text.encode())
