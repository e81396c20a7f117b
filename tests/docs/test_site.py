"""The site of `make docs` holds every page, and shows each as GitHub does. Needs no MkDocs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.local.environment.processes import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
# Its tags name functions of MkDocs; the round-trip loader keeps them unread.
SITE: dict[str, Any] = YAML(typ="rt").load(ROOT / "mkdocs.yml")
FENCE = re.compile(r"^( *)```")
ITEM = re.compile(r"^(?P<indent> *)(?:[-*]|\d+\.) ")
CODE = re.compile(r"`[^`]+`")
LINK = re.compile(r"\]\(([^()\s]+)\)")


def entries(nav: Any) -> Iterator[str]:
    """Yield the pages of the navigation, in its order."""
    if isinstance(nav, str):
        yield nav
        return
    for below in nav.values() if isinstance(nav, dict) else nav:
        yield from entries(below)


def unfenced(page: Path) -> Iterator[tuple[int, str, str]]:
    """Yield number, text and the line before of each line outside of code."""
    fenced, before = False, ""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line, before
        before = line


def read_otherwise(page: Path) -> list[str]:
    """Return the lines that Python-Markdown reads otherwise than GitHub."""
    found = []
    for number, line, before in unfenced(page):
        item, starts = ITEM.match(line), bool(before.strip())
        if item and len(item["indent"]) % 4:
            found.append(f"{number}: a list within a list is indented by four: {line}")
        elif item and starts and not ITEM.match(before) and not before.startswith(" "):
            found.append(f"{number}: a list begins behind an empty line: {line}")
        elif line.startswith("|") and starts and not before.startswith("|"):
            found.append(f"{number}: a table begins behind an empty line: {line}")
        elif line.startswith("|") and any("|" in code for code in CODE.findall(line)):
            found.append(f"{number}: code in a table holds no bar: {line}")
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if fence and len(fence[1]) % 4:
            found.append(f"{number}: code within a list is indented by four: {line}")
    return found


def test_each_page_is_in_the_navigation_once() -> None:
    named = sorted(entries(SITE["nav"]))
    assert named == [page.relative_to(DOCS).as_posix() for page in PAGES]


def test_the_build_fails_for_what_leads_nowhere() -> None:
    assert SITE["strict"] is True
    assert set(SITE["validation"]["nav"].values()) == {"warn"}
    assert set(SITE["validation"]["links"].values()) == {"warn"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_links_to_pages_of_the_site_only(page: Path) -> None:
    targets = [link for _, line, _ in unfenced(page) for link in LINK.findall(line) if "://" not in link]
    outside = [link for link in targets if link[0] != "#" and not link.partition("#")[0].endswith(".md")]
    outside += [link for link in targets if DOCS not in (page.parent / link.partition("#")[0]).resolve().parents]
    assert [link for link in outside if link[0] != "#"] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_read_alike_by_the_site_and_by_github(page: Path) -> None:
    assert read_otherwise(page) == []


def test_what_the_site_reads_otherwise_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n- item\n\n  - item\n\ntext\n| a |\n\n| `a \\| b` |\n\n  ```yaml\n  ```\n")
    assert [one.partition(":")[0] for one in read_otherwise(page)] == ["2", "4", "7", "9", "11", "12"]
