"""The maps for readers are true: each file, folder and make target that they name exists."""

import re
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
TARGET = re.compile(r"`(?:[A-Z]+=\S+ )*make ([a-z-]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_path_that_a_page_names_exists(page: Path) -> None:
    named = set(PATH.findall(page.read_text()))
    assert [path for path in sorted(named) if not any(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(page.read_text())) <= targets


def test_the_map_stays_short() -> None:
    assert len((ROOT / "AGENTS.md").read_text().splitlines()) < 100
