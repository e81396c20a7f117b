"""Read what `pilotage why` judges: the tracker and what it names. What cannot be read is shown, never an error."""

import asyncio
from dataclasses import dataclass, field
from typing import TypeVar

from crds.api.ports import ApiError, ApiNotFound, resource_of
from crds.model import Scope
from crds.resource import Resource
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository, ProviderKind
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from worker.cli.session import Session, parse

AnyResource = TypeVar("AnyResource", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A tracker, what it names, and what could not be read."""

    tracker: PullRequestTracker
    source_name: str
    """Environment that the change comes from."""
    repository: GitRepository | None
    provider: ScmProvider | ClusterScmProvider | None
    source: Environment | None
    target: Environment | None
    policies: tuple[PromotionPolicy, ...]
    runners: tuple[TestRunner, ...]
    instances: tuple[ArgoCDInstance, ...]
    """Argo CD instances of both environments, by name."""
    missing: tuple[str, ...]
    """One line per object that is not there."""
    unreadable: tuple[str, ...]
    """One line per object or kind that could not be read; nothing is known of it, good or bad."""
    unlisted: frozenset[type[Resource]] = frozenset()
    """Kinds that could not be listed: that there is none of them is not known."""


@dataclass(kw_only=True)
class Problems:
    """What is not there and what could not be read, as it is found."""

    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unlisted: set[type[Resource]] = field(default_factory=set)


async def gather(session: Session, tracker: PullRequestTracker) -> Evidence:
    """Read all of it at once."""
    problems = Problems()
    status = tracker.status
    source_name = status.hop.source if status.hop else status.environment or tracker.spec.environment
    repository, source, policies, runners = await asyncio.gather(
        _read(session, GitRepository, tracker.spec.repository_ref.name, problems),
        _read(session, Environment, source_name, problems),
        _list(session, PromotionPolicy, problems),
        _list(session, TestRunner, problems),
    )
    matching = tuple(policy for policy in policies if _concerns(policy, source_name, tracker))
    targets = {status.hop.target} if status.hop else {policy.spec.target_environment for policy in matching}
    target = await _read(session, Environment, targets.pop(), problems) if len(targets) == 1 else None
    provider, instances = await asyncio.gather(
        _provider(session, repository, problems), _instances(session, tracker, (source, target), problems)
    )
    return Evidence(
        tracker=tracker,
        source_name=source_name,
        repository=repository,
        provider=provider,
        source=source,
        target=target,
        policies=matching,
        runners=tuple(runners),
        instances=instances,
        missing=tuple(problems.missing),
        unreadable=tuple(problems.unreadable),
        unlisted=frozenset(problems.unlisted),
    )


def _concerns(policy: PromotionPolicy, source: str, tracker: PullRequestTracker) -> bool:
    names = [reference.name for reference in policy.spec.repository_refs]
    return policy.spec.source_environment == source and (not names or tracker.spec.repository_ref.name in names)


async def _provider(
    session: Session, repository: GitRepository | None, problems: Problems
) -> ScmProvider | ClusterScmProvider | None:
    if repository is None:
        return None
    reference = repository.spec.scm_provider_ref
    if reference.kind is ProviderKind.CLUSTER_SCM_PROVIDER:
        return await _read(session, ClusterScmProvider, reference.name, problems)
    return await _read(session, ScmProvider, reference.name, problems)


async def _instances(
    session: Session, tracker: PullRequestTracker, places: tuple[Environment | None, ...], problems: Problems
) -> tuple[ArgoCDInstance, ...]:
    names = {
        deployment.argocd.instance_ref.name
        for place in places
        if place is not None
        for deployment in place.spec.deployments
        if deployment.argocd is not None and deployment.repository_ref.name == tracker.spec.repository_ref.name
    }
    found = await asyncio.gather(*(_read(session, ArgoCDInstance, name, problems) for name in sorted(names)))
    return tuple(instance for instance in found if instance is not None)


async def _read(session: Session, model: type[AnyResource], name: str, problems: Problems) -> AnyResource | None:
    namespace = session.namespace if model.definition.scope is Scope.NAMESPACED else None
    try:
        document = await session.kubernetes.get(resource_of(model.definition), namespace, name)
    except ApiNotFound:
        where = f" in namespace {namespace}" if namespace else ""
        problems.missing.append(f"{model.definition.kind} {name}: not found{where}")
    except ApiError as error:
        problems.unreadable.append(f"{model.definition.kind} {name}: {error.message}")
    else:
        return parse(model, document)
    return None


async def _list(session: Session, model: type[AnyResource], problems: Problems) -> list[AnyResource]:
    try:
        return [parse(model, document) for document in await session.documents(model)]
    except ApiError as error:
        problems.unreadable.append(f"{model.definition.plural}: {error.message}")
        problems.unlisted.add(model)
        return []
