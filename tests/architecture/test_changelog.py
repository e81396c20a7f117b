"""The changelog is read by people who upgrade: what they must do stands first, and each entry under its kind."""

import re

from deploy.local.environment.processes import ROOT

GROUPS = ["Upgrade notes", "Security", "Added", "Changed", "Fixed"]
LINE, ENTRY = 160, 800
"""Characters, at most: what needs more stands in the documents, to which the entry leads."""


def unreleased() -> str:
    """Return what the next release changes."""
    text = (ROOT / "CHANGELOG.md").read_text()
    return text.partition("\n## Unreleased\n")[2].partition("\n## ")[0]


def entries(text: str) -> list[str]:
    """Return the entries of a part of the changelog."""
    return re.findall(r"^- .*(?:\n  .*)*", text, re.MULTILINE)


def test_what_asks_something_of_those_who_upgrade_stands_first_and_each_entry_under_its_kind() -> None:
    before, *parts = re.split(r"^### ", unreleased(), flags=re.MULTILINE)
    assert [part.partition("\n")[0] for part in parts] == GROUPS
    assert entries(before) == []
    assert all(entries(part) for part in parts)


def test_entries_are_short() -> None:
    assert [line for line in unreleased().splitlines() if len(line) > LINE] == []
    assert [entry for entry in entries(unreleased()) if len(entry) > ENTRY] == []
