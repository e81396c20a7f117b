"""Each test asserts something itself: one that only waits for an end shows a failure, and not what was meant by it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXPECTING = frozenset({"raises", "warns", "fail"})
"""What of pytest asserts by being called."""


def silent_tests(source: str) -> Iterator[str]:
    """Name the tests of a module that assert nothing."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if not any(map(_asserts, ast.walk(node))):
            yield node.name


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in EXPECTING
    return isinstance(node, ast.Assert | ast.Raise)


def test_each_test_asserts_something() -> None:
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    assert len(paths) > 100
    assert [(path.name, name) for path in paths for name in silent_tests(path.read_text())] == []


def test_a_test_that_only_waits_is_found() -> None:
    waits = "async def test_of_waiting(world):\n    await world.until(1)\n"
    raises = "def test_of_raising():\n    with pytest.raises(ValueError):\n        int('')\n"
    asserts = "def test_of_asserting():\n    assert int('1')\n"
    assert [*silent_tests(waits + raises + asserts)] == ["test_of_waiting"]
