"""A name that is used in two packages or rooms means one thing."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
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
}
"""Names of two rooms that mean the same, and what."""
ROLES = {
    "adapter": "a vendor's implementation of a port",
    "asking": "questions to a workflow, and to activities",
    "backoff": "growing pauses between attempts",
    "bodies": "HTTP bodies, bounded before they are read",
    "calls": "calls to one system, with what their failures mean",
    "carrying": "what a run hands to the next one, cut to its size",
    "configuration": "what is declared for a promotion, as one value",
    "failures": "what a call failed of",
    "metrics": "what a process counts",
    "options": "what can be set of an adapter, or of a command",
    "pacing": "when a workflow looks again",
    "ports": "seams, as Protocols",
    "presentation": "what people read of a workflow, or of a promotion",
    "presenting": "when that is written",
    "process": "a process from its start to its end",
    "publishing": "writing what others read",
    "reading": "reading much, without holding up others",
    "redaction": "keeping credentials out of texts",
    "refusals": "calls that a credential was refused",
    "registry": "which implementations there are",
    "settings": "variables of the environment",
    "state": "all that continue-as-new carries",
    "tracing": "traces of round trips",
    "wire": "requests and answers of a vendor, as values",
    "workflow": "a workflow",
}
"""Module names for a role that each room may fill, and which."""
SUBJECTS = {
    "ancestry": "how two commits relate",
    "branches": "branches of a repository",
    "codec_server": "the codec server",
    "commands": "commands of a person",
    "commit_statuses": "commit statuses for Flux",
    "conditions": "conditions of a resource",
    "credential_checks": "checks of what a connection names",
    "credentials": "what a Secret holds for a system",
    "delivery": "how an artifact gets into an environment",
    "deployments": "what runs by which means",
    "documents": "what was decoded, with its types checked",
    "drift": "what runs differs from what was promoted",
    "entries": "what a mirror keeps of an object",
    "environments": "environments",
    "event_sinks": "receivers outside the cluster",
    "events": "what was reported once, by us or by others",
    "gates": "what must hold before a write",
    "label_looks": "how labels look",
    "memberships": "who is a member of a place",
    "places": "an environment as its workflow sees it",
    "pull_requests": "pull requests",
    "reports": "what events of Flux report",
    "repositories": "repositories",
    "repository_sync": "the list of a repository's pull requests",
    "repository_syncs": "the workflows of those lists",
    "resources": "resources of Kubernetes",
    "revisions": "commits",
    "rights": "what a credential or process may do",
    "runs": "runs at CI systems",
    "secrets": "Secrets that resources name",
    "shared_applications": "applications that several environments name",
    "stalls": "workflows that do not go on",
    "state_labels": "labels that show the state",
    "status": "the status of a tracker",
    "steering": "labels and comments by which people command",
    "targets": "what of an application is written",
    "testing": "a round of tests",
    "trackers": "trackers",
    "argocd": "Argo CD",
    "azure_devops": "Azure DevOps",
    "flux": "Flux",
    "gitea": "Gitea",
    "github": "GitHub",
    "gitlab": "GitLab",
    "jenkins": "Jenkins",
    "slack": "Slack",
}
"""Module names of one subject in several rooms, and which."""


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


@cache
def module_rooms() -> dict[str, set[str]]:
    """Return the rooms of each module name; all vendors of `providers/` are one room."""
    found: dict[str, set[str]] = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            room = path.parent.relative_to(ROOT)
            if path.stem != "__init__":
                found[path.stem].add("vendors" if (path.parent / "adapter.py").exists() else str(room))
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


def test_a_module_name_of_two_rooms_means_one_thing() -> None:
    shared = {name for name, rooms in module_rooms().items() if len(rooms) > 1}
    assert sorted(shared - {*ROLES, *SUBJECTS}) == []
    assert sorted({*ROLES, *SUBJECTS} - module_rooms().keys()) == []
    assert sorted(SUBJECTS.keys() - shared) == []


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


@dataclass(frozen=True, kw_only=True)
class Enum:
    """An enumeration as it is written."""

    name: str
    values: frozenset[str]


def enums_of(path: Path) -> Iterator[Enum]:
    """Yield the enumerations of a module."""
    for one in ast.walk(ast.parse(path.read_text())):
        if isinstance(one, ast.ClassDef) and "StrEnum" in map(ast.unparse, one.bases):
            members = [member.value for member in one.body if isinstance(member, ast.Assign)]
            texts = [member.value for member in members if isinstance(member, ast.Constant)]
            yield Enum(name=one.name, values=frozenset(map(str, texts)))


def test_no_values_of_resources_stand_twice() -> None:
    """What resources and workflows have in common stands in `crds/reasons/`, which both may import."""
    twins = defaultdict(set)
    for package in ("crds", "activities", "workflows"):
        for path in (ROOT / package).rglob("*.py"):
            for enum in enums_of(path):
                twins[enum.values].add(f"{path.relative_to(ROOT)}: {enum.name}")
    assert [sorted(names) for values, names in twins.items() if len(names) > 1 and len(values) > 2] == []
