"""Start and stop child processes: each in its own process group, with a log, a pid file and a readiness probe."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.ledger import Entry, Ledger, entry_of, signal_group, take_over
from deploy.local.environment.ports import Probe
from deploy.local.environment.signals import deferred_signals

ROOT = Path(__file__).resolve().parents[3]
POLL_SECONDS = 0.05
PROGRESS_SECONDS = 5.0
LOG_TAIL_LINES = 15
SWEEP_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """How to start one process, and how to find out that it is ready."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    ready: Probe
    ready_timeout_seconds: float = 60.0
    # Between SIGTERM and SIGKILL.
    grace_seconds: float = 10.0


class Processes:
    """The running children of one environment, in starting order. Not thread-safe."""

    def __init__(self, directory: Path, report: Callable[[str], None]) -> None:
        self._directory = directory
        self._report = report
        self._ledger = Ledger(directory)
        self._running: dict[str, tuple[ProcessSpec, subprocess.Popen[bytes], Entry]] = {}
        self._guardian: subprocess.Popen[bytes] | None = None

    def spawn(self, spec: ProcessSpec) -> None:
        """Start a process and record it; nothing is awaited."""
        if self.running(spec.name):
            raise LocalEnvironmentError(f"{spec.name} runs already")
        with deferred_signals(), self.log(spec.name).open("ab") as log:
            self._watch_over()
            child = subprocess.Popen(
                spec.command,
                cwd=ROOT,
                env=dict(spec.environment),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            self._running[spec.name] = (spec, child, entry_of(spec.name, child.pid))
            self._record()

    def await_ready(self, *names: str) -> None:
        """Wait until each named process answers its probe; report each as it does.

        Raises LocalEnvironmentError with the end of the log when one exits or takes too long.
        """
        started = reported = time.monotonic()
        waiting = [self._running[name][0] for name in names]
        while waiting:
            for spec in list(waiting):
                waited = time.monotonic() - started
                if not self.running(spec.name):
                    raise LocalEnvironmentError(f"{spec.name} ended while it started\n{self._tail(spec.name)}")
                if spec.ready():
                    waiting.remove(spec)
                    self._report(f"{spec.name} ready ({waited:.1f} s)")
                elif waited > spec.ready_timeout_seconds:
                    raise LocalEnvironmentError(
                        f"{spec.name} is not ready after {waited:.0f} s\n{self._tail(spec.name)}"
                    )
            if waiting and time.monotonic() - reported > PROGRESS_SECONDS:
                reported = time.monotonic()
                names_left = ", ".join(spec.name for spec in waiting)
                self._report(f"waiting for {names_left} ({reported - started:.0f} s)")
            if waiting:
                time.sleep(POLL_SECONDS)

    def running(self, name: str) -> bool:
        """Return whether the process runs."""
        return name in self._running and self._running[name][1].poll() is None

    def names(self) -> list[str]:
        """Return the names of the running processes, oldest first."""
        return [name for name in self._running if self.running(name)]

    def pid(self, name: str) -> int:
        """Return the pid of a running process."""
        if not self.running(name):
            raise LocalEnvironmentError(f"{name} does not run")
        return self._running[name][1].pid

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        logs = self._directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{name}.log"

    def reap(self) -> dict[str, int]:
        """Forget processes that ended by themselves or were killed from outside; return their exit codes."""
        ended = {name: code for name, (_, child, _) in self._running.items() if (code := child.poll()) is not None}
        for name in ended:
            signal_group(self._running[name][1].pid, signal.SIGKILL)
            self._forget(name)
        return ended

    def kill(self, name: str) -> int:
        """SIGKILL the process group and wait for its end; return the pid it had."""
        pid = self.pid(name)
        self._end(name, grace_seconds=0)
        return pid

    def stop(self, name: str) -> None:
        """SIGTERM, then SIGKILL after the grace. Does nothing when it does not run."""
        if name in self._running:
            self._end(name, grace_seconds=self._running[name][0].grace_seconds)

    def stop_all(self) -> None:
        """Stop everything, newest first; nothing is left when this returns, whatever interrupts it."""
        try:
            for name in reversed(list(self._running)):
                self.stop(name)
        finally:
            for name in reversed(list(self._running)):
                self._end(name, grace_seconds=0)
            if self._guardian is not None:
                assert self._guardian.stdin is not None
                self._guardian.stdin.close()
                self._guardian.wait()
                self._guardian = None

    def _end(self, name: str, *, grace_seconds: float) -> None:
        child = self._running[name][1]
        if grace_seconds:
            signal_group(child.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(grace_seconds)
        # Also after a clean exit: what the process started must not outlive it.
        signal_group(child.pid, signal.SIGKILL)
        child.wait()
        self._forget(name)

    def _forget(self, name: str) -> None:
        del self._running[name]
        self._record()

    def _record(self) -> None:
        self._ledger.write(entry for _, _, entry in self._running.values())

    def _watch_over(self) -> None:
        if self._guardian is None:
            take_over(self._directory, grace_seconds=SWEEP_SECONDS)
            self._guardian = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.environment.guardian", str(self._directory)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._ledger.record_owner(self._guardian.pid)

    def _tail(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"the end of {self.log(name)}:", *(f"  {line}" for line in lines)])
