"""The documentation holds together: its links lead somewhere, and every page is found from the README."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.environment.processes import ROOT

PAGES = [*(ROOT / f"{name}.md" for name in ("README", "AGENTS", "CHANGELOG")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield file and anchor of each link within the repository."""
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_of_it(page: Path) -> None:
    broken = [
        f"{path.relative_to(ROOT)}#{anchor}"
        for path, anchor in links(page)
        if not path.exists() or (anchor and anchor not in anchors(path))
    ]

    assert broken == []


def test_every_page_is_found_from_the_readme() -> None:
    found, unread = set[Path](), [ROOT / "README.md"]
    while unread:
        page = unread.pop()
        if page not in found and page.suffix == ".md" and page.exists():
            found.add(page)
            unread += [path for path, _ in links(page)]

    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in found] == []


@pytest.mark.parametrize("page", ["jenkins", "github-actions", "gitlab-ci"])
def test_the_guide_to_policies_leads_to_how_the_runs_of_each_ci_system_show_their_key(page: str) -> None:
    guides = ROOT / "docs" / "guides"

    assert (guides / f"{page}.md", "found-again") in set(links(guides / "policies.md"))
