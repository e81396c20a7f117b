import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.environment import ledger
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.ledger import Entry, Ledger, alive, start_mark, sweep
from deploy.local.environment.ports import KeptPorts, free_port
from deploy.local.environment.processes import Processes, ProcessSpec
from deploy.local.environment.signals import deferred_signals

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
print(child.pid, flush=True)
time.sleep(99)
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path, lambda _line: None)
    yield started
    started.stop_all()


def python(name: str, code: str, log: Path) -> ProcessSpec:
    """A process that counts as ready once it printed something."""
    return ProcessSpec(
        name=name,
        command=[sys.executable, "-c", code],
        environment=dict(os.environ),
        ready=lambda: log.exists() and log.stat().st_size > 0,
        ready_timeout_seconds=20.0,
        grace_seconds=0.5,
    )


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(processes: Processes) -> None:
    processes.spawn(python("stubborn-1", STUBBORN, processes.log("stubborn-1")))
    processes.await_ready("stubborn-1")
    pid = processes.pid("stubborn-1")
    started = time.monotonic()
    processes.stop("stubborn-1")
    assert time.monotonic() - started >= 0.5
    assert start_mark(pid) is None


@pytest.mark.parametrize("end", ["kill", "stop", "stop_all"])
def test_what_a_process_started_ends_with_it(processes: Processes, end: str) -> None:
    processes.spawn(python("parent-1", PARENT, processes.log("parent-1")))
    processes.await_ready("parent-1")
    grandchild = int(processes.log("parent-1").read_text())
    assert start_mark(grandchild) is not None
    getattr(processes, end)(*(["parent-1"] if end != "stop_all" else []))
    deadline = time.monotonic() + 5
    while start_mark(grandchild) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert start_mark(grandchild) is None


def test_a_process_killed_from_outside_loses_its_pid_file(processes: Processes, tmp_path: Path) -> None:
    processes.spawn(python("stubborn-1", STUBBORN, processes.log("stubborn-1")))
    os.kill(processes.pid("stubborn-1"), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while not (ended := processes.reap()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended == {"stubborn-1": -signal.SIGKILL}
    assert not (tmp_path / "pids" / "stubborn-1.pid").exists()


def test_one_that_exits_while_it_starts_is_reported_with_its_last_output(processes: Processes) -> None:
    spec = python("broken-1", "raise SystemExit('no such flag')", Path("never"))
    processes.spawn(spec)
    with pytest.raises(LocalEnvironmentError, match=r"broken-1 ended while it started\n.*\n  no such flag"):
        processes.await_ready("broken-1")


def test_a_sweep_spares_a_process_that_got_the_same_pid_later(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"], start_new_session=True) as stranger:
        Ledger(tmp_path).write([Entry(name="worker-1", pid=stranger.pid, mark="an earlier start")])
        assert sweep(tmp_path, grace_seconds=1) == []
        assert stranger.poll() is None
        mark = start_mark(stranger.pid)
        assert mark is not None
        entry = Entry(name="worker-1", pid=stranger.pid, mark=mark)
        Ledger(tmp_path).write([entry])
        assert sweep(tmp_path, grace_seconds=5) == ["worker-1"]
        assert not alive(entry)


def test_an_interruption_waits_until_a_new_process_is_recorded() -> None:
    steps: list[str] = []
    previous = signal.signal(signal.SIGTERM, lambda _number, _frame: steps.append("interrupted"))
    try:
        with deferred_signals():
            signal.raise_signal(signal.SIGTERM)
            steps.append("recorded")
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert steps == ["recorded", "interrupted"]


def test_ports_are_never_handed_out_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)


def test_kept_ports_are_those_of_the_time_before_unless_somebody_has_taken_one(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    before = {name: KeptPorts(file).take(name) for name in ("api", "ui")}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", before["ui"]))
        taken.listen()
        again = KeptPorts(file)
        assert (again.take("api"), again.take("ui") == before["ui"]) == (before["api"], False)


def test_a_directory_has_one_owner_at_a_time(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "GUARDIAN_SECONDS", 0.2)
    processes.spawn(python("stubborn-1", STUBBORN, processes.log("stubborn-1")))
    pid = processes.pid("stubborn-1")
    with pytest.raises(LocalEnvironmentError, match=rf"in use by process {os.getpid()}$"):
        Processes(tmp_path, print).spawn(python("second-1", STUBBORN, processes.log("second-1")))
    assert processes.pid("stubborn-1") == pid
