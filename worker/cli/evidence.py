"""Read what `pilotage why` judges: the tracker and what it names. What cannot be read is shown, never an error."""

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from crds.ports import ApiError, ApiNotFound, resource_of
from crds.resource import Resource
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.test_runner import TestRunner
from worker.cli.session import Session, parse

AnyResource = TypeVar("AnyResource", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A tracker, what it names, and what could not be read."""

    tracker: PullRequestTracker
    repository: GitRepository | None
    source: Environment | None
    target: Environment | None
    policies: tuple[PromotionPolicy, ...]
    runners: tuple[TestRunner, ...]
    unreadable: tuple[str, ...]
    """One line per object that is missing or forbidden."""


async def gather(session: Session, tracker: PullRequestTracker) -> Evidence:
    """Read all of it at once."""
    problems: list[str] = []
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
    return Evidence(
        tracker=tracker,
        repository=repository,
        source=source,
        target=target,
        policies=matching,
        runners=tuple(runners),
        unreadable=tuple(problems),
    )


def _concerns(policy: PromotionPolicy, source: str, tracker: PullRequestTracker) -> bool:
    names = [reference.name for reference in policy.spec.repository_refs]
    return policy.spec.source_environment == source and (not names or tracker.spec.repository_ref.name in names)


async def _read(session: Session, model: type[AnyResource], name: str, problems: list[str]) -> AnyResource | None:
    try:
        document = await session.kubernetes.get(resource_of(model.definition), session.namespace, name)
    except ApiNotFound:
        problems.append(f"{model.definition.kind} {name}: not found in namespace {session.namespace}")
    except ApiError as error:
        problems.append(f"{model.definition.kind} {name}: {error.message}")
    else:
        return parse(model, document)
    return None


async def _list(session: Session, model: type[AnyResource], problems: list[str]) -> list[AnyResource]:
    try:
        return [parse(model, document) for document in await session.documents(model)]
    except ApiError as error:
        problems.append(f"{model.definition.plural}: {error.message}")
        return []
