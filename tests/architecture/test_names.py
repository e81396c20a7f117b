"""A name that is used in two packages or rooms means one thing."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("activities", "crds", "providers", "worker", "workflows")

SAME = {
    "Act": "what a loop of a promotion's step does next",
    "Backoff": "growing pauses between attempts: by a workflow's clock, and by a process's",
    "Facts": "what a pure decision knows",
    "Health": "whether something is well: an application, and a process",
    "Hop": "the way from one environment to the next: as decided on, and as published",
    "NotAnEvent": "a body that is no event of its sender",
    "NotProven": "a delivery whose sender is not proven",
    "Step": "which act a loop of a promotion's step does next",
    "TrackerEntry": "what a mirror keeps of a tracker",
    "Verdict": "how something that was looked at is judged",
}
"""Names of two rooms that mean the same, and what."""


@cache
def classes() -> dict[str, dict[str, bool]]:
    """Return the modules that define each public class: name -> module -> whether it is a Protocol."""
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    bases = {ast.unparse(base).partition("[")[0] for base in node.bases}
                    found[node.name][str(path.relative_to(ROOT))] = "Protocol" in bases
    return found


def is_one_notion(modules: dict[str, bool]) -> bool:
    """Return whether the kind of modules shows that a name means one thing in all of them."""
    # The port of a seam, defined where it is used, has the name of what stands behind it.
    if sum(not protocol for protocol in modules.values()) <= 1:
        return True
    vendors = [one for one in modules if one.startswith("providers/") and one.count("/") > 1]
    # Each vendor's adapter of one port; with the block of the resource that declares it, and the port itself.
    if len(vendors) >= len(modules) - 1 and all(
        one in vendors or one.startswith(("crds/v1alpha1/", "providers/ports")) for one in modules
    ):
        return True
    # A value as the resource has it, as it travels in histories, and as a host has it.
    layers = {
        "resource" if one.startswith("crds/") else "wire" if one.startswith("activities/models/") else "host"
        for one in modules
        if one.startswith(
            ("crds/v1alpha1/", "crds/conditions", "activities/models/", "providers/models", "providers/ports")
        )
    }
    return len(layers) == len(modules)


def homonyms() -> list[str]:
    """Return the names of several modules whose kind does not show that they mean one thing."""
    return [name for name, modules in classes().items() if len(modules) > 1 and not is_one_notion(modules)]


def test_a_class_name_of_two_rooms_means_one_thing() -> None:
    assert [name for name in homonyms() if name not in SAME] == []


def test_what_is_listed_is_there() -> None:
    assert sorted(set(SAME) - set(homonyms())) == []


@pytest.mark.parametrize(
    ("modules", "one"),
    [
        ({"crds/v1alpha1/x.py": False, "activities/models/x.py": False}, True),
        ({"providers/github/x.py": False, "providers/gitlab/x.py": False}, True),
        ({"worker/x.py": True, "workflows/x.py": False}, True),
        ({"worker/x.py": False, "workflows/x.py": False}, False),
        ({"activities/x.py": False, "activities/flux/y.py": False}, False),
    ],
)
def test_kinds_of_modules_show_one_notion(modules: dict[str, bool], one: bool) -> None:
    assert is_one_notion(modules) is one
