"""Processes are started by the same names and options where the packages of the command line are missing."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from worker import launching
from worker.cli.main import app

ROOT = Path(__file__).parents[2]
# What only the extra `cli` brings.
ABSENT = """
import sys, importlib.abc
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"typer", "rich", "celpy", "click", "lark", "pendulum", "jmespath", "pygments"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
"""


def by_the_standard_library() -> dict[str, dict[str, str | None]]:
    [processes] = [one for one in launching._parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return {
        name: {option: one.help for one in parser._actions for option in one.option_strings if one.dest != "help"}
        for name, parser in processes.choices.items()
    }


def by_typer() -> dict[str, dict[str, str | None]]:
    commands: Any = typer.main.get_command(app)
    return {
        name: {option: one.help for one in commands.commands[name].params for option in one.opts}
        for name in by_the_standard_library()
    }


def test_both_parsers_know_the_same_options_with_the_same_meaning() -> None:
    assert by_the_standard_library() == by_typer()


@pytest.mark.parametrize("module", ["worker.serving.process", "worker.watcher.process", "worker.receiver.process"])
def test_a_process_loads_without_the_packages_of_the_command_line(module: str) -> None:
    code = f"{ABSENT}\nimport {module}\nfrom worker.flux.evaluation import Expressions\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["get"], "invalid choice: 'get'"),
        (["worker", "--queues", "scm,nope"], "`nope` is no queue"),
        (["watcher", "--namespaces", "Bad Name!"], "PILOTAGE_NAMESPACES: "),
    ],
)
def test_what_is_wrong_ends_the_start_with_2_and_is_named(
    arguments: list[str], shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_INSTALLATION", "test")
    with pytest.raises(SystemExit) as left:
        launching.launch(arguments)
    assert (left.value.code, shown in capsys.readouterr().err) == (2, True)


def test_what_a_process_has_loaded_is_left_out_of_its_collections() -> None:
    script = """
import gc
import worker.serving.process
from worker import launching

async def work():
    print(gc.get_threshold() == launching.PROCESS_THRESHOLDS, gc.get_freeze_count() > 100_000)

gc.set_threshold(launching.COLLECT_AFTER)
launching._run_to_the_end(work())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"], done.stderr
