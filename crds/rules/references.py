"""References within a set of resources that no other rule judges: what is not there, and hosts that do not fit."""

from collections.abc import Callable, Iterator, Mapping

from crds.reasons.conditions import ConditionReason
from crds.resource import Resource
from crds.rules.field_errors import FieldError
from crds.rules.promotion_policies import missing
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository, ProviderKind
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import HOSTED_BY, JenkinsRunner, TestRunner

Declared = Callable[[str], Mapping[str, Resource] | None]
"""Resources of a kind by name; None where it is not known what there is."""


def reference_errors(resource: Resource, declared: Declared) -> list[FieldError]:
    """Find references to what is not declared, and hosts that this version cannot use together."""
    match resource:
        case GitRepository():
            return list(_provider_errors(resource, declared))
        case TestRunner():
            return list(_runner_errors(resource, declared))
        case PullRequestTracker():
            repository = ("spec.repositoryRef.name", GitRepository.definition.kind, resource.spec.repository_ref.name)
            place = ("spec.environment", Environment.definition.kind, resource.spec.environment)
            return [*_absent(declared, *repository), *_absent(declared, *place)]
        case Environment():
            return list(_gate_errors(resource, declared))
        case _:
            return []


def _absent(declared: Declared, path: str, kind: str, name: str) -> Iterator[FieldError]:
    found = declared(kind)
    if found is not None and name not in found:
        yield missing(path, kind, name)


def _provider_errors(repository: GitRepository, declared: Declared) -> Iterator[FieldError]:
    path, reference = "spec.scmProviderRef.name", repository.spec.scm_provider_ref
    clustered = reference.kind is ProviderKind.CLUSTER_SCM_PROVIDER
    kind = (ClusterScmProvider if clustered else ScmProvider).definition.kind
    yield from _absent(declared, path, kind, reference.name)
    provider = (declared(kind) or {}).get(reference.name)
    if isinstance(provider, ScmProvider | ClusterScmProvider):
        theirs, ours = provider.spec.host, repository.spec.host
        if theirs is not ours:
            message = f"{kind} `{reference.name}` is of `{theirs.value}`, and the repository of `{ours.value}`"
            yield FieldError(path=path, message=message)


def _runner_errors(runner: TestRunner, declared: Declared) -> Iterator[FieldError]:
    """Actions and pipelines run at the host of their repository: at another one this version starts none."""
    for kind, block in runner.spec.blocks.items():
        if isinstance(block, JenkinsRunner):
            continue
        host, name = HOSTED_BY[kind], block.repository_ref.name
        path = f"spec.{kind.value}.repositoryRef.name"
        yield from _absent(declared, path, GitRepository.definition.kind, name)
        repository = (declared(GitRepository.definition.kind) or {}).get(name)
        if isinstance(repository, GitRepository) and repository.spec.host is not host:
            message = f"must be a repository of `{host.value}`; `{name}` is of `{repository.spec.host.value}`"
            yield FieldError(path=path, message=message)


def _gate_errors(environment: Environment, declared: Declared) -> Iterator[FieldError]:
    for index, test in enumerate(environment.spec.gates.tests):
        path = f"spec.gates.tests[{index}]"
        if test.runner_ref is not None:
            yield from _absent(declared, f"{path}.runnerRef.name", TestRunner.definition.kind, test.runner_ref.name)
        for position, reference in enumerate(test.repository_refs):
            named = f"{path}.repositoryRefs[{position}].name"
            yield from _absent(declared, named, GitRepository.definition.kind, reference.name)


def undeclared(error: FieldError) -> bool:
    """Return whether the error is that something is not there."""
    return error.reason is ConditionReason.REFERENCE_NOT_FOUND
