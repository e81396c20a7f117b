"""Keep one workflow for each repository that has trackers or `discovery`."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from activities.models.repository_sync import RepositoryRef
from crds.api.reflector import Key, ObjectChange
from crds.resource import Resource
from crds.v1alpha1.git_repository import GitRepository
from worker.watcher.entries import TrackerEntry
from worker.watcher.queue import KeyedQueue


class RepositorySyncs(Protocol):
    """Reach RepositorySyncWorkflows. Every method may be repeated and raises WorkflowsUnavailable, nothing else."""

    async def ensure(self, repository: RepositoryRef) -> None:
        """Start the workflow where none runs; a running one gets no signal."""

    async def start_look(self, repository: RepositoryRef) -> None:
        """Have the workflow look at once; start it where none runs."""

    async def poke(self, repository: RepositoryRef) -> bool:
        """Have a running workflow look at once; False where none runs."""


class RepositorySyncController:
    """Start and poke. Two controllers may share a cluster: whatever one does may be repeated."""

    def __init__(self, *, syncs: RepositorySyncs, declared: Callable[[type[Resource]], Mapping[Key, Resource]]) -> None:
        self._syncs = syncs
        self._declared = declared
        self._trackers: Counter[Key] = Counter()
        """How many trackers there are of each repository."""
        self._gone: dict[Key, list[RepositoryRef]] = {}
        self._poked: dict[str, int] = {}
        """For which generation each workflow was poked last, by uid."""
        self.queue: KeyedQueue[Key] = KeyedQueue(
            name="repositories", handle=self.handle, namespace_of=lambda key: key.namespace
        )

    def follow(self, kind: type[Resource], change: ObjectChange[Resource]) -> None:
        """Take note of a repository that was seen, changed or went, or is looked at once more."""
        if kind is not GitRepository:
            return
        old, new = change.old, change.new
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._gone.setdefault(change.key, []).append(_reference(change.key, old))
        self.queue.add(change.key)

    def follow_tracker(self, change: ObjectChange[TrackerEntry]) -> None:
        """Take note of a repository's trackers. One that was created again may be of another repository."""
        before, after = _repository_of(change.old), _repository_of(change.new)
        if before == after:
            return
        if before is not None:
            self._trackers[before] -= 1
            if self._trackers[before] <= 0:
                del self._trackers[before]
        if after is not None:
            self._trackers[after] += 1
            self.queue.add(after)

    async def handle(self, key: Key) -> timedelta | None:
        """Have the workflow of one repository run, and look where what it is to do has changed."""
        while gone := self._gone.get(key):
            # It finds its resource gone, and ends.
            await self._syncs.poke(gone[0])
            self._poked.pop(gone.pop(0).uid, None)
        self._gone.pop(key, None)
        repository = self._declared(GitRepository).get(key)
        if not isinstance(repository, GitRepository):
            return None
        reference, generation = _reference(key, repository), repository.metadata.generation
        needed = repository.spec.discovery is not None or key in self._trackers
        if needed and self._poked.get(reference.uid) not in (None, generation):
            await self._syncs.start_look(reference)
        elif needed:
            # One that is started looks by itself, in moments.
            await self._syncs.ensure(reference)
        self._poked[reference.uid] = generation
        return None


def _repository_of(tracker: TrackerEntry | None) -> Key | None:
    return Key(tracker.namespace, tracker.repository) if tracker is not None else None


def _reference(key: Key, repository: Resource) -> RepositoryRef:
    return RepositoryRef(namespace=key.namespace, name=key.name, uid=repository.metadata.uid or "")
