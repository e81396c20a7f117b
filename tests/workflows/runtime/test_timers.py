"""A workflow waits for a limited time in one way."""

import ast
from pathlib import Path

import workflows

ROOT = Path(workflows.__path__[0])


def test_every_wait_with_a_limit_is_wait_until() -> None:
    assert {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if limits_a_wait(path)} == {"runtime/timers.py"}


def limits_a_wait(path: Path) -> bool:
    """Return whether a module gives a wait a limit of its own."""
    calls = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)]
    waits = [one for one in calls if isinstance(one.func, ast.Attribute) and one.func.attr == "wait_condition"]
    return any(keyword.arg == "timeout" for one in waits for keyword in one.keywords)
