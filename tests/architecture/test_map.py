"""The maps for readers are true: each file, folder and make target that they name exists, also in a docstring."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in (
        ROOT / "AGENTS.md",
        ROOT / "README.md",
        ROOT / "deploy" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
    )
    # A guide to extend names files that its reader makes.
    if page.exists() and page.parent.name != "extending"
)
TOP = ("activities", "crds", "deploy", "docs", "providers", "tests", "worker", "workflows")
PATH = re.compile(rf"`((?:{'|'.join(TOP)})/[\w./*-]*)`")
NAMED = re.compile(rf"(?<![\w/.])((?:{'|'.join(TOP)})/[\w./-]*\.(?:py|md|toml|json))\b")
"""A path in a text without marks."""
TARGET = re.compile(r"`(?:[A-Z]+=\S+ )*make ([a-z-]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_path_that_a_page_names_exists(page: Path) -> None:
    named = set(PATH.findall(page.read_text()))
    assert [path for path in sorted(named) if not any(ROOT.glob(path.rstrip("/")))] == []


def texts(module: Path) -> Iterator[str]:
    """Yield the docstrings and comments of a module."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
    with tokenize.open(module) as source:
        yield from (one.string for one in tokenize.generate_tokens(source.readline) if one.type == tokenize.COMMENT)


@pytest.mark.parametrize("folder", TOP)
def test_each_path_that_a_docstring_or_a_comment_names_exists(folder: str) -> None:
    named = {
        (str(module.relative_to(ROOT)), path)
        for module in (ROOT / folder).rglob("*.py")
        for text in texts(module)
        for path in NAMED.findall(text)
    }
    assert [(module, path) for module, path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(page.read_text())) <= targets


def test_the_map_stays_short() -> None:
    assert len((ROOT / "AGENTS.md").read_text().splitlines()) < 100
