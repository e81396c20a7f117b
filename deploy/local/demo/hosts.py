"""The samples at another SCM host than GitHub: one row per host that the sandbox stands in for."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.local.sandbox.seed import (
    AZURE_DEVOPS_TOKEN,
    BITBUCKET_CLOUD_TOKEN,
    BITBUCKET_DATA_CENTER_TOKEN,
    FORGEJO_TOKEN,
    GITEA_TOKEN,
    GITLAB_TOKEN,
    REPOSITORY,
    REPOSITORY_URL,
)

Document = dict[str, Any]
GITHUB = "github"


@dataclass(frozen=True, kw_only=True)
class SampleHost:
    """What the samples contain for one host; `{sandbox}` is the sandbox's address, `{name}` the repository's name."""

    system: str
    """Its name in the sandbox's journal, which is the first part of its paths."""
    provider: Mapping[str, str]
    """The block of the ScmProvider."""
    repository: Mapping[str, str]
    """The block of the GitRepository."""
    secret: Mapping[str, str]
    clone_url: str
    """What Argo CD's sources name."""
    labels: bool = True
    """Whether the host has labels."""
    deployments: bool = False
    """Whether the host shows deployments."""


HOSTS: Mapping[str, SampleHost] = {
    "gitlab": SampleHost(
        system="gitlab",
        provider={"domain": "{sandbox}/gitlab"},
        repository={"namespace": "acme", "name": "{name}"},
        secret={"token": GITLAB_TOKEN},
        clone_url="git@gitlab.example.com:acme/{name}.git",
        deployments=True,
    ),
    "gitea": SampleHost(
        system="gitea",
        provider={"domain": "{sandbox}/gitea"},
        repository={"owner": "acme", "name": "{name}"},
        secret={"token": GITEA_TOKEN},
        clone_url="https://gitea.example.com/acme/{name}.git",
    ),
    "forgejo": SampleHost(
        system="forgejo",
        provider={"domain": "{sandbox}/forgejo"},
        repository={"owner": "acme", "name": "{name}"},
        secret={"token": FORGEJO_TOKEN},
        clone_url="ssh://git@forgejo.example.com:2222/acme/{name}.git",
    ),
    "bitbucketCloud": SampleHost(
        system="bitbucketCloud",
        provider={"domain": "{sandbox}/bitbucketCloud"},
        repository={"owner": "acme", "name": "{name}"},
        secret={"token": BITBUCKET_CLOUD_TOKEN},
        clone_url="git@bitbucket.org:acme/{name}.git",
        labels=False,
    ),
    "bitbucketDataCenter": SampleHost(
        system="bitbucketDataCenter",
        provider={"domain": "{sandbox}/bitbucketDataCenter"},
        repository={"project": "ACME", "name": "{name}"},
        secret={"token": BITBUCKET_DATA_CENTER_TOKEN},
        clone_url="https://bitbucket.example.com/context/scm/acme/{name}.git",
        labels=False,
    ),
    "azureDevOps": SampleHost(
        system="azureDevOps",
        provider={"organization": "umbrella", "domain": "{sandbox}/azureDevOps"},
        repository={"project": "acme", "name": "{name}"},
        secret={"token": AZURE_DEVOPS_TOKEN},
        clone_url="https://dev.azure.com/umbrella/acme/_git/{name}",
    ),
}
"""By the name of the block."""


def at_host(documents: Sequence[Document], host: str) -> list[Document]:
    """Move the samples' repository to another host. GitHub stays where its Actions run tests, as a mirror."""
    if host == GITHUB:
        return list(documents)
    moved = copy.deepcopy(list(documents))
    provider, repository = _named(moved, "ScmProvider", GITHUB), _named(moved, "GitRepository", "web")
    secret = _named(moved, "Secret", provider["spec"]["secretRef"]["name"])
    runners = [one["spec"]["githubActions"] for one in _of(moved, "TestRunner") if "githubActions" in one["spec"]]
    if runners:
        mirror = copy.deepcopy(repository)
        mirror["metadata"]["name"] = "web-github"
        moved.append(mirror)
        for runner in runners:
            runner["repositoryRef"] = {"name": "web-github"}
    # The samples have a provider of GitLab already, for its pipelines.
    row, name = HOSTS[host], f"{host.lower()}-scm"
    values = {
        "sandbox": provider["spec"][GITHUB]["domain"].removesuffix("/github"),
        "name": repository["spec"][GITHUB]["name"],
    }
    new_secret, new_provider = copy.deepcopy(secret), copy.deepcopy(provider)
    new_secret["metadata"]["name"] = f"{name}-token"
    new_secret["stringData"] = dict(row.secret)
    new_provider["metadata"]["name"] = name
    new_provider["spec"] |= {"secretRef": {"name": f"{name}-token"}, host: _filled(row.provider, values)}
    del new_provider["spec"][GITHUB]
    rest = {key: value for key, value in repository["spec"].items() if key not in (GITHUB, "scmProviderRef")}
    repository["spec"] = {"scmProviderRef": {"name": name}, host: _filled(row.repository, values), **rest}
    at = moved.index(secret)
    kept = moved[at:] if runners else [one for one in moved[at:] if one is not provider and one is not secret]
    return [*moved[:at], new_secret, new_provider, *kept]


def clone_url(host: str, repository: str) -> str:
    """Return what Argo CD's sources name."""
    if host == GITHUB:
        return REPOSITORY_URL.replace(REPOSITORY, f"acme/{repository}")
    return HOSTS[host].clone_url.format(name=repository)


def _of(documents: Sequence[Document], kind: str) -> Iterator[Document]:
    yield from (one for one in documents if one["kind"] == kind)


def _named(documents: Sequence[Document], kind: str, name: str) -> Document:
    return next(one for one in _of(documents, kind) if one["metadata"]["name"] == name)


def _filled(block: Mapping[str, str], values: Mapping[str, str]) -> Document:
    return {key: text.format(**values) for key, text in block.items()}
