"""What `up`, `down` and `status` do: talk to the supervisor of a directory, or clean up after a lost one."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.environment import ledger
from deploy.local.environment.assembly import runs_on_postgres
from deploy.local.environment.binaries import ON_POSTGRES, PROGRAMS, find_all
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.processes import ROOT
from deploy.local.environment.signals import deferred_signals
from deploy.local.environment.supervisor import ControlFiles, Request

POLL_SECONDS = 0.1
# Longer than every grace period of the processes together could be; past it they are killed.
STOP_SECONDS = 90.0
SWEEP_SECONDS = 5.0
# A new environment starts empty: the sandbox's half of the story would be lost anyhow. Logs stay until then.
STATE = ("etcd", "kubernetes", "logs", "pids", "postgres")
STATE_FILES = ("temporal*", "kubeconfig*", "*.json", "env")


class Control:
    """The commands on one environment directory."""

    def __init__(self, directory: Path, report: Callable[[str], None]) -> None:
        self._files = ControlFiles(directory.absolute())
        self._directory = directory.absolute()
        self._report = report

    def up(self, *, workers: int | None, watchers: int | None, receivers: int | None) -> None:
        """Start what is missing and return when all is ready. None keeps the number of a running environment, or is 1.

        A new environment that fails or is interrupted leaves nothing running; one that ran before stays.
        """
        find_all((*PROGRAMS, *ON_POSTGRES) if runs_on_postgres() else PROGRAMS, report=self._report)
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._locked():
            ran = self._supervisor() is not None
            before = self._files.read_request() if ran else None
            request = Request(
                number=time.time_ns(),
                workers=_chosen(workers, before.workers if before else 1),
                watchers=_chosen(watchers, before.watchers if before else 1),
                receivers=_chosen(receivers, before.receivers if before else 1),
            )
            try:
                self._ask(request)
            except BaseException:
                if not ran:
                    self._stop()
                raise

    def down(self) -> list[str]:
        """Stop everything; return the names of what had to be swept up because no supervisor did."""
        if not self._directory.exists():
            return []
        return self._stop()

    def status(self) -> dict[str, int]:
        """Return name -> pid of what runs; empty when the environment is down."""
        entries = ledger.Ledger(self._directory).read()
        return {entry.name: entry.pid for entry in entries if ledger.alive(entry)}

    def shell_file(self) -> Path:
        """Return the file to source."""
        return self._files.shell

    def _ask(self, request: Request) -> None:
        supervisor = self._supervisor()
        seen = 0
        if supervisor:
            seen = self._files.log.stat().st_size
            self._files.write_request(request)
            os.kill(supervisor.pid, signal.SIGHUP)
        else:
            self._clear()
            self._files.write_request(request)
            self._launch()
        self._follow(request, seen)

    def _follow(self, request: Request, seen: int) -> None:
        """Show the supervisor's progress until it answers this request."""
        while True:
            # Looked at before the answer: a supervisor that answers and ends must not be taken for a silent one.
            living = self._supervisor() is not None
            answer = self._files.read_answer()
            seen = self._show(seen)
            if answer and answer.number == request.number:
                if answer.failure:
                    raise LocalEnvironmentError(answer.failure)
                return
            if not living:
                raise LocalEnvironmentError(f"the supervisor ended; see {self._files.log}")
            time.sleep(POLL_SECONDS)

    def _show(self, seen: int) -> int:
        with self._files.log.open("rb") as log:
            log.seek(seen)
            text = log.read()
        complete = text[: text.rfind(b"\n") + 1]
        for line in complete.decode(errors="replace").splitlines():
            self._report(line)
        return seen + len(complete)

    def _launch(self) -> None:
        self._files.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "deploy.local.environment.supervisor", str(self._directory)]
        with deferred_signals(), self._files.log.open("ab") as log:
            # A session of its own: it outlives this command and the shell's end.
            started = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            self._files.write_supervisor(started.pid)
        # The supervisor is meant to outlive this object; this keeps the interpreter from warning about it.
        started.returncode = 0

    def _stop(self) -> list[str]:
        supervisor = self._supervisor()
        if supervisor:
            os.kill(supervisor.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while ledger.alive(supervisor) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            ledger.signal_group(supervisor.pid, signal.SIGKILL)
        swept = ledger.take_over(self._directory, grace_seconds=SWEEP_SECONDS)
        self._files.shell.unlink(missing_ok=True)
        return swept

    def _supervisor(self) -> ledger.Entry | None:
        entry = self._files.read_supervisor()
        return entry if entry and ledger.alive(entry) else None

    def _clear(self) -> None:
        ledger.take_over(self._directory, grace_seconds=SWEEP_SECONDS)
        for name in STATE:
            shutil.rmtree(self._directory / name, ignore_errors=True)
        for pattern in STATE_FILES:
            for path in self._directory.glob(pattern):
                path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._report("another `up` is at work here; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _chosen(asked: int | None, otherwise: int) -> int:
    return otherwise if asked is None else asked
