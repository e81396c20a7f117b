"""The samples at each SCM host: what moves there, and that all of it is valid."""

from typing import Any

import pytest
from ruamel.yaml import YAML

from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_provider import ScmProvider
from deploy.local.demo.hosts import GITHUB, HOSTS, at_host
from deploy.local.demo.world import SAMPLES


def samples() -> list[dict[str, Any]]:
    return [
        one for path in sorted(SAMPLES.glob("*.yaml")) for one in YAML(typ="safe").load_all(path.read_text()) if one
    ]


def named(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(one for one in documents if (one["kind"], one["metadata"]["name"]) == (kind, name))


@pytest.mark.parametrize("host", list(HOSTS))
def test_the_repository_moves_to_the_host_and_its_actions_stay_at_github(host: str) -> None:
    moved = at_host(samples(), host)
    names = [(one["kind"], one["metadata"]["name"]) for one in moved]
    assert len(names) == len(set(names))
    repository = GitRepository.from_wire(named(moved, "GitRepository", "web"))
    provider = ScmProvider.from_wire(named(moved, "ScmProvider", repository.spec.scm_provider_ref.name))
    assert (repository.spec.host, provider.spec.host) == (host, host)
    assert named(moved, "Secret", provider.spec.secret_ref.name)["stringData"] == HOSTS[host].secret
    runner = named(moved, "TestRunner", "actions")["spec"]["githubActions"]["repositoryRef"]["name"]
    assert named(moved, "GitRepository", runner)["spec"] == named(samples(), "GitRepository", "web")["spec"]


def test_without_actions_nothing_stays_at_github() -> None:
    moved = at_host([one for one in samples() if one["kind"] != "TestRunner"], "gitea")
    left = {(one["kind"], one["metadata"]["name"]) for one in moved}
    assert not left & {("ScmProvider", "github"), ("Secret", "github-token"), ("GitRepository", "web-github")}


def test_at_github_the_samples_are_as_they_are() -> None:
    assert at_host(samples(), GITHUB) == samples()
