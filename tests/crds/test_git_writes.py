"""What keeps an environment's files from being written is found before any promotion."""

from typing import Any

import pytest

from crds.rules.environments import validate_environment
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository

EDIT = {"file": "prod/kustomization.yaml", "kustomizeImage": "ghcr.io/acme/web"}
COMPONENT = {"name": "web", "paths": ["**"], "image": "ghcr.io/acme/web", "tag": "sha-${revision}"}


def environment(*edits: dict[str, str], component: str | None = None, **git: Any) -> Environment:
    write = {"git": {"repositoryRef": {"name": "config"}, "branch": "main", "edits": list(edits or [EDIT]), **git}}
    argocd = {"instanceRef": {"name": "argocd"}, "project": "shop", "application": "web"}
    deployment = {"name": "web", "component": component, "repositoryRef": {"name": "web"}, "argocd": argocd}
    spec = {"vars": {"cluster": "eu"}, "deployments": [deployment], "write": write}
    return Environment.from_wire({"metadata": {"name": "prod", "namespace": "shop"}, "spec": spec})


def repositories(**components: list[dict[str, Any]]) -> dict[str, GitRepository]:
    return {
        name: GitRepository.from_wire(
            {
                "metadata": {"name": name, "namespace": "shop"},
                "spec": {
                    "scmProviderRef": {"name": "github"},
                    "github": {"owner": "acme", "name": name},
                    "components": components.get(name, []),
                },
            }
        )
        for name in ("web", "config")
    }


def problems(place: Environment, known: dict[str, GitRepository] | None = None) -> list[tuple[str, str]]:
    return [(one.path, one.message) for one in validate_environment(place, repositories=known)]


def test_a_write_that_can_be_made_is_valid() -> None:
    named = {"file": "${target.vars.cluster}/${component.name}.yaml", "yamlPath": "a.b[0]", "value": "${artifact.tag}"}
    assert problems(environment(EDIT, named, component="web"), repositories(web=[COMPONENT])) == []


@pytest.mark.parametrize(
    ("edit", "path", "problem"),
    [
        ({**EDIT, "file": "../x.yaml"}, "file", "no path of a file"),
        ({**EDIT, "file": "/etc/x.yaml"}, "file", "no path of a file"),
        ({**EDIT, "file": ".git/config"}, "file", "within `.git`"),
        ({**EDIT, "file": "${pullRequest.title}.yaml"}, "file", "`${pullRequest.title}` cannot be part of it"),
        ({**EDIT, "file": "${source.vars.x}.yaml"}, "file", "`${source.vars.x}` cannot be part of it"),
        ({**EDIT, "file": "${target.vars.none}.yaml"}, "file", "spec.vars has no such entry"),
        ({**EDIT, "file": "${nonsense}.yaml"}, "file", "unknown variable"),
        ({**EDIT, "kustomizeImage": "ghcr.io/acme/web:v1"}, "kustomizeImage", "without tag or digest"),
        ({"file": "a.yaml", "yamlPath": "a..b", "value": "${revision}"}, "yamlPath", "is no path"),
        ({"file": "a.yaml", "yamlPath": "a", "value": "${nonsense} ${revision}"}, "value", "unknown variable"),
        ({"file": "a.yaml", "yamlPath": "a", "value": "${target.vars.none}${revision}"}, "value", "no such entry"),
    ],
)
def test_what_is_wrong_with_an_edit_is_reported_at_its_field(edit: dict[str, str], path: str, problem: str) -> None:
    [(found, message)] = problems(environment(edit))
    assert found == f"spec.write.git.edits[0].{path}"
    assert problem in message


def test_what_cannot_be_recognised_again_is_refused() -> None:
    [(path, message)] = problems(environment({"file": "a.yaml", "yamlPath": "a", "value": "${pullRequest.number}"}))
    assert path == "spec.write.git.edits"
    assert "at least one edit must have `kustomizeImage`" in message


@pytest.mark.parametrize("branch", ["a b", "a..b", "-\x01", "a//b", "/a", "a/", "a.lock", "a:b", "refs/heads/*"])
def test_what_is_no_branch_is_refused(branch: str) -> None:
    assert [path for path, _ in problems(environment(branch=branch))] == ["spec.write.git.branch"]


def test_a_repository_that_does_not_exist_is_named() -> None:
    known = repositories(web=[COMPONENT])
    del known["config"]
    assert [path for path, _ in problems(environment(component="web"), known)] == ["spec.write.git.repositoryRef.name"]


def test_a_repository_whose_host_writes_one_file_a_commit_is_refused() -> None:
    known = repositories(web=[COMPONENT])
    block = {"scmProviderRef": {"name": "bitbucket"}, "bitbucketDataCenter": {"project": "ACME", "name": "config"}}
    known["config"] = GitRepository.from_wire({"metadata": {"name": "config", "namespace": "shop"}, "spec": block})
    [(path, message)] = problems(environment(component="web"), known)
    assert path == "spec.write.git.repositoryRef.name"
    assert "bitbucketDataCenter" in message


def test_a_component_without_a_tag_cannot_be_written_as_one() -> None:
    [(path, message)] = problems(environment(), repositories())
    assert path == "spec.deployments[0].component"
    assert "declares none" in message
    by_revision = {"file": "a.yaml", "yamlPath": "spec.source.targetRevision", "value": "${revision}"}
    assert problems(environment(by_revision), repositories()) == []


def merging(**branch: Any) -> Environment:
    """Declare an environment whose branch another one is merged into."""
    place = environment()
    declared = {"repositoryRef": {"name": "config"}, "source": "next", "target": "prod", **branch}
    return Environment.from_wire(
        {**place.to_wire(), "spec": {**place.to_wire()["spec"], "write": {"branch": declared}}}
    )


def test_a_branch_is_merged_at_every_host() -> None:
    known = repositories(web=[])
    block = {"scmProviderRef": {"name": "bitbucket"}, "bitbucketDataCenter": {"project": "ACME", "name": "config"}}
    known["config"] = GitRepository.from_wire({"metadata": {"name": "config", "namespace": "shop"}, "spec": block})
    title = "${pullRequest.title} to ${targetEnvironment} in ${target.vars.cluster}"
    assert problems(merging(title=title, body=title, labels=["a"]), known) == []


@pytest.mark.parametrize(
    ("field", "given", "problem"),
    [
        ("source", "a..b", "no name of a branch"),
        ("target", "a b", "no name of a branch"),
        ("title", "${component.name}", "about all deployments"),
        ("body", "${target.vars.none}", "no such entry"),
        ("body", "${nonsense}", "unknown variable"),
    ],
)
def test_what_is_wrong_with_a_merge_is_reported_at_its_field(field: str, given: str, problem: str) -> None:
    [(path, message)] = problems(merging(**{field: given}))
    assert path == f"spec.write.branch.{field}"
    assert problem in message


def flux(*edits: dict[str, str], write: bool = True) -> Environment:
    """Return an Environment that Flux brings, with or without files in which its tag stands."""
    git = {"git": {"repositoryRef": {"name": "config"}, "branch": "main", "edits": list(edits or [EDIT])}}
    deployment: dict[str, Any] = {"name": "web", "component": "web", "repositoryRef": {"name": "web"}}
    deployment["flux"] = {"kustomization": "web", "namespace": "apps"}
    spec = {"vars": {"cluster": "eu"}, "deployments": [deployment | ({"write": git} if write else {})]}
    return Environment.from_wire({"metadata": {"name": "prod", "namespace": "shop"}, "spec": spec})


def test_what_flux_deploys_by_image_names_the_file_in_which_its_tag_stands() -> None:
    known = repositories(web=[COMPONENT])
    assert problems(flux(), known) == []
    [(path, message)] = problems(flux(write=False), known)
    assert (path, "`write.git` must name the file" in message) == ("spec.deployments[0].flux", True)
    # Where the commit itself is the artifact no file is needed.
    plain = {key: value for key, value in COMPONENT.items() if key not in ("image", "tag")}
    assert problems(flux(write=False), repositories(web=[plain])) == []
    [(path, message)] = problems(flux({**EDIT, "file": "${sourceEnvironment}.yaml"}), known)
    assert (path, "`${sourceEnvironment}`" in message) == ("spec.deployments[0].flux", True)
