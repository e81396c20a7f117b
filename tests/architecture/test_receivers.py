"""Each receiver has one way to it, where text of others is encoded."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("activities", "crds", "providers", "worker", "workflows")
PRINTER = "worker/cli/output.py"


def calls(package: str) -> Iterator[tuple[str, ast.Call]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path.relative_to(ROOT).as_posix(), node


@pytest.mark.parametrize("package", PACKAGES)
def test_one_module_prints(package: str) -> None:
    printing = {path for path, call in calls(package) if isinstance(call.func, ast.Name) and call.func.id == "print"}
    echoing = {
        path for path, call in calls(package) if isinstance(call.func, ast.Attribute) and call.func.attr == "echo"
    }
    assert printing | echoing <= {PRINTER}


def test_texts_and_reasons_know_nothing_but_the_standard_library() -> None:
    for path in sorted([*(ROOT / "crds" / "texts").glob("*.py"), *(ROOT / "crds" / "reasons").glob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.module, path
                assert node.module.startswith("crds.texts.") or node.module.partition(".")[0] in {
                    "enum",
                    "re",
                    "json",
                    "typing",
                    "urllib",
                    "collections",
                }, path


@pytest.mark.parametrize(
    "module", ["workflows/promotion/view/pull_request.py", "workflows/environment/presentation.py"]
)
def test_no_page_holds_a_raw_text(module: str) -> None:
    """Fields that hold text of others stand in a page only as arguments of the encoders."""
    raw = {"message", "observed", "unblock_with", "object", "error", "summary", "problem", "title", "author"}
    tree = ast.parse((ROOT / module).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Attribute):
            inside = f"{module}:{node.lineno}: {node.value.attr}"
            assert node.value.attr not in raw or _encoded_later(tree, node), inside


def _encoded_later(tree: ast.AST, value: ast.FormattedValue) -> bool:
    """Return whether the function around a value encodes what it makes as a whole."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= value.lineno <= (node.end_lineno or 0)
    ]
    names = {
        call.func.id
        for function in around
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    }
    return bool(names & {"inline", "cell", "one_line"})
