"""A demo that somebody interrupts stops what it started, reports that, and leaves no process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.environment.ledger import Entry, Ledger, alive
from deploy.local.environment.processes import ROOT

PATIENCE_SECONDS = 60.0
# What is started in the background by a shell without job control inherits that SIGINT is ignored.
LISTENING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
PYTHON = [sys.executable, "-m", "deploy.local.demo"]
# As in the Makefile, with the interpreter of these tests and without a look at its requirements.
MAKE = ["make", "--silent", "-o", ".venv/.installed", f"BIN={Path(sys.executable).parent}", "demo"]

Started = subprocess.Popen[str]


class Demo:
    """A demo at work in a terminal's foreground: a session of its own, read line by line."""

    def __init__(self, home: Path, command: list[str]) -> None:
        self._home = home
        self._lines: list[str] = []
        self.process: Started = subprocess.Popen(
            [sys.executable, "-c", LISTENING, *command],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def read_until(self, text: str) -> None:
        """Read its output until a line holds this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)
            if text in line:
                return
        pytest.fail(f"no `{text}` in its output: {''.join(self._lines)}")

    def entries(self) -> list[Entry]:
        """Return what it has started so far, with the guardian."""
        (directory,) = self._home.glob("pilotage-demo-*")
        ledger = Ledger(directory)
        return [*ledger.read(), *(ledger.read_owner() or ())]

    def end_of_output(self) -> str:
        """Wait for its end; return all that it printed. What outlives it with its output open would be waited for."""
        rest, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        return "".join([*self._lines, rest])


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[Demo]]:
    """Demos of this test; whatever goes wrong, they end with it."""
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.process.kill()
        demo.process.communicate(timeout=PATIENCE_SECONDS)


def assert_nothing_is_left(demo: Demo, entries: list[Entry]) -> None:
    """The recorded processes, and the demo's own group: make, shell, interpreter and what they called."""
    assert len(entries) >= 3
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(alive(entry) for entry in entries) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [entry.name for entry in entries if alive(entry)] == []
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.process.pid, 0)


def test_ctrl_c_while_make_demo_starts_ends_it_calmly(tmp_path: Path, demos: list[Demo]) -> None:
    demo = Demo(tmp_path, MAKE)
    demos.append(demo)
    demo.read_until(" ready (")
    entries = demo.entries()

    # As a terminal does: everybody in the foreground gets it, impatient people press twice.
    os.killpg(demo.process.pid, signal.SIGINT)
    os.killpg(demo.process.pid, signal.SIGINT)
    text = demo.end_of_output()

    # Make dies of the signal itself, which a shell shows as 130.
    assert demo.process.returncode in (-signal.SIGINT, 130), text
    assert "interrupted: stopping " in text
    assert "temporal-1" in text.partition("interrupted: stopping ")[2]
    assert "stopped; nothing is left running. logs: " in text
    assert "Traceback" not in text
    assert_nothing_is_left(demo, entries)


def test_ctrl_c_in_the_middle_of_the_story_stops_workers_and_servers(tmp_path: Path, demos: list[Demo]) -> None:
    demo = Demo(tmp_path, PYTHON)
    demos.append(demo)
    demo.read_until("Merging ")
    entries = demo.entries()

    demo.process.send_signal(signal.SIGINT)
    text = demo.end_of_output()

    assert demo.process.returncode == 130, text
    named = text.partition("interrupted: stopping ")[2].splitlines()[0].split(", ")
    pieces = {
        "etcd-1",
        "kube-apiserver-1",
        "receiver-1",
        "sandbox-1",
        "temporal-1",
        "watcher-1",
        "worker-1",
        "worker-2",
    }
    assert set(named) == pieces
    assert text.rstrip().splitlines()[-1].startswith("stopped; nothing is left running. logs: ")
    assert "Traceback" not in text
    assert_nothing_is_left(demo, entries)


def test_sigterm_ends_a_demo_that_was_to_be_left_running(tmp_path: Path, demos: list[Demo]) -> None:
    demo = Demo(tmp_path, [*PYTHON, "--keep"])
    demos.append(demo)
    demo.read_until(" ready (")
    entries = demo.entries()

    demo.process.send_signal(signal.SIGTERM)
    text = demo.end_of_output()

    assert demo.process.returncode == 143, text
    assert "interrupted: stopping " in text
    assert "Traceback" not in text
    assert_nothing_is_left(demo, entries)
