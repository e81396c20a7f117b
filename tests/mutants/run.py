"""`python -m tests.mutants.run`: which changed conditions of workflow rules no test notices.

Each mutant is played in a process of its own, forked from one that has loaded the libraries, against the tests that
need no server. Every survivor must stand in `survivors.toml` with a reason; one that is noticed by now must not.
"""

import importlib
import importlib.abc
import importlib.machinery
import io
import os
import signal
import sys
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutants.mutate import Mutant, mutants

ROOT = Path(__file__).parents[2]
SURVIVORS = Path(__file__).with_name("survivors.toml")
# A mutant may loop; the tests of one module take a few seconds.
TIMEOUT_SECONDS = 60
# Far from what a process that dies of something else ends with.
NOTICED, SURVIVED, BROKEN = 70, 71, 72
SERVERS = frozenset({"temporal_server", "kubernetes_api", "sandbox", "local"})


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A module of pure rules, and the tests that must notice a change of its conditions."""

    path: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """Its name for an import."""
        return self.path.removesuffix(".py").replace("/", ".")

    def mutants(self) -> list[Mutant]:
        """Return all its mutants."""
        return list(mutants((ROOT / self.path).read_text()))


def _rules(path: str, *tests: str) -> Rules:
    folder = path.removesuffix(".py").rpartition("/")[0]
    return Rules(path=f"workflows/{path}", tests=tuple(f"tests/workflows/{folder}/{test}" for test in tests))


RULES = (
    _rules("promotion/aggregate.py", "test_aggregate.py"),
    _rules("promotion/commands.py", "test_commands.py"),
    _rules("promotion/comparing.py", "test_comparing.py"),
    _rules("promotion/rounds.py", "test_rounds.py"),
    _rules("promotion/presentation.py", "test_presentation.py"),
    _rules("environment/lane.py", "test_lane.py"),
    _rules("environment/members.py", "test_members.py"),
    _rules("environment/observation.py", "test_observation.py"),
    _rules("connection/pacing.py", "test_pacing.py"),
)


def survivors() -> Mapping[str, Mapping[str, str]]:
    """Return the survivors that are known, with the reason of each, by path."""
    known: Mapping[str, Mapping[str, str]] = tomllib.loads(SURVIVORS.read_text())
    return known


class _Only:
    """A plugin that leaves out what needs a server."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not SERVERS & set(getattr(item, "fixturenames", ()))]


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Load one module from a source of ours."""

    def __init__(self, rules: Rules, source: str) -> None:
        self._rules = rules
        self._code = compile(source, str(ROOT / rules.path), "exec")

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """Find only that module."""
        if fullname != self._rules.module:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(ROOT / self._rules.path))

    def exec_module(self, module: ModuleType) -> None:
        """Run the source."""
        exec(self._code, module.__dict__)  # noqa: S102 -- our own module, changed by us


def play(rules: Rules, source: str) -> int:
    """Return whether the tests notice: NOTICED, SURVIVED, or BROKEN where nothing was tested."""
    child = os.fork()
    if child == 0:
        outcome = BROKEN
        try:
            outcome = _play(rules, source)
        finally:
            os._exit(outcome)
    _, status = os.waitpid(child, 0)
    outcome = os.waitstatus_to_exitcode(status)
    # One that loops is killed by its alarm, and would be noticed by whoever waits for it.
    return NOTICED if outcome == -signal.SIGALRM else outcome if outcome in (NOTICED, SURVIVED) else BROKEN


def _play(rules: Rules, source: str) -> int:
    signal.alarm(TIMEOUT_SECONDS)
    sys.meta_path.insert(0, _Loader(rules, source))
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    # The libraries were loaded before pytest could look at them.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        code = pytest.main([*options, *rules.tests], plugins=[_Only()])
    if code == pytest.ExitCode.OK:
        return SURVIVED
    return NOTICED if code in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED) else BROKEN


def main(wanted: Sequence[str]) -> int:
    """Play all mutants, or those of the paths that contain a wanted word; 0 where all survivors are known."""
    known = survivors()
    wrong: list[str] = []
    for rules in RULES:
        if wanted and not any(word in rules.path for word in wanted):
            continue
        if play(rules, (ROOT / rules.path).read_text()) != SURVIVED:
            wrong.append(f"{rules.path}: its tests fail without any change")
            continue
        played = {mutant.name: play(rules, mutant.source) for mutant in rules.mutants()}
        alive = [name for name, outcome in played.items() if outcome == SURVIVED]
        reasons = known.get(rules.path, {})
        print(f"{rules.path}: {len(played)} mutants, {len(alive)} survive", flush=True)
        wrong += [f'{rules.path}: no test notices "{name}"' for name in alive if name not in reasons]
        wrong += [f'{rules.path}: is noticed by now: "{name}"' for name in reasons if name not in alive]
        wrong += [f"{rules.path}: cannot be tested: {name}" for name, outcome in played.items() if outcome == BROKEN]
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    for library in ("pydantic", "temporalio.worker", "hypothesis"):
        # Loaded once: a fork has them for nothing.
        importlib.import_module(library)
    sys.exit(main(sys.argv[1:]))
