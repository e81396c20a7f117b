"""`python -m tests.mutants.run`: which changed conditions of workflow rules no test notices.

Played are the modules that decide; what texts are chosen and what steps await is shown by stories on real servers.
The tests of one module that need no server are collected once; each mutant is played in a fork of that process, where
the functions get the changed code. Every survivor must stand in `survivors.toml` with a reason; one that is noticed by
now must not.
"""

import json
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.mutants.mutate import Mutant, mutants

ROOT = Path(__file__).parents[2]
SURVIVORS = Path(__file__).with_name("survivors.toml")
# A mutant may loop; the tests of one module take a few seconds.
TIMEOUT_SECONDS = 60
# Far from what a process that dies of something else ends with.
NOTICED, SURVIVED, BROKEN = 70, 71, 72
SERVERS = frozenset({"temporal_server", "kubernetes_api", "sandbox", "local"})
UNCHANGED = ""
LIMITS = "test_rules_at_their_limits.py"
OBSTACLE_LIMITS = "test_obstacle_rules_at_their_limits.py"
ROUND_LIMITS = "test_round_rules_at_their_limits.py"
PLACE_LIMITS = "test_place_rules_at_their_limits.py"
MEMBERSHIP_LIMITS = "test_membership_at_its_limits.py"
PRESENTING_LIMITS = "test_presenting_at_its_limits.py"


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
    folder = path.rpartition("/")[0]
    return Rules(path=f"workflows/{path}", tests=tuple(f"tests/workflows/{folder}/{test}" for test in tests))


# The models of tests/workflows/environment/test_model.py play the roster in thousands of stories: too slow to be played
# once per mutant.
RULES = (
    _rules("promotion/rules/aggregate.py", "test_aggregate.py", LIMITS),
    _rules("promotion/rules/commands.py", "test_commands.py", LIMITS),
    _rules("promotion/rules/comparison.py", "test_comparison.py", "test_working_sets.py", LIMITS),
    _rules("promotion/view/obstacles.py", "test_obstacles.py", OBSTACLE_LIMITS),
    _rules("promotion/rules/testing.py", "test_testing.py"),
    _rules("promotion/rules/waves.py", "test_waves.py", "test_boundaries.py"),
    _rules("promotion/rules/gates.py", "test_gates.py"),
    _rules("promotion/rules/rounds.py", "test_rounds.py", ROUND_LIMITS),
    _rules("promotion/view/pull_request.py", "test_pull_request.py", "test_mentions.py", "test_presented_texts.py"),
    _rules("promotion/membership.py", "test_membership.py", MEMBERSHIP_LIMITS),
    Rules(
        path="workflows/promotion/steps/writing.py",
        tests=(
            "tests/workflows/promotion/test_writing.py",
            "tests/workflows/promotion/test_git_writing.py",
            "tests/workflows/promotion/test_asked_to_wait.py",
        ),
    ),
    Rules(
        path="workflows/promotion/steps/presenting.py",
        tests=(
            "tests/workflows/promotion/test_presenting.py",
            f"tests/workflows/promotion/{PRESENTING_LIMITS}",
            "tests/workflows/promotion/test_asked_to_wait.py",
        ),
    ),
    _rules("environment/holds.py", "test_hold_rules_at_their_limits.py"),
    _rules("environment/lane.py", "test_lane.py", PLACE_LIMITS),
    _rules("environment/members.py", "test_roster_at_its_limits.py", "test_members.py"),
    _rules("environment/newest.py", PLACE_LIMITS),
    _rules("environment/ancestry.py", "test_lane.py", PLACE_LIMITS),
    Rules(
        path="workflows/runtime/ancestry.py",
        tests=(
            "tests/workflows/environment/test_lane.py",
            f"tests/workflows/environment/{PLACE_LIMITS}",
            "tests/workflows/environment/test_hold_rules_at_their_limits.py",
            "tests/workflows/promotion/rules/test_comparison.py",
            "tests/workflows/promotion/rules/test_working_sets.py",
        ),
    ),
    _rules("environment/observation.py", "test_observation.py", PLACE_LIMITS),
    _rules("credential_check/pacing.py", "test_pacing.py"),
)


def survivors() -> Mapping[str, Mapping[str, str]]:
    """Return the survivors that are known, with the reason of each, by path."""
    known: Mapping[str, Mapping[str, str]] = tomllib.loads(SURVIVORS.read_text())
    return known


@dataclass
class Player:
    """A pytest plugin that runs the collected tests once per mutant instead of once."""

    rules: Rules
    outcomes: dict[str, int] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what needs a server."""
        items[:] = [item for item in items if not SERVERS & set(getattr(item, "fixturenames", ()))]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Play the module as it is, then every mutant."""
        # Loaded by pytest's plugin: before that, pytest would warn.
        from hypothesis import Phase, settings

        # The example that fails is not read, so that looking for a short one would be time lost.
        settings.register_profile("mutants", deadline=None, database=None, phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutants")
        unchanged = Mutant(name=UNCHANGED, write=(ROOT / self.rules.path).read_text)
        for mutant in (unchanged, *self.rules.mutants()):
            self.outcomes[mutant.name] = in_a_fork(partial(self._play, session, mutant))
        return True

    def _play(self, session: pytest.Session, mutant: Mutant) -> int:
        signal.alarm(TIMEOUT_SECONDS)
        change(sys.modules[self.rules.module], mutant.source)
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return NOTICED
        return SURVIVED if session.items else BROKEN


def in_a_fork(act: Callable[[], int]) -> int:
    """Return what a function returns in a process of its own: NOTICED or SURVIVED, else BROKEN."""
    child = os.fork()
    if child == 0:
        outcome = BROKEN
        try:
            outcome = act()
        finally:
            os._exit(outcome)
    _, status = os.waitpid(child, 0)
    outcome = os.waitstatus_to_exitcode(status)
    # One that loops is killed by its alarm, and would be noticed by its caller, which waits for it.
    return NOTICED if outcome == -signal.SIGALRM else outcome if outcome in (NOTICED, SURVIVED) else BROKEN


def change(module: ModuleType, source: str) -> None:
    """Give the functions of a module that is in use the code of another source."""
    assert module.__file__
    changed = dict(_code_of(compile(source, module.__file__, "exec")))
    for function in _functions(vars(module), module.__name__):
        function.__code__ = changed.get(_name(function.__code__), function.__code__)


def _code_of(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield _name(constant), constant
            yield from _code_of(constant)


def _name(code: CodeType) -> tuple[str, int]:
    """Return what distinguishes a function from others; a property's getter and setter have one name."""
    return code.co_qualname, code.co_argcount


def _functions(members: Mapping[str, Any], module: str) -> Iterator[FunctionType]:
    for member in members.values():
        found = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
        found = getattr(found, "__wrapped__", found)
        if getattr(found, "__module__", None) != module:
            continue
        if isinstance(found, FunctionType):
            yield found
        elif isinstance(found, type):
            yield from _functions(vars(found), module)


def play(rules: Rules) -> dict[str, int]:
    """Return the outcome of each mutant of a module, and of the module as it is under UNCHANGED."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        player = Player(rules=rules)
        options = ["-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        try:
            pytest.main([*options, *rules.tests], plugins=[player])
            with os.fdopen(writing, "w") as result:
                json.dump(player.outcomes, result)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as result:
        text = result.read()
    os.waitpid(child, 0)
    outcomes: dict[str, int] = json.loads(text or "{}")
    return outcomes


def judge(rules: Rules, outcomes: Mapping[str, int], reasons: Mapping[str, str]) -> list[str]:
    """Return a line for each survivor without a reason, each reason without a survivor, and what was not played."""
    if outcomes.get(UNCHANGED) != SURVIVED:
        return [f"{rules.path}: its tests fail, or are none, without any change"]
    played = {name: outcome for name, outcome in outcomes.items() if name != UNCHANGED}
    alive = [name for name, outcome in played.items() if outcome == SURVIVED]
    print(f"{rules.path}: {len(played)} mutants, {len(alive)} survive", flush=True)
    return [
        *(f'{rules.path}: no test notices "{name}"' for name in alive if name not in reasons),
        *(
            f'{rules.path}: is noticed by now, or is no mutant any more: "{name}"'
            for name in reasons
            if name not in alive
        ),
        *(f'{rules.path}: cannot be played: "{name}"' for name, outcome in played.items() if outcome == BROKEN),
    ]


def main(wanted: Sequence[str]) -> int:
    """Play all mutants, or those of the paths that contain a wanted text; 0 where every survivor has its reason."""
    known = survivors()
    chosen = [rules for rules in RULES if not wanted or any(part in rules.path for part in wanted)]
    wrong = [line for rules in chosen for line in judge(rules, play(rules), known.get(rules.path, {}))]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
