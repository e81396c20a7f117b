"""The reference of the command line, held against the parser."""

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from worker.cli.exits import ExitCode
from worker.cli.main import app

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md").read_text()
CODE = re.compile(r"`pilotage ([^`]+)`")
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]+|-[a-zA-Z])(?![\w-])")
ROOT = typer.main.get_command(app)


def commands() -> dict[str, set[str]]:
    """Return the options of each command that the help lists, by its name; groups by the names of their commands."""
    assert isinstance(ROOT, TyperGroup)
    found: dict[str, set[str]] = {}
    for name, command in ROOT.commands.items():
        inner = command.commands if isinstance(command, TyperGroup) else {"": command}
        for below, one in inner.items():
            if not command.hidden:
                found[f"{name} {below}".strip()] = {option for given in one.params for option in given.opts}
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_each_command_is_in_the_reference(name: str) -> None:
    assert any(text == name or text.startswith(f"{name} ") for text in CODE.findall(PAGE))


def test_the_reference_names_no_command_and_no_option_that_is_not_there() -> None:
    known, everywhere = commands(), {"--help", "-h", "--version", "-n", "--namespace", "--kubeconfig", "--context"}
    assert isinstance(ROOT, TyperGroup)
    wrong = []
    for written in CODE.findall(PAGE):
        # What it is piped into is another program's.
        text = written.partition(" | ")[0]
        parts = text.split()
        if parts[0] == "COMMAND" or parts[0].startswith("-"):
            continue
        name = next((one for one in (" ".join(parts[:2]), parts[0]) if one in known), "")
        if not name:
            wrong.append(text)
        wrong += [f"{name} {one}" for one in OPTION.findall(text) if one not in known.get(name, set()) | everywhere]
    assert wrong == []


def test_each_exit_code_is_in_the_reference() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGE.partition("## Exit codes")[2], re.MULTILINE)
    assert [int(row) for row in rows] == [code.value for code in ExitCode]
