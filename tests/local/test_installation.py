"""The virtual environment holds what the locks declare, on the day they were written and later."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local.environment import installation
from deploy.local.environment.failures import LocalEnvironmentError

OFFLINE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null"}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No index answers, and no directory of wheels helps."""
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)


class Recorded:
    """A machine on which every program that would change something is only noted."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, *, identity: str) -> None:
        self.directory = directory
        self.identity = identity
        self.created = 0
        self.pip: list[tuple[str, ...]] = []
        self.failing = ""
        monkeypatch.setattr(installation, "identity_of", lambda _python: self.identity)
        monkeypatch.setattr(installation, "_create", self._create)
        monkeypatch.setattr(installation, "_remove_unlocked", lambda _python, _lock: None)
        monkeypatch.setattr(installation, "pip", self._pip)

    def _create(self, directory: Path) -> None:
        self.created += 1
        directory.mkdir(exist_ok=True)
        for path in directory.iterdir():
            path.unlink()
        (directory / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
        self.identity = "(3, 11, 7) cpython-311 /usr /tree/.venv"

    def _pip(self, _python: Path, *arguments: str) -> None:
        if self.failing and self.failing in arguments:
            raise LocalEnvironmentError("no network")
        self.pip.append(arguments)

    def install(self, **options: Any) -> tuple[int, int]:
        """Install; return how many environments were created, and how many commands pip was given."""
        self.created, self.pip = 0, []
        installation.install(self.directory, **options)
        return self.created, len(self.pip)


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    lock, project = tmp_path / "lock.txt", tmp_path / "pyproject.toml"
    lock.write_text("one==1\n")
    project.write_text("[project]\n")
    monkeypatch.setattr(installation, "LOCK", lock)
    monkeypatch.setattr(installation, "ROOT", tmp_path)
    return Recorded(tmp_path / "venv", monkeypatch, identity="")


def test_an_environment_that_holds_what_the_locks_declare_is_left_alone(recorded: Recorded) -> None:
    created, commands = recorded.install()
    assert created == 1
    assert commands == len(["lock", "project", "check"])
    assert recorded.install() == (0, 0)


@pytest.mark.parametrize("file", ["lock.txt", "pyproject.toml"])
def test_a_changed_file_installs_again_into_the_same_environment(recorded: Recorded, tmp_path: Path, file: str) -> None:
    recorded.install()
    (tmp_path / file).write_text("changed")
    created, commands = recorded.install()
    assert (created, commands > 0) == (0, True)
    assert recorded.install() == (0, 0)


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param("", id="the interpreter is gone"),
        pytest.param("(3, 12, 1) cpython-312 /usr /tree/.venv", id="the interpreter was replaced by a later release"),
        pytest.param("(3, 11, 7) cpython-311 /opt /tree/.venv", id="the interpreter is another one"),
        pytest.param("(3, 11, 7) cpython-311 /usr /moved/.venv", id="the tree was moved"),
    ],
)
def test_an_environment_of_another_interpreter_is_built_again(recorded: Recorded, identity: str) -> None:
    recorded.install()
    recorded.identity = identity
    assert recorded.install()[0] == 1
    assert recorded.install() == (0, 0)


def test_a_named_python_of_another_release_rebuilds_and_an_unnamed_one_does_not(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.install()
    monkeypatch.setattr(sys, "version_info", (3, 13, 0, "final", 0))
    assert recorded.install() == (0, 0)
    assert recorded.install(this_python=True)[0] == 1


def test_an_interrupted_installation_is_continued_even_when_the_lock_is_changed_back(
    recorded: Recorded, tmp_path: Path
) -> None:
    recorded.install()
    before = (tmp_path / "lock.txt").read_text()
    (tmp_path / "lock.txt").write_text("one==2\n")
    recorded.failing = "--editable"
    with pytest.raises(LocalEnvironmentError):
        recorded.install()
    recorded.failing = ""
    (tmp_path / "lock.txt").write_text(before)
    created, commands = recorded.install()
    assert (created, commands > 0) == (0, True)


def test_the_oldest_pip_comes_first_and_only_for_the_python_that_ships_it(recorded: Recorded) -> None:
    recorded.install(oldest_pip=True)
    assert str(installation.OLDEST_PIP) in recorded.pip[0]
    recorded.identity = "(3, 12, 1) cpython-312 /usr /tree/.venv"
    (recorded.directory / "pyvenv.cfg").write_text("version = 3.12.1\n")
    (recorded.directory / installation.STAMP).write_text(json.dumps({"interpreter": recorded.identity}))
    assert recorded.install(oldest_pip=True)[0] == 0
    assert not [command for command in recorded.pip if str(installation.OLDEST_PIP) in command]


def test_nothing_is_resolved_and_nothing_is_built_that_no_lock_names(recorded: Recorded) -> None:
    recorded.install()
    locked = next(command for command in recorded.pip if "-r" in command)
    assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(locked)
    editable = next(command for command in recorded.pip if "--editable" in command)
    assert {"--no-deps", "--no-build-isolation"} <= set(editable)
    assert recorded.pip[-1] == ("check",)


def test_an_environment_of_another_lock_holds_that_alone(recorded: Recorded, tmp_path: Path) -> None:
    docs = tmp_path / "docs.txt"
    docs.write_text("mkdocs==1.6.1\n")
    assert recorded.install(lock=docs) == (1, len(["lock", "check"]))
    assert any(str(docs) in command for command in recorded.pip)
    assert recorded.install(lock=docs) == (0, 0)


@pytest.mark.usefixtures("offline")
def test_an_absent_network_is_one_line_that_names_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"no-such-distribution==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(LocalEnvironmentError) as raised:
        installation.pip(
            Path(sys.executable), "download", "--no-deps", "--require-hashes", "--dest", str(tmp_path), "-r", str(lock)
        )
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith("`no-such-distribution==1.0` could not be fetched")
    assert "PIP_INDEX_URL" in message
    assert "PIP_FIND_LINKS" in message


@pytest.mark.usefixtures("offline")
def test_a_file_with_another_hash_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "one-1.0-py3-none-any.whl").write_bytes(b"other content")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"one==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(LocalEnvironmentError, match=r"^one==1\.0.* is not the file that the lock names") as raised:
        installation.pip(
            Path(sys.executable), "install", "--no-deps", "--require-hashes", "--target", str(tmp_path), "-r", str(lock)
        )
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("offline")
def test_a_lock_that_is_installed_already_asks_no_network(tmp_path: Path) -> None:
    pins = [line for line in installation.LOCK.read_text().splitlines() if line.startswith(("rich==", "click=="))]
    assert len(pins) == 2
    lock = tmp_path / "lock.txt"
    lock.write_text("".join(f"{pin.rstrip(chr(92) + ' ')} --hash=sha256:{'0' * 64}\n" for pin in pins))
    installation.pip(Path(sys.executable), "install", "--no-deps", "--require-hashes", "-r", str(lock))


def test_it_runs_on_a_bare_interpreter() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(installation.ROOT)!r}); import deploy.local.environment.installation",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
