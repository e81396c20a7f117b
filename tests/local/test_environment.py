import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.environment.binaries import find
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.ledger import Ledger, alive
from deploy.local.environment.processes import ROOT
from deploy.local.environment.resources import kubectl

PATIENCE_SECONDS = 20.0
OWNER = """
import signal, sys, time
from pathlib import Path
from deploy.local.environment.assembly import LocalEnvironment
# A process that is started in the background by a shell without job control inherits that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
environment = LocalEnvironment(Path(sys.argv[1]))
environment.start("temporal", "kubernetes")
print("started", flush=True)
time.sleep(600)
"""


def quiet(_line: str) -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEnvironment]:
    with LocalEnvironment(tmp_path_factory.mktemp("environment")) as started:
        started.start("temporal", "kubernetes")
        yield started


def test_each_process_has_a_pid_file_and_a_log(environment: LocalEnvironment) -> None:
    names = ["etcd-1", "kube-apiserver-1", "temporal-1"]
    assert sorted(environment.names()) == names
    for name in names:
        assert (environment.directory / "pids" / f"{name}.pid").read_text() == f"{environment.pid(name)}\n"
        assert (environment.directory / "logs" / f"{name}.log").exists()


def test_a_killed_api_server_comes_back_with_its_data(environment: LocalEnvironment) -> None:
    kubectl(environment.kubeconfig, "create", "configmap", "kept", "--from-literal=a=b", report=quiet)
    killed = environment.kill("kube-apiserver")
    assert not environment.running("kube-apiserver")
    environment.restart("kube-apiserver")
    assert environment.pid("kube-apiserver") != killed
    kept = kubectl(environment.kubeconfig, "get", "configmap", "kept", "-o=jsonpath={.data.a}", report=quiet)
    assert kept == "b"


def test_the_users_are_who_their_files_name_and_start_without_rights(environment: LocalEnvironment) -> None:
    alice = environment.kubernetes.kubeconfig_for("alice")
    assert "shop-developers" in kubectl(alice, "auth", "whoami", report=quiet)
    with pytest.raises(LocalEnvironmentError, match=r"\bforbidden\b"):
        kubectl(environment.kubernetes.kubeconfig_for("bob"), "get", "secrets", report=quiet)


def test_a_killed_temporal_server_keeps_its_workflows(environment: LocalEnvironment) -> None:
    _temporal(environment, "workflow", "start", "--type=Any", "--task-queue=none", "--workflow-id=kept")
    environment.kill("temporal")
    environment.restart("temporal")
    assert "kept" in _temporal(environment, "workflow", "describe", "--workflow-id=kept")


def test_stop_leaves_no_process(tmp_path: Path) -> None:
    with LocalEnvironment(tmp_path) as environment:
        environment.start("temporal", "kubernetes")
        entries = Ledger(tmp_path).read()
        assert len(entries) == 3
    assert not any(alive(entry) for entry in entries)
    assert list((tmp_path / "pids").iterdir()) == []


def test_a_start_that_fails_stops_what_it_started_and_shows_the_log(tmp_path: Path) -> None:
    environment = LocalEnvironment(tmp_path)
    (tmp_path / "etcd").write_text("a file where etcd wants a directory")
    with pytest.raises(LocalEnvironmentError, match=r"etcd-1 ended while it started[^$]*logs/etcd-1\.log"):
        environment.start("kubernetes", "temporal")
    assert environment.names() == []
    assert Ledger(tmp_path).read() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_an_owner_that_dies(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        entries = Ledger(tmp_path).read()
        assert len(entries) == 3
        os.kill(owner.pid, number)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(alive(entry) for entry in entries) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [entry.name for entry in entries if alive(entry)] == []


def _temporal(environment: LocalEnvironment, *arguments: str) -> str:
    command = [str(find("temporal")), *arguments, "--address", environment.temporal_address]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
