"""Mirror what webhooks are looked up in: trackers, and what is declared of hosts, CI systems and places."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from crds.api.ports import Document, Kubernetes, resource_of
from crds.api.reflector import Key, ObjectChange, Reflector
from crds.resource import Resource
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.scm_host import ScmHost
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from providers.webhooks.events import RepositoryName
from worker.receiver.entries import (
    DeploymentEntry,
    EnvironmentEntry,
    RepositoryEntry,
    RunnerEntry,
    TrackerEntry,
    read_environment,
    read_provider,
    read_repository,
    read_runner,
    read_tracker,
    read_uid,
)
from worker.receiver.marked import Marked

T = TypeVar("T")


class Mirrors:
    """Keep a little of each object, of all namespaces or of those given; cluster-scoped ones only with all."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        *,
        namespaces: Sequence[str] = (),
        on_watch_restart: Callable[[str, str], None] = lambda resource, reason: None,
    ) -> None:
        self._kubernetes = kubernetes
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._on_watch_restart = on_watch_restart
        self._all: list[Reflector[Any]] = []
        self._followers: list[Callable[[ObjectChange[TrackerEntry]], None]] = []
        self._trackers = self._mirror(PullRequestTracker, read_tracker, self._notify)
        self._named = Marked(_names_of_repository)
        self._deployed = Marked(_applications_of)
        self._reconciled = Marked(_kustomizations_of)
        self._repositories = self._mirror(GitRepository, read_repository, self._named.follow)
        self._providers = self._mirror(ScmProvider, read_provider)
        self._shared_providers = [] if namespaces else self._mirror(ClusterScmProvider, read_provider)
        self._runners = self._mirror(TestRunner, read_runner)
        self._instances = self._mirror(ArgoCDInstance, read_uid)
        self._environments = self._mirror(Environment, read_environment, self._follow_environment)

    @property
    def has_synced(self) -> bool:
        """Whether every kind was listed completely at least once."""
        return all(mirror.has_synced for mirror in self._all)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for mirror in self._all:
                tasks.create_task(mirror.run(), name=f"mirror {mirror.resource.plural}")

    def follow_trackers(self, follower: Callable[[ObjectChange[TrackerEntry]], None]) -> None:
        """Have a follower called for each change of a tracker, after it was stored."""
        self._followers.append(follower)

    def tracker(self, key: Key) -> TrackerEntry | None:
        return _find(self._trackers, key)

    def repository(self, key: Key) -> RepositoryEntry | None:
        return _find(self._repositories, key)

    def provider(self, key: Key) -> ScmHost | None:
        """Return the host of a provider; that of a ClusterScmProvider for a key without a namespace."""
        return _find(self._providers if key.namespace else self._shared_providers, key)

    def runner(self, key: Key) -> RunnerEntry | None:
        return _find(self._runners, key)

    def instance(self, key: Key) -> str | None:
        """Return the uid of an instance."""
        return _find(self._instances, key)

    def repositories(self, named: RepositoryName) -> Iterator[tuple[Key, RepositoryEntry]]:
        """Yield the repositories that have this name, or this number, wherever they are."""
        marks = [named.full_name.lower(), *([named.project_id] if named.project_id else [])]
        for key in sorted({key for mark in marks for key in self._named.at(mark)}):
            if (found := self.repository(key)) is not None:
                yield key, found

    def deployments(self, namespace: str, instance: str, application: str) -> Iterator[tuple[Key, DeploymentEntry]]:
        """Yield what may mean this application, with its Environment; what a selector means, only Argo CD knows."""
        for name in (application, ""):
            for key in sorted(self._deployed.at((namespace, instance, name))):
                found = _find(self._environments, key)
                yield from ((key, one) for one in (found.argocd if found else {}).get((instance, name), ()))

    def awaits_flux(self, namespace: str) -> bool:
        """Return whether Flux deploys anything to the Environments of a namespace."""
        return bool(self._reconciled.at((namespace,)))

    def brought_by_flux(self, namespace: str, cluster: str, kustomization: str) -> Iterator[tuple[Key, str]]:
        """Yield the Environments that name a Kustomization, each with a GitRepository of it; of all without a cluster.

        The cluster is the Secret of the namespace that it signs with.
        """
        named = cluster, kustomization
        for key in sorted(self._reconciled.at((namespace if cluster else "", *named))):
            found = _find(self._environments, key)
            yield from ((key, repository) for repository in sorted((found.flux if found else {}).get(named, ())))

    def _follow_environment(self, change: ObjectChange[EnvironmentEntry]) -> None:
        self._deployed.follow(change)
        self._reconciled.follow(change)

    def _notify(self, change: ObjectChange[TrackerEntry]) -> None:
        for follower in self._followers:
            follower(change)

    def _mirror(
        self,
        kind: type[Resource],
        project: Callable[[Document], T],
        on_change: Callable[[ObjectChange[T]], None] = lambda change: None,
    ) -> list[Reflector[T]]:
        resource = resource_of(kind.definition)
        mirrors = [
            Reflector(
                kubernetes=self._kubernetes,
                resource=resource,
                namespace=namespace,
                project=project,
                on_change=on_change,
                on_restart=lambda reason: self._on_watch_restart(resource.plural, reason),
            )
            for namespace in self._namespaces
        ]
        self._all += mirrors
        return mirrors


def _names_of_repository(_key: Key, repository: RepositoryEntry) -> tuple[str | int, ...]:
    number = (repository.project_id,) if repository.project_id else ()
    return (repository.full_name, *number)


def _applications_of(key: Key, environment: EnvironmentEntry) -> Iterator[tuple[str, str, str]]:
    return ((key.namespace, instance, application) for instance, application in environment.argocd)


def _kustomizations_of(key: Key, environment: EnvironmentEntry) -> Iterator[tuple[str, ...]]:
    for cluster, kustomization in environment.flux:
        yield (key.namespace if cluster else "", cluster, kustomization)
        yield (key.namespace,)


def _find(mirrors: Sequence[Reflector[T]], key: Key) -> T | None:
    return next((found for mirror in mirrors if (found := mirror.objects.get(key)) is not None), None)
