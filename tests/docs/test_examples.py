"""Each piece of YAML in the documentation is valid, as `pilotage validate` judges it."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from ruamel.yaml import YAML

from crds.rules.documents import validate_documents
from deploy.local.environment.processes import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r'^(?P<indent> *)```ya?ml(?: (?P<key>in|for)="(?P<what>[^"]+)")?\n(?P<code>.*?)^ *```$', re.M | re.S)
SAMPLES = sorted((ROOT / "docs" / "samples" / "main-job").glob("*.yaml"))
BASES: dict[str, dict[str, Any]] = {
    "DriftMonitor": {
        "metadata": {"name": "prod-web-1f0c2ab94d", "namespace": "shop"},
        "spec": {
            "trackerRef": {"name": "web-412"},
            "repositoryRef": {"name": "web"},
            "environment": "prod",
            "deployment": "web",
            "instanceRef": {"name": "argocd"},
            "project": "shop",
            "application": "web-prod",
            "revision": "4120000000000000000000000000000000000412",
            "promotedAt": "2026-01-02T12:00:00Z",
        },
    },
}
"""What a part is put into, of kinds without a sample."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One block. `part_of` names the kind of which it is a part, `other` the system that reads it in our place."""

    where: str
    code: str
    part_of: str = ""
    other: str = ""

    def documents(self) -> list[Any]:
        """Read the block; a part becomes the whole resource that it is a part of."""
        documents = [one for one in YAML(typ="safe").load_all(self.code) if one]
        if not self.part_of:
            return documents
        [part] = documents
        whole = copy.deepcopy(base(self.part_of))
        merge(whole, part if "spec" in part else {"spec": part})
        return [whole]


def examples() -> Iterator[Example]:
    for page in PAGES:
        text = page.read_text()
        for found in BLOCK.finditer(text):
            code = re.sub(rf"^{found['indent']}", "", found["code"], flags=re.MULTILINE)
            where = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}"
            named = {"in": "part_of", "for": "other"}.get(found["key"] or "")
            yield Example(where=where, code=code, **({named: found["what"]} if named else {}))


def base(kind: str) -> dict[str, Any]:
    """Return a valid resource of a kind."""
    samples = [one for path in SAMPLES for one in YAML(typ="safe").load_all(path.read_text())]
    found = BASES.get(kind) or next(one for one in samples if one["kind"] == kind)
    return {"apiVersion": "pilotage.dev/v1alpha1", "kind": kind, **found}


def merge(into: dict[str, Any], part: dict[str, Any]) -> None:
    """Put a part into a resource; one way to deliver takes the place of another."""
    for name, value in part.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict) and name != "write":
            merge(into[name], value)
        else:
            into[name] = value


ALL = list(examples())


def test_there_are_examples_of_each_sort() -> None:
    assert len([one for one in ALL if not one.part_of and not one.other]) > 10
    assert [one for one in ALL if one.part_of]
    assert [one for one in ALL if one.other]


@pytest.mark.parametrize("example", [one for one in ALL if not one.other], ids=lambda one: one.where)
def test_an_example_is_valid(example: Example) -> None:
    documents = example.documents()
    # What misses both names in its first line neither the kind that it is part of nor the system that reads it.
    assert [one for one in documents if not {"apiVersion", "kind"} <= set(one)] == []
    assert [str(one.error) for document in documents for one in validate_documents([document])] == []


@pytest.mark.parametrize("example", [one for one in ALL if one.other], ids=lambda one: one.where)
def test_an_example_for_another_system_holds_nothing_of_ours(example: Example) -> None:
    found: list[Mapping[str, Any]] = example.documents()
    assert [one for one in found if "pilotage.dev/" in str(one.get("apiVersion"))] == []
