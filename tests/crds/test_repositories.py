"""Two GitRepositories of one repository: the older one has its pull requests."""

from typing import Any

import pytest

from crds.group import API_VERSION
from crds.reasons.conditions import ConditionReason
from crds.rules.documents import validate_documents
from crds.rules.repositories import conflict_errors, discovery_errors, oldest_of
from crds.v1alpha1.git_repository import GitRepository

WEB: dict[str, Any] = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}


def repository(name: str, spec: dict[str, Any], *, day: int, namespace: str = "shop") -> GitRepository:
    created = f"2026-01-{day:02d}T00:00:00Z"
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "creationTimestamp": created}
    return GitRepository.from_wire({"metadata": metadata, "spec": spec})


OLDER = repository("web", WEB, day=1)


@pytest.mark.parametrize(
    ("spec", "conflicts"),
    [
        (WEB, True),
        ({**WEB, "github": {"owner": "Acme", "name": "WEB"}}, True),
        ({**WEB, "github": {"owner": "acme", "name": "api"}}, False),
        ({**WEB, "scmProviderRef": {"name": "enterprise"}}, False),
        ({**WEB, "scmProviderRef": {"kind": "ClusterScmProvider", "name": "github"}}, False),
    ],
    ids=["same", "case", "other", "provider", "kind"],
)
def test_the_younger_of_two_that_name_one_repository_is_in_conflict(spec: dict[str, Any], *, conflicts: bool) -> None:
    younger = repository("shop", spec, day=2)
    found = conflict_errors(younger, oldest_of((OLDER, younger)))
    assert [(one.path, one.reason) for one in found] == [("spec.github", ConditionReason.CONFLICT)] * conflicts
    assert conflict_errors(OLDER, oldest_of((OLDER, younger))) == []


def test_a_project_is_the_same_by_its_number_whatever_it_is_called() -> None:
    by_number = {"scmProviderRef": {"name": "gitlab"}, "gitlab": {"namespace": "acme", "name": "web", "projectId": 7}}
    renamed = {**by_number, "gitlab": {"namespace": "acme", "name": "shop", "projectId": 7}}
    older, younger = repository("web", by_number, day=1), repository("shop", renamed, day=2)
    assert [one.reason for one in conflict_errors(younger, oldest_of((older, younger)))] == [ConditionReason.CONFLICT]


def test_discovery_names_environments_that_are_there() -> None:
    branches = [{"baseBranch": name, "environment": place} for name, place in (("main", "dev"), ("next", "qa"))]
    discovering = repository("web", {**WEB, "discovery": {"baseBranches": branches}}, day=1)
    [error] = discovery_errors(discovering, {"dev"})
    assert (error.path, error.reason) == (
        "spec.discovery.baseBranches[1].environment",
        ConditionReason.REFERENCE_NOT_FOUND,
    )
    assert discovery_errors(discovering, None) == discovery_errors(OLDER, {"dev"}) == []


def test_before_they_are_applied_the_name_decides() -> None:
    documents = [
        {"apiVersion": API_VERSION, "kind": "GitRepository", "metadata": {"name": name}, "spec": WEB}
        for name in ("web", "shop")
    ]
    [found] = [one for one in validate_documents(documents) if one.kind == "GitRepository"]
    assert (found.name, found.error.reason, "`shop`" in found.error.message) == ("web", ConditionReason.CONFLICT, True)


def test_another_namespace_is_another_tenant_and_is_not_named() -> None:
    younger = repository("web", WEB, day=2, namespace="docs")
    assert conflict_errors(younger, oldest_of((OLDER, younger))) == []
