"""`pilotage --help`, `crds`, `worker`, and `watcher` without a cluster."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import Result

from crds.schema.admission import admission_documents
from crds.v1alpha1.kinds import KINDS

Run = Callable[..., Result]
ROOT = Path(__file__).resolve().parents[2]


def test_help_lists_every_command(run: Run) -> None:
    result = run("--help")

    looking = ["get", "show", "why", "watch", "envs", "where", "drift", "open"]
    commanding = ["retest", "retry", "promote", "abort", "refresh", "restart", "hold", "release"]
    starting = ["init", "track", "sync"]
    processes = ["worker", "watcher", "receiver", "release-finalizers", "validate", "crds"]
    operating = ["history", "export", "doctor", "setup", "upgrade-waiting", "codec-server"]
    commands = [*looking, *commanding, *starting, *operating, *processes, "completion", "version", "help", "flux"]
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.partition("Commands:")[2].split("\n") if line] == commands


def test_help_loads_no_client_and_no_models() -> None:
    heavy = ("kubernetes", "temporalio", "pydantic", "aiohttp", "httpx", "rich.table")
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from worker.cli.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_crds_prints_every_definition_and_admission_policy(run: Run) -> None:
    documents = list(YAML(typ="safe").load_all(run("crds").stdout))

    names = [document["metadata"]["name"] for document in documents if document["kind"] == "CustomResourceDefinition"]
    assert sorted(names) == sorted(model.definition.crd_name for model in KINDS)
    assert documents[len(KINDS) :] == list(admission_documents())


def test_check_and_write_exclude_each_other(run: Run) -> None:
    assert run("crds", "--check", "--write").exit_code == 2


@pytest.mark.parametrize("command", ["worker", "watcher", "receiver"])
def test_a_process_without_settings_names_the_variable_and_exits_2(
    run: Run, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PILOTAGE_INSTALLATION", raising=False)

    result = run(command)

    assert result.exit_code == 2
    assert "PILOTAGE_INSTALLATION: required" in result.stderr


@pytest.mark.parametrize("queues", ["scm,nope", ","])
def test_a_worker_refuses_queues_that_do_not_exist(run: Run, queues: str) -> None:
    result = run("worker", "--queues", queues)

    assert result.exit_code == 2
    assert "--queues" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["show"], ["get", "-o", "xml"], ["promote", "x", "--timeout", "0"]]
)
def test_wrong_usage_exits_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").stdout.startswith("pilotage")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_each_shell_asks_this_program(run: Run, shell: str) -> None:
    result = run("completion", shell)

    assert (result.exit_code, "_PILOTAGE_COMPLETE" in result.stdout) == (0, True)


def test_help_describes_a_command_as_its_own_option_does(run: Run) -> None:
    described = run("help", "flux", "explain")

    assert described.exit_code == 0
    assert "--compat" in described.stdout
    assert run("help", "nonsense").exit_code == 2


def test_get_loads_no_model_and_none_of_the_large_clients(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    cluster = {"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "a", "context": {"cluster": "a"}}
    kubeconfig.write_text(json.dumps({"clusters": [cluster], "contexts": [context], "current-context": "a"}))
    heavy = ("kubernetes", "temporalio", "aiohttp", "httpx", "rich.table", "crds.resource", "ruamel.yaml")
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from worker.cli.main import app\n"
        f"assert CliRunner().invoke(app, ['get', '--kubeconfig', {str(kubeconfig)!r}]).exit_code == 5\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
