"""The page of the installation leads from a clone to a checked installation, by commands that there are."""

import re
import shlex
import tomllib
from collections.abc import Iterator

import pytest
import typer.main

from deploy.local.environment.processes import ROOT
from worker.cli.main import app

PAGE = (ROOT / "docs" / "operate" / "install.md").read_text()
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> Iterator[list[str]]:
    """Yield the command lines of the page, in its order."""
    for block in BLOCK.findall(PAGE):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line)


def test_each_step_of_an_installation_is_there_in_its_order() -> None:
    lines = [" ".join(one) for one in commands()]
    steps = ("docker build", "deploy/image/install.sh", "pilotage setup", "helm install", "pilotage doctor")
    found = [next(index for index, line in enumerate(lines) if line.startswith(step)) for step in steps]
    assert found == sorted(found)


@pytest.mark.parametrize("line", [one for one in commands() if one[0] == "pilotage"], ids=" ".join)
def test_a_command_of_the_page_takes_its_options(line: list[str]) -> None:
    group = typer.main.get_command(app)
    name, *arguments = line[1:]
    with group.make_context("pilotage", [name]) as context:
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        assert command is not None
        command.make_context(name, arguments, parent=context).close()


def test_what_the_page_links_is_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    [linked] = re.findall(r"bin/\{([^}]*)\}", PAGE)
    assert linked.split(",") == list(scripts)
