"""What runs, on disk: pid files for people and a ledger that survives the process that wrote it.

The ledger names a process by pid *and* start mark, so that a number which the system gave to somebody else is never
killed.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One process of the environment; it leads its own process group."""

    name: str
    pid: int
    mark: str


class Ledger:
    """The processes recorded in one directory."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "processes.json"
        self._pids = directory / "pids"

    def read(self) -> list[Entry]:
        """Return what was recorded last, oldest first; nothing when there is no ledger."""
        try:
            return [Entry(**entry) for entry in json.loads(self._file.read_text())]
        except FileNotFoundError:
            return []

    def write(self, entries: Iterable[Entry]) -> None:
        """Replace the record and the pid files."""
        listed = list(entries)
        self._pids.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_suffix(".part")
        partial.write_text(json.dumps([asdict(entry) for entry in listed], indent=1))
        partial.replace(self._file)
        for entry in listed:
            (self._pids / f"{entry.name}.pid").write_text(f"{entry.pid}\n")
        for stale in {path.stem for path in self._pids.glob("*.pid")} - {entry.name for entry in listed}:
            (self._pids / f"{stale}.pid").unlink(missing_ok=True)


def start_mark(pid: int) -> str | None:
    """Return what tells this process from a later one with the same pid; None when it is gone or a zombie."""
    try:
        # proc_pid_stat(5): the name in parentheses may hold spaces; state is field 3, start time field 22.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except ProcessLookupError:
        return None
    listed = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, mark = listed.stdout.strip().partition(" ")
    return mark.strip() if mark and not state.startswith("Z") else None


def alive(entry: Entry) -> bool:
    """Tell whether the recorded process still runs."""
    return start_mark(entry.pid) == entry.mark


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a process group, if it still exists."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def sweep(directory: Path, *, grace_seconds: float) -> list[str]:
    """Stop every recorded process that still runs, newest first; return their names.

    For whoever is not the parent: `down` after a lost supervisor, and the guardian.
    """
    ledger = Ledger(directory)
    living = [entry for entry in reversed(ledger.read()) if alive(entry)]
    for entry in living:
        signal_group(entry.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while any(alive(entry) for entry in living) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for entry in living:
        signal_group(entry.pid, signal.SIGKILL)
    while any(alive(entry) for entry in living):
        time.sleep(POLL_SECONDS)
    ledger.write([])
    return [entry.name for entry in living]
