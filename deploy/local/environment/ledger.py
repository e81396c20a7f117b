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

from deploy.local.environment.failures import LocalEnvironmentError

POLL_SECONDS = 0.02
# More than the guardian's own grace.
GUARDIAN_SECONDS = 10.0


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
        self._owner = directory / "owner.json"

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
        _replace(self._file, json.dumps([asdict(entry) for entry in listed], indent=1))
        for entry in listed:
            (self._pids / f"{entry.name}.pid").write_text(f"{entry.pid}\n")
        for stale in {path.stem for path in self._pids.glob("*.pid")} - {entry.name for entry in listed}:
            (self._pids / f"{stale}.pid").unlink(missing_ok=True)

    def record_owner(self, guardian_pid: int) -> None:
        """Record that this process owns the directory, and which guardian sweeps up after it."""
        owned = {"owner": entry_of("owner", os.getpid()), "guardian": entry_of("guardian", guardian_pid)}
        _replace(self._owner, json.dumps({role: asdict(entry) for role, entry in owned.items()}))

    def read_owner(self) -> tuple[Entry, Entry] | None:
        """Return the last owner and its guardian; both may be gone."""
        try:
            recorded = json.loads(self._owner.read_text())
        except FileNotFoundError:
            return None
        return Entry(**recorded["owner"]), Entry(**recorded["guardian"])


def entry_of(name: str, pid: int) -> Entry:
    """Return the entry of a running process."""
    return Entry(name=name, pid=pid, mark=start_mark(pid) or "")


def _replace(path: Path, text: str) -> None:
    # The pid: a guardian and a `down` may write at the same moment.
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def start_mark(pid: int) -> str | None:
    """Return what differs in a later process with the same pid; None when the process is gone or a zombie."""
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
    """Return whether the recorded process still runs."""
    return start_mark(entry.pid) == entry.mark


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a process group, if it still exists."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def sweep(directory: Path, *, grace_seconds: float) -> list[str]:
    """Stop every recorded process that still runs, newest first; return their names.

    For callers that are not the parent: `down` after a lost supervisor, and the guardian.
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


def take_over(directory: Path, *, grace_seconds: float) -> list[str]:
    """Stop what a dead owner left in a directory; return the names of what this call itself had to stop.

    Raises LocalEnvironmentError while a living process owns the directory.
    """
    recorded = Ledger(directory).read_owner()
    if recorded:
        owner, guardian = recorded
        deadline = time.monotonic() + GUARDIAN_SECONDS
        # Its guardian sweeps too, and must not meet the processes of the next owner.
        while alive(guardian):
            if time.monotonic() > deadline:
                raise LocalEnvironmentError(f"{directory} is in use by process {owner.pid}")
            time.sleep(POLL_SECONDS)
    return sweep(directory, grace_seconds=grace_seconds)
