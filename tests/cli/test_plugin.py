"""`kubectl pilotage`: kubectl finds the plugin by its name, and completes its lines by another program's."""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli import main as command_line
from worker.cli.plugin import COMPLETE_PLUGIN, PLUGIN

ROOT = Path(__file__).parents[2]
Press = Callable[..., list[str]]


@pytest.fixture
def press_tab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Press:
    """Complete the last argument as kubectl does: by a program of its own, with all arguments."""

    def press(*typed: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", [f"/usr/bin/{COMPLETE_PLUGIN}", *typed])
        for name in ("_PILOTAGE_COMPLETE", "COMP_WORDS", "COMP_CWORD"):
            monkeypatch.setenv(name, "")
        monkeypatch.setattr(command_line, "leave", sys.exit)
        with pytest.raises(SystemExit) as left:
            command_line.main()
        assert left.value.code == 0
        return capsys.readouterr().out.splitlines()

    return press


def test_kubectl_completes_commands_and_names_and_else_has_the_shell_complete_files(
    cluster: FakeCluster, press_tab: Press
) -> None:
    cluster.add("PullRequestTracker", "web-412", spec=tracker_spec(412))
    assert press_tab("pro") == ["promote", ":4"]
    assert press_tab("-n", "shop", "why", "") == ["web-412", ":4"]
    assert press_tab("why", "--reaso") == [":0"]
    assert press_tab("validate", "") == [":0"]


def test_both_programs_are_installed_under_the_names_that_kubectl_looks_for() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts[PLUGIN] == scripts[COMPLETE_PLUGIN] == scripts["pilotage"]
