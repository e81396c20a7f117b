"""Check each resource's credential, again when the resource or a dependency changes."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NamedTuple, Protocol

from activities.models.credential_checks import CheckedResource
from crds.api.reflector import Key, ObjectChange
from crds.resource import Resource
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.kinds import CONNECTED
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from worker.watcher.owed import taking
from worker.watcher.queue import KeyedQueue


class CredentialChecks(Protocol):
    """Have connections checked. Every method may be repeated and raises WorkflowsUnavailable, nothing else."""

    async def request_check(self, connection: CheckedResource, generation: int) -> None:
        """Request a check of a new generation; start the workflow where none runs."""

    async def ensure(self, connection: CheckedResource, generation: int) -> None:
        """Start the workflow where none runs; a running one gets no signal."""

    async def poke(self, connection: CheckedResource, generation: int) -> None:
        """Request a check at once, whatever is known."""

    async def signal_gone(self, connection: CheckedResource) -> None:
        """Signal the workflow so that it ends when its resource is gone."""


class Item(NamedTuple):
    """Name one resource in the queue."""

    kind: type[Resource]
    key: Key

    def __str__(self) -> str:
        return f"{self.kind.definition.kind} {self.key}"


class CredentialCheckController:
    """Keep one workflow per connection. Two controllers may share a cluster: what one signals may be repeated."""

    def __init__(
        self,
        *,
        checks: CredentialChecks,
        declared: Callable[[type[Resource]], Mapping[Key, Resource]],
        has_synced: Callable[[], bool],
    ) -> None:
        self._checks = checks
        self._declared = declared
        self._has_synced = has_synced
        self._sent: dict[str, int] = {}
        """The generation that each workflow was sent, by uid."""
        self._poked: set[Item] = set()
        self._gone: dict[Item, list[CheckedResource]] = {}
        self.queue: KeyedQueue[Item] = KeyedQueue(
            name="connections", handle=self.handle, namespace_of=lambda item: item.key.namespace
        )

    def follow(self, kind: type[Resource], change: ObjectChange[Resource]) -> None:
        """Take note of a resource that was seen, changed, went, or is looked at once more."""
        if kind not in CONNECTED:
            return
        item, old, new = Item(kind, change.key), change.old, change.new
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._gone.setdefault(item, []).append(_connection(item, old))
        self.queue.add(item)
        # At the first listing everything is new: what depends on it is checked by its own clock.
        if old != new and self._has_synced():
            for dependent in self._dependents(item):
                self._poked.add(dependent)
                self.queue.add(dependent)

    async def handle(self, item: Item) -> timedelta | None:
        """Signal the workflow of one resource what it needs."""
        while gone := self._gone.get(item):
            await self._checks.signal_gone(gone[0])
            self._sent.pop(gone.pop(0).uid, None)
        self._gone.pop(item, None)
        resource = self._declared(item.kind).get(item.key)
        if resource is None:
            self._poked.discard(item)
            return None
        connection, generation = _connection(item, resource), resource.metadata.generation
        if item in self._poked:
            with taking(self._poked, item):
                await self._checks.poke(connection, generation)
        if self._sent.get(connection.uid) == generation:
            await self._checks.ensure(connection, generation)
        else:
            await self._checks.request_check(connection, generation)
            self._sent[connection.uid] = generation
        return None

    def _dependents(self, item: Item) -> set[Item]:
        """Find what is opened by way of this resource: repositories of a provider, runners of a repository."""
        if item.kind is GitRepository:
            return self._runners({item.key})
        if item.kind not in (ScmProvider, ClusterScmProvider):
            return set()
        keys = {
            key
            for key, one in self._declared(GitRepository).items()
            if isinstance(one, GitRepository)
            and one.spec.scm_provider_ref.kind.value == item.kind.definition.kind
            and one.spec.scm_provider_ref.name == item.key.name
            and item.key.namespace in ("", key.namespace)
        }
        return {Item(GitRepository, key) for key in keys} | self._runners(keys)

    def _runners(self, repositories: set[Key]) -> set[Item]:
        found: set[Item] = set()
        for key, one in self._declared(TestRunner).items():
            hosted = one.spec.hosted if isinstance(one, TestRunner) else None
            if hosted is not None and Key(key.namespace, hosted.repository_ref.name) in repositories:
                found.add(Item(TestRunner, key))
        return found


def _connection(item: Item, resource: Resource) -> CheckedResource:
    return CheckedResource(
        kind=item.kind.definition.kind,
        namespace=item.key.namespace,
        name=item.key.name,
        uid=resource.metadata.uid or "",
    )
