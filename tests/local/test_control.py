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
from deploy.local.environment.supervisor import ControlFiles

SERVERS = ["etcd-1", "kube-apiserver-1", "sandbox-1", "temporal-1"]
PATIENCE_SECONDS = 30.0


def local(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.local", "--directory", str(directory), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def up(directory: Path) -> subprocess.CompletedProcess[str]:
    """The servers without our own processes: those have tests of their own."""
    return local(directory, "up", "--workers", "0", "--watchers", "0", "--receivers", "0")


def running(directory: Path) -> dict[str, int]:
    return {entry.name: entry.pid for entry in Ledger(directory).read() if alive(entry)}


def await_end(entries: list[Entry]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(alive(entry) for entry in entries) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [entry.name for entry in entries if alive(entry)] == []


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("up")
    started = up(path)
    assert started.returncode == 0, started.stderr
    yield path
    assert local(path, "down").returncode == 0


def test_up_returns_with_everything_running(directory: Path) -> None:
    assert sorted(running(directory)) == SERVERS
    assert local(directory, "status").returncode == 0


def test_the_shell_file_leads_to_the_environment(directory: Path) -> None:
    script = (
        f". {directory}/env; kubectl get crd pullrequesttrackers.pilotage.dev -o name; temporal operator cluster health"
    )
    shell = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=False)
    assert "pullrequesttrackers.pilotage.dev" in shell.stdout, shell.stderr
    assert "SERVING" in shell.stdout
    names = {line.split()[1].partition("=")[0] for line in (directory / "env").read_text().splitlines()}
    assert names >= {"KUBECONFIG", "TEMPORAL_ADDRESS", "TEMPORAL_UI_URL", "SANDBOX_URL", "WORKER_METRICS_URL"}


def test_up_again_starts_only_what_is_missing(directory: Path) -> None:
    before = running(directory)
    os.kill(before["kube-apiserver-1"], signal.SIGKILL)
    again = up(directory)
    assert again.returncode == 0, again.stderr
    after = running(directory)
    assert sorted(after) == SERVERS
    assert [name for name in SERVERS if before[name] != after[name]] == ["kube-apiserver-1"]


def test_an_interrupted_up_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.local", "--directory", str(tmp_path), "up", "--workers", "0"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as starting:
        assert starting.stderr is not None
        assert b"ready" in starting.stderr.readline()
        entries = Ledger(tmp_path).read()
        starting.send_signal(signal.SIGTERM)
    assert starting.returncode == 128 + signal.SIGTERM
    assert entries
    assert running(tmp_path) == {}
    assert local(tmp_path, "status").returncode == 3
    await_end(entries)


def test_down_after_a_lost_supervisor_leaves_nothing(tmp_path: Path) -> None:
    assert up(tmp_path).returncode == 0
    supervisor = ControlFiles(tmp_path).read_supervisor()
    assert supervisor is not None
    entries = [supervisor, *Ledger(tmp_path).read()]
    os.kill(supervisor.pid, signal.SIGKILL)
    assert local(tmp_path, "down").returncode == 0
    await_end(entries)
    assert not (tmp_path / "env").exists()
