"""Each command block of docs/getting-started.md runs, in its order, and does what the page states."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.environment.assembly import PIECES, LocalEnvironment
from deploy.local.environment.processes import ROOT
from deploy.local.environment.shell import write_shell_file
from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.shop import COMMAND_SECONDS

PAGE = ROOT / "docs" / "getting-started.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"^make (up|down)\b.*$", re.MULTILINE)


@pytest.fixture
def clone(local: LocalEnvironment, tmp_path: Path) -> Iterator[Path]:
    """A clone whose environment is the session's."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / ".local").symlink_to(local.directory)
    yield tmp_path
    local.start(*PIECES, workers=2, watchers=1)


class Reader:
    """Runs what the page shows, each block in a shell of its own, as the shell that read `.local/env`."""

    def __init__(self, clone: Path, environment: LocalEnvironment) -> None:
        self._clone = clone
        self._environment = environment

    def run(self, block: str) -> str:
        """Return what the block printed. A block that fails fails the test."""
        for line in MAKE.finditer(block):
            self._make(line[0])
        # Made where the virtual environment is: one that is found at another place is built again.
        make = f'make() {{ command make --no-print-directory -C {shlex.quote(str(ROOT))} "$@"; }}'
        script = f"set -euo pipefail\n{make}\n. .local/env\n{MAKE.sub('', block)}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._clone,
            env={"PATH": os.environ["PATH"], "HOME": str(self._clone)},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _make(self, line: str) -> None:
        """The session's environment stands for what `make` would start; that make knows the target is asked of it."""
        subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, capture_output=True, timeout=60, check=True)
        if line.startswith("make up"):
            self._environment.start(*PIECES, workers=2, watchers=1)
            write_shell_file(self._environment.directory / "env", self._environment)


def test_each_block_of_the_page_runs_in_its_order(clone: Path, local: LocalEnvironment) -> None:
    blocks = BLOCK.findall(PAGE.read_text())
    reader = Reader(clone, local)
    printed = {block: reader.run(block) for block in blocks}

    assert [MAKE.findall(block) for block in (blocks[0], blocks[-1])] == [["up"], ["down"]]
    shown = "\n".join(printed.values())
    for stated in (
        "unblock with: pilotage -n shop promote web-412",
        "staging -> prod: Promoted",
        "dev -> staging: Promoted",
        "looks good in staging",
        "PromotionWorkflow",
        "TestsFailed",
    ):
        assert stated in shown, stated
    assert printed[blocks[-2]].count(MERGE_SHA) >= 2
