"""What a repository begins with: its resources, observed only, and the tracker of one pull request."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from activities.discovery import tracker_name
from crds.api.ports import ApiConflict, Document, resource_of
from crds.fields import NAME_MAX_LENGTH, NAME_PATTERN
from crds.group import API_VERSION
from crds.resource import Resource
from crds.rules.field_errors import errors_of, summarize
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository, RepositoryMode
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.scm_host import ScmHost
from crds.v1alpha1.scm_provider import ScmProvider
from worker.cli.exits import CliError, ExitCode
from worker.cli.session import Session, parse

_OWNERS = {
    ScmHost.GITLAB: "namespace",
    ScmHost.BITBUCKET_DATA_CENTER: "project",
    ScmHost.AZURE_DEVOPS: "project",
}
"""What a host calls the owner of a repository, where it is not `owner`."""
_NESTED = (ScmHost.GITLAB,)
"""Hosts whose owners have groups of their own."""
_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True, kw_only=True)
class KnownRepository:
    """What is known of a repository when it begins."""

    host: str
    repository: str
    name: str
    domain: str
    organization: str
    branch: str
    environments: tuple[str, ...]
    argocd: str
    project: str
    namespace: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the Secrets that the resources name."""
        return (f"{self.host.lower()}-token", "argocd-token")


def resources(wanted: KnownRepository) -> tuple[Document, ...]:
    """Build the resources. Raises CliError with USAGE for what cannot be declared so."""
    host = next((one for one in ScmHost if one.value.lower() == wanted.host.lower()), None)
    if host is None:
        known = ", ".join(one.value for one in ScmHost)
        raise CliError(f"`{wanted.host}` is no SCM host; known are {known}", code=ExitCode.USAGE)
    owner, _, hosted = wanted.repository.rpartition("/")
    if not owner or not hosted:
        raise CliError(f"`{wanted.repository}` is no OWNER/NAME", code=ExitCode.USAGE)
    if not wanted.argocd.startswith(("http://", "https://")):
        raise CliError(f"--argocd: `{wanted.argocd}` is no http(s) URL", code=ExitCode.USAGE)
    if "/" in owner and host not in _NESTED:
        text = f"`{wanted.repository}` is no OWNER/NAME: only at GitLab an owner has several parts"
        raise CliError(text, code=ExitCode.USAGE)
    name, provider = _name(wanted, hosted), host.value.lower()
    for one, count in Counter(wanted.environments).items():
        _named(one, "--environment")
        if count > 1:
            raise CliError(f"environment `{one}` is named {count} times: name each once", code=ExitCode.USAGE)
    scm_secret, argocd_secret = wanted.secrets
    block = {"domain": wanted.domain, "organization": wanted.organization}
    declared: list[tuple[type[Resource], str, dict[str, Any]]] = [
        (
            ScmProvider,
            provider,
            {host.value: {key: value for key, value in block.items() if value}, "secretRef": {"name": scm_secret}},
        ),
        (
            GitRepository,
            name,
            {
                "scmProviderRef": {"name": provider},
                host.value: {_OWNERS.get(host, "owner"): owner, "name": hosted},
                "mode": RepositoryMode.OBSERVE.value,
                "discovery": {
                    "baseBranches": [{"baseBranch": wanted.branch, "environment": wanted.environments[0]}],
                },
            },
        ),
        (ArgoCDInstance, "argocd", {"server": wanted.argocd, "secretRef": {"name": argocd_secret}}),
        *((Environment, one, _environment(wanted, name, one)) for one in wanted.environments),
    ]
    return tuple(_checked(kind, one, spec, wanted.namespace) for kind, one, spec in declared)


def _name(wanted: KnownRepository, hosted: str) -> str:
    """Return the name of the GitRepository. Raises CliError with USAGE where it can be none."""
    if wanted.name:
        return _named(wanted.name, "--name")
    if _fits(hosted.lower()):
        return hosted.lower()
    usable = re.sub(r"[^a-z0-9]+", "-", hosted.lower())[:NAME_MAX_LENGTH].strip("-")
    advice = f"name it with --name {usable}" if usable else "name it with --name"
    raise CliError(f"`{hosted}` cannot be the name of a resource", code=ExitCode.USAGE, advice=advice)


def _fits(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and len(name) <= NAME_MAX_LENGTH


def _named(name: str, option: str) -> str:
    if not _fits(name):
        text = f"{option}: `{name}` cannot be the name of a resource: lowercase letters, digits and `-`"
        raise CliError(f"{text}, at most {NAME_MAX_LENGTH} characters", code=ExitCode.USAGE)
    return name


def _environment(wanted: KnownRepository, name: str, environment: str) -> dict[str, Any]:
    deployment = {
        "name": name,
        "repositoryRef": {"name": name},
        "argocd": {
            "instanceRef": {"name": "argocd"},
            "project": wanted.project,
            "application": f"{name}-{environment}",
        },
    }
    final = {"final": True} if environment == wanted.environments[-1] else {}
    return {**final, "deployments": [deployment]}


def _checked(kind: type[Resource], name: str, spec: dict[str, Any], namespace: str) -> Document:
    """Return the document as it was written, once its type has taken it."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    document = {"apiVersion": API_VERSION, "kind": kind.definition.kind, "metadata": metadata, "spec": spec}
    try:
        kind.from_wire(document)
    except ValidationError as error:
        found = summarize(errors_of(error))
        raise CliError(f"{kind.definition.kind} {name}: {found}", code=ExitCode.USAGE) from error
    return document


async def make_tracker(
    session: Session, number: int, *, repository: str | None, environment: str | None, dry_run: bool = False
) -> Document:
    """Create the tracker of a pull request. Raises CliError where one is there, or it is not clear what is meant."""
    declared = await _repository(session, repository)
    place = environment or await _first_environment(session, declared)
    name = tracker_name(declared.metadata.name, number)
    document = {
        "apiVersion": API_VERSION,
        "kind": PullRequestTracker.definition.kind,
        "metadata": {"name": name, "namespace": session.namespace},
        "spec": {"repositoryRef": {"name": declared.metadata.name}, "number": number, "environment": place},
    }
    try:
        resource = resource_of(PullRequestTracker.definition)
        return await session.kubernetes.create(resource, session.namespace, document, dry_run=dry_run)
    except ApiConflict as error:
        raise CliError(
            f"{name} is there already", advice=f"`{session.command('show', name)}` shows where it is"
        ) from error


async def _repository(session: Session, name: str | None) -> GitRepository:
    if name is not None:
        return await session.read(GitRepository, name)
    found = [parse(GitRepository, one) for one in await session.documents(GitRepository)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise CliError(
            f"there is no GitRepository in namespace {session.namespace}",
            code=ExitCode.NOT_FOUND,
            advice=f"`{session.command('init')} HOST OWNER/NAME` prints one with all that it needs",
        )
    names = _names([one.metadata.name for one in found])
    raise CliError(
        f"there are {len(found)} GitRepositories in namespace {session.namespace}{names}",
        code=ExitCode.USAGE,
        advice="name the one that you mean with --repository",
    )


async def _first_environment(session: Session, repository: GitRepository) -> str:
    """Return where a change of a repository is first deployed: as `discovery` names it, else by the policies.

    Raises CliError where that may be several environments, or none.
    """
    discovery = repository.spec.discovery
    found = sorted({one.environment for one in discovery.base_branches}) if discovery is not None else []
    if not found:
        name = repository.metadata.name
        policies = [parse(PromotionPolicy, one).spec for one in await session.documents(PromotionPolicy)]
        ours = [one for one in policies if not one.repository_refs or name in {ref.name for ref in one.repository_refs}]
        found = sorted({one.source_environment for one in ours} - {one.target_environment for one in ours})
    if len(found) == 1:
        return found[0]
    raise CliError(
        f"where the change is first deployed is not clear{_names(found)}",
        code=ExitCode.USAGE,
        advice="name the environment with --environment",
    )


def _names(names: Sequence[str]) -> str:
    return f": {', '.join(names)}" if names else ""
