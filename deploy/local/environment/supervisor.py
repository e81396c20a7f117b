"""The process behind `make up`: owns the environment, reaps what ends, and obeys three signals.

SIGTERM and SIGINT stop everything; SIGHUP reads the request again and starts what is missing. A piece that dies is
not restarted: people kill pieces here to see what happens.
"""

import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from deploy.local.environment.assembly import PIECES, LocalEnvironment
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.ledger import Entry, entry_of
from deploy.local.environment.shell import write_shell_file

REAP_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Request:
    """What `up` asks for; its answer has the same `number`."""

    number: int
    workers: int
    watchers: int
    receivers: int

    @property
    def wanted(self) -> dict[str, int]:
        """How many processes of each kind of ours are to run."""
        return {"worker": self.workers, "watcher": self.watchers, "receiver": self.receivers}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a request; `failure` is empty when all is ready."""

    number: int
    failure: str


@dataclass(frozen=True)
class ControlFiles:
    """The files through which `up` and `down` control the supervisor of one directory."""

    directory: Path

    @property
    def shell(self) -> Path:
        """The file to source."""
        return self.directory / "env"

    @property
    def log(self) -> Path:
        """The supervisor's progress."""
        return self.directory / "logs" / "supervisor.log"

    def read_request(self) -> Request | None:
        """Return the newest request."""
        text = _read(self.directory / "request.json")
        return Request(**json.loads(text)) if text else None

    def write_request(self, request: Request) -> None:
        """Replace the request."""
        _write(self.directory / "request.json", asdict(request))

    def read_answer(self) -> Answer | None:
        """Return the newest answer."""
        text = _read(self.directory / "answer.json")
        return Answer(**json.loads(text)) if text else None

    def write_answer(self, answer: Answer) -> None:
        """Replace the answer."""
        _write(self.directory / "answer.json", asdict(answer))

    def read_supervisor(self) -> Entry | None:
        """Return the supervisor that was started last; it may be gone."""
        text = _read(self.directory / "supervisor.json")
        return Entry(**json.loads(text)) if text else None

    def write_supervisor(self, pid: int) -> None:
        """Record the supervisor."""
        _write(self.directory / "supervisor.json", asdict(entry_of("supervisor", pid)))


class Supervisor:
    """Runs until a signal ends it."""

    def __init__(self, files: ControlFiles) -> None:
        self._files = files
        self._wanted = True
        self._environment = LocalEnvironment(
            files.directory, fsync=True, temporal_ui=True, default_ports=True, report=_report
        )

    def run(self) -> None:
        """Serve requests; whatever happens, nothing is left running."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._ask)
        try:
            while True:
                if self._wanted:
                    self._wanted = False
                    self._serve()
                for name, code in self._environment.reap().items():
                    _report(f"{name} ended ({f'signal {-code}' if code < 0 else f'exit code {code}'})")
                time.sleep(REAP_SECONDS)
        finally:
            self._environment.stop()
            self._files.shell.unlink(missing_ok=True)

    def _serve(self) -> None:
        request = self._files.read_request()
        if request is None:
            return
        failure = ""
        environment = self._environment
        environment.reap()
        try:
            for name in environment.names():
                process, _, number = name.rpartition("-")
                if int(number) > request.wanted.get(process, 1):
                    environment.terminate(name)
            environment.start(*PIECES, workers=request.workers, watchers=request.watchers, receivers=request.receivers)
            write_shell_file(self._files.shell, environment)
        except LocalEnvironmentError as error:
            failure = str(error)
        self._files.write_answer(Answer(number=request.number, failure=failure))
        if not environment.names():
            raise SystemExit(1)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        # Once is enough: a second signal must not interrupt the stopping.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise SystemExit(0)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._wanted = True


def _report(line: str) -> None:
    print(line, flush=True)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _write(path: Path, value: dict[str, object]) -> None:
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(value))
    partial.replace(path)


if __name__ == "__main__":
    Supervisor(ControlFiles(Path(sys.argv[1]))).run()
