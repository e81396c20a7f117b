"""Where an answer goes: a disk that is full, a reader that has gone, a locale without UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.environment.processes import ROOT


def pilotage(*arguments: str, stdin: str = "", stdout: int = subprocess.PIPE, **variables: str) -> tuple[int, str, str]:
    """Run the program by itself; return its exit code, and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        input=stdin.encode(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    return done.returncode, (done.stdout or b"").decode("latin-1"), done.stderr.decode("latin-1")


def test_a_disk_that_is_full_is_named_without_a_traceback() -> None:
    with Path("/dev/full").open("wb") as full:
        code, _, error = pilotage("crds", stdout=full.fileno())
    assert (code, error) == (1, "error: the answer cannot be written: No space left on device\n")


def test_a_reader_that_has_gone_is_no_error_to_read_of() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code, _, error = pilotage("crds", stdout=writing)
    os.close(writing)
    assert (code, error) == (1, "")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_locale_without_utf_8_gets_what_it_cannot_show_as_an_escape(encoding: str) -> None:
    wrong = "apiVersion: pilotage.dev/v1alpha1\nkind: Schön✗\nmetadata: {name: x}\n"
    code, out, _ = pilotage("validate", "-", stdin=wrong, PYTHONIOENCODING=encoding)
    assert code == 1
    assert ("Schön\\u2717" if encoding == "latin-1" else "Sch\\xf6n\\u2717") in out
