from typing import Any

import pytest

from crds.reasons.conditions import ConditionReason
from crds.rules.environments import validate_environment, validate_repository
from crds.v1alpha1.git_repository import GitRepository
from tests.crds.resources import deployment, document, environment, repository

WEB = {"name": "web", "paths": ["web/**"]}
IMAGE = "ghcr.io/acme/web"
TEAM = {"verb": "promote", "scmTeam": "release"}


def test_an_environment_that_fits_has_no_errors() -> None:
    place = environment("dev", vars={"base_url": "https://dev"})
    assert validate_environment(place, instances=["argocd"], repositories={"web": repository()}) == []


def test_all_errors_of_an_environment_come_at_once() -> None:
    double = deployment("api", "api", argocd=deployment()["argocd"] | {"instanceRef": {"name": "nowhere"}})
    place = environment(
        "dev", deployment(), deployment("web", "web", component="ui"), double, vars={"a b": "x"}, deliveryTimeout="0s"
    )
    errors = validate_environment(place, instances=["argocd"], repositories={"web": repository()})
    assert [error.path for error in errors] == [
        "spec.vars.a b",
        "spec.deliveryTimeout",
        "spec.deployments[1].name",
        "spec.deployments[1].argocd.application",
        "spec.deployments[1].component",
        "spec.deployments[2].argocd.instanceRef.name",
        "spec.deployments[2].repositoryRef.name",
    ]


def test_a_deployment_of_a_repository_with_components_names_one() -> None:
    known = {"web": repository(WEB)}
    [error] = validate_environment(environment("dev"), repositories=known)
    assert (error.path, "one of web" in error.message) == ("spec.deployments[0].component", True)
    named = environment("dev", deployment(component="web"))
    assert validate_environment(named, repositories=known) == []


def test_a_team_of_a_host_that_shows_no_members_is_an_error_at_its_field() -> None:
    spec = {"scmProviderRef": {"name": "bitbucket"}, "bitbucketCloud": {"owner": "acme", "name": "web"}}
    there = GitRepository.from_wire(document("GitRepository", "web", spec))
    place = environment("dev", deployment(), deployment("api", "api"), commands=[TEAM])
    [error] = validate_environment(place, repositories={"web": there, "api": there})
    assert (error.path, "bitbucketCloud does not show" in error.message) == ("spec.commands[0].scmTeam", True)
    assert validate_environment(place, repositories={"web": there, "api": repository(name="api")}) == []
    assert validate_environment(environment("dev"), repositories={"web": there}) == []


def test_an_empty_selector_is_an_error_because_it_selects_nothing() -> None:
    selecting = {"instanceRef": {"name": "argocd"}, "project": "shop", "selector": {}}
    [error] = validate_environment(environment("dev", deployment(argocd=selecting)))
    assert error.path == "spec.deployments[0].argocd.selector"


@pytest.mark.parametrize(
    ("component", "path", "problem"),
    [
        ({"image": IMAGE}, "spec.components[0].tag", "required with image"),
        ({"tag": "sha-${revision}"}, "spec.components[0].image", "required with tag"),
        ({"image": IMAGE, "tag": "latest"}, "spec.components[0].tag", "must contain `${revision}`"),
        ({"image": IMAGE, "tag": "${nope}"}, "spec.components[0].tag", "unknown variable"),
        ({"image": IMAGE, "tag": "${revision"}, "spec.components[0].tag", "has no `}`"),
        ({"image": IMAGE, "tag": "${revision}-${pullRequest.number}"}, "spec.components[0].tag", "cannot be part"),
        ({"image": IMAGE, "tag": "a/${revision}"}, "spec.components[0].tag", "not an image tag"),
        ({"image": IMAGE, "tag": "x" * 120 + "${revision}"}, "spec.components[0].tag", "not an image tag"),
        ({"image": f"{IMAGE}:1", "tag": "${revision}"}, "spec.components[0].image", "must not have a tag"),
        ({"paths": ["/web"]}, "spec.components[0].paths[0]", "matches nothing"),
    ],
)
def test_a_component_that_cannot_be_recognised_is_an_error(component: dict[str, Any], path: str, problem: str) -> None:
    [error] = validate_repository(repository({**WEB, **component}))
    assert (error.path, problem in error.message) == (path, True), error.message


@pytest.mark.parametrize("tag", ["${revision}", "sha-${revision}", "${component.name}-${revision}"])
def test_a_tag_made_from_the_revision_is_fine(tag: str) -> None:
    registry = "registry.example:5000/acme/web"
    assert validate_repository(repository({**WEB, "image": registry, "tag": tag})) == []


def test_components_whose_paths_overlap_are_an_error_that_names_both() -> None:
    [error] = validate_repository(repository(WEB, {"name": "admin", "paths": ["docs/**", "web/admin/**"]}))
    assert error.path == "spec.components[1].paths[1]"
    assert error.message == "`web/admin/**` overlaps `web/**` of spec.components[0] (`web`)"


def test_a_component_that_is_there_twice_is_an_error() -> None:
    errors = validate_repository(repository(WEB, {"name": "web", "paths": ["api/**"]}))
    assert [error.path for error in errors] == ["spec.components[1].name"]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("ScmProvider", "ScmProvider `github` does not exist in this namespace"),
        ("ClusterScmProvider", "ClusterScmProvider `github` does not exist"),
    ],
)
def test_a_provider_that_does_not_exist_is_an_error(kind: str, problem: str) -> None:
    spec = {"scmProviderRef": {"kind": kind, "name": "github"}, "github": {"owner": "acme", "name": "web"}}
    declared = GitRepository.from_wire(document("GitRepository", "web", spec))
    assert validate_repository(declared, providers=[f"{kind}/github"]) == []
    [error] = validate_repository(declared, providers=["ScmProvider/other", "ClusterScmProvider/other"])
    assert (error.reason, error.message) == (ConditionReason.REFERENCE_NOT_FOUND, problem)
