"""A terminal for programs that draw on one: a pseudo-terminal, and the screen that a person would see."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from typing import Self

from deploy.local.environment.processes import ROOT

ROWS, COLUMNS = 50, 100
PATIENCE_SECONDS = 60.0
CTRL_C = b"\x03"
# ECMA-48: a control sequence is ESC [ parameters final; then what moves the cursor by itself; then text.
TOKENS = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Terminal:
    """Run one program on a pseudo-terminal. A context manager; the program does not outlive it."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._attributes = termios.tcgetattr(self._slave)
        # What is read may end within a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.written = ""
        """Everything that the program wrote, control sequences included."""
        self.process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env={**environment, "TERM": "xterm-256color"},
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._master, keys)

    def await_text(self, text: str) -> None:
        """Wait until the screen shows this."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in "\n".join(self.screen()):
            assert time.monotonic() < deadline, f"no `{text}` on the screen:\n" + "\n".join(self.screen())
            assert self._read(0.1) or self.process.poll() is None, f"it ended without `{text}`: {self.written}"

    def await_end(self) -> int:
        """Wait for the program's end; return its exit code."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it has not ended: {self.written}"
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.wait()

    def as_before(self) -> bool:
        """Return whether the cursor is shown, and the line discipline as the program found it."""
        shown = self.written.rfind("\x1b[?25h") >= self.written.rfind("\x1b[?25l")
        return shown and termios.tcgetattr(self._slave) == self._attributes

    def screen(self) -> list[str]:
        """Return the lines that a person sees. An unknown control sequence fails the test."""
        lines, row, column = [""], 0, 0
        for parameters, final, motion, text in TOKENS.findall(self.written):
            if text:
                lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
                column += len(text)
            elif motion == "\r":
                column = 0
            elif motion == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif final == "A":
                row = max(row - int(parameters or 1), 0)
            elif final == "K":
                lines[row] = lines[row] if parameters != "2" else ""
            else:
                assert final in "mhl", f"ESC[{parameters}{final}"
        return [line.strip() for line in lines]

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if ready:
            self.written += self._decoder.decode(os.read(self._master, 65536))
        return bool(ready)
