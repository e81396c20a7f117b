"""A command without a usable kubeconfig names the one it looked for, and how to name another."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
users: [{name: none, user: {token: x}}]
"""


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "PILOTAGE_KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_no_kubeconfig_at_all_is_wrong_usage_and_names_the_place_and_the_option(run: Run, tmp_path: Path) -> None:
    result = run("get")
    assert result.exit_code == 2
    assert f"there is no kubeconfig at {tmp_path}/.kube/config" in result.stderr
    assert "--kubeconfig or KUBECONFIG" in result.stderr


def test_a_kubeconfig_that_is_not_there_is_wrong_usage(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = str(tmp_path / "missing")
    monkeypatch.setenv("KUBECONFIG", missing)
    for arguments in (["get"], ["--kubeconfig", missing, "get"]):
        result = run(*arguments)
        assert (result.exit_code, f"there is no kubeconfig at {missing}" in result.stderr) == (2, True)


def test_a_context_that_the_kubeconfig_does_not_have_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    result = run("--kubeconfig", str(path), "--context", "nope", "get")
    assert (result.exit_code, "nope" in result.stderr, "--context" in result.stderr) == (2, True, True)


def test_a_cluster_that_does_not_answer_is_not_reachable(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    assert run("--kubeconfig", str(path), "get").exit_code == 5
