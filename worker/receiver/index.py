"""Find the workflows that a webhook concerns, in mirrors of the declared resources and of the trackers.

What a webhook reports is looked up, never believed: a pull request that no tracker names, a run that no test waits for
and an application that no one deploys concern no workflow. A run is found by its promotion key or its address, as the
status of its tracker shows them; a run that ends before that status was seen is remembered for a while, and found then.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from activities.models.drift import InstanceRef
from activities.models.repository_sync import RepositoryRef
from activities.models.tracking import TrackerRef
from crds.api.reflector import Key, ObjectChange
from crds.v1alpha1.git_repository import ProviderKind
from providers.webhooks.events import (
    ApplicationNotice,
    InstructionNotice,
    Notice,
    PullRequestNotice,
    RepositoryName,
    RepositoryNotice,
    RunNotice,
)
from worker.receiver import hooks
from worker.receiver.entries import OpenRun, RepositoryEntry, TrackerEntry, plain_url
from worker.receiver.hooks import Hook
from worker.receiver.marked import Marked
from worker.receiver.mirrors import Mirrors

TARGETS_OF_NAMESPACE = 1000
"""Workflows that one delivery pokes."""
EARLY_SECONDS = 30.0
"""How long a run is remembered that ended before any status showed it."""
EARLY_LIMIT = 1000
EARLY_OF_NAMESPACE = 250
"""Of those; a namespace with more reports forgets its own."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Name an EnvironmentWorkflow."""

    namespace: str
    environment: str
    repository: str


@dataclass(frozen=True, kw_only=True)
class Instructed:
    """Name a tracker on whose pull request somebody labelled or wrote."""

    tracker: TrackerRef
    by: str
    """As the host names the account."""

    @property
    def namespace(self) -> str:
        return self.tracker.namespace


Target: TypeAlias = TrackerRef | Place | RepositoryRef | InstanceRef | Instructed
"""A workflow that can be poked."""


class Index:
    """Know which trackers follow a pull request, wait for a run or are on their way through a repository."""

    def __init__(self, mirrors: Mirrors, poke: Callable[[Target], object]) -> None:
        """Take what pokes a tracker whose run ended before it was known."""
        self._mirrors = mirrors
        self._poke = poke
        self._by_pull = Marked(_pull_requests_of)
        self._by_run = Marked(_runs_of)
        self._on_the_way = Marked(_way_of)
        self._early: OrderedDict[tuple[Hook, str], float] = OrderedDict()
        mirrors.follow_trackers(self._follow)

    def targets(self, hook: Hook, notices: Iterable[Notice]) -> tuple[Target, ...]:
        """Return the workflows that a delivery to a resource's address concerns, each once.

        A run that no test waits for is remembered: its tracker may show it soon.
        """
        notices = tuple(notices)
        for notice in notices:
            if isinstance(notice, RunNotice) and not any(self._of(hook, notice)):
                self._remember(hook, _marks_of(notice))
        return self.waiting(hook, notices)

    def waiting(self, hook: Hook, notices: Iterable[Notice]) -> tuple[Target, ...]:
        """Return the same, as far as the mirrors show it now; what a namespace has beyond the limit looks by itself."""
        found: dict[Target, None] = {}
        held: Counter[str] = Counter()
        for target in (target for notice in notices for target in self._of(hook, notice)):
            if target not in found and held[target.namespace] < TARGETS_OF_NAMESPACE:
                found[target] = None
                held[target.namespace] += 1
        return tuple(found)

    def _of(self, hook: Hook, notice: Notice) -> Iterator[Target]:
        match notice:
            case PullRequestNotice():
                yield from self._of_pull_request(hook, notice)
            case RepositoryNotice():
                yield from self._of_repository(hook, notice)
            case InstructionNotice():
                yield from self._of_instruction(hook, notice)
            case RunNotice():
                yield from self._of_run(hook, notice)
            case ApplicationNotice():
                yield from self._of_application(hook, notice)

    def _of_pull_request(self, hook: Hook, notice: PullRequestNotice) -> Iterator[Target]:
        for key, one in self._repositories(hook, notice.repository):
            listed = one.discovers
            for tracker in self._trackers(self._by_pull.at((key.namespace, key.name, notice.number))):
                if not tracker.merged or (key.name, notice.number) in tracker.awaited:
                    yield tracker.ref
                # What else is news of it, such as a label, is in the repository's list; its end was seen already.
                listed = listed or (tracker.merged and not notice.ended)
            if listed:
                yield _followed(key, one)

    def _of_repository(self, hook: Hook, notice: RepositoryNotice) -> Iterator[Target]:
        for key, one in self._repositories(hook, notice.repository):
            if one.discovers or self._on_the_way.at((key.namespace, key.name)):
                yield _followed(key, one)

    def _of_instruction(self, hook: Hook, notice: InstructionNotice) -> Iterator[Target]:
        for key, _ in self._repositories(hook, notice.repository):
            for tracker in self._trackers(self._by_pull.at((key.namespace, key.name, notice.number))):
                yield Instructed(tracker=tracker.ref, by=notice.by)

    def _of_run(self, hook: Hook, notice: RunNotice) -> Iterator[Target]:
        for mark in _marks_of(notice):
            for tracker in self._trackers(self._by_run.at(mark)):
                if self._waits(tracker, mark, hook):
                    yield tracker.ref

    def _of_application(self, hook: Hook, notice: ApplicationNotice) -> Iterator[Target]:
        uid = self._mirrors.instance(Key(hook.namespace, hook.name))
        for key, one in self._mirrors.deployments(hook.namespace, hook.name, notice.name):
            if notice.project not in ("", one.project):
                continue
            if uid is not None:
                # Looks for drift, where anything that was promoted there is watched.
                yield InstanceRef(namespace=hook.namespace, name=hook.name, uid=uid)
            if self._on_the_way.at((hook.namespace, one.repository)):
                yield Place(namespace=key.namespace, environment=key.name, repository=one.repository)

    def _repositories(self, hook: Hook, named: RepositoryName) -> Iterator[tuple[Key, RepositoryEntry]]:
        """Yield the repositories that a resource's webhooks may be about, of those that are so named."""
        for key, one in self._candidates(hook, named):
            if _belongs(hook, key, one) and _is_named(one, named):
                yield key, one

    def _candidates(self, hook: Hook, named: RepositoryName) -> Iterator[tuple[Key, RepositoryEntry]]:
        if hook.kind != hooks.GIT_REPOSITORY:
            yield from self._mirrors.repositories(named)
        elif (found := self._mirrors.repository(Key(hook.namespace, hook.name))) is not None:
            yield Key(hook.namespace, hook.name), found

    def _trackers(self, keys: Iterable[Key]) -> Iterator[TrackerEntry]:
        for key in sorted(keys):
            tracker = self._mirrors.tracker(key)
            if tracker is not None and not tracker.over:
                yield tracker

    def _waits(self, tracker: TrackerEntry, mark: str, hook: Hook) -> bool:
        """Return whether a test of the tracker waits for this run, at a system whose webhooks come to this address."""
        return any(
            mark in (run.key, run.url) and self._runs_at(tracker.ref.namespace, run, hook) for run in tracker.runs
        )

    def _runs_at(self, namespace: str, run: OpenRun, hook: Hook) -> bool:
        if hook.kind == hooks.TEST_RUNNER:
            return (namespace, run.runner) == (hook.namespace, hook.name)
        runner = self._mirrors.runner(Key(namespace, run.runner))
        if runner is None or not runner.repository:
            return False
        repository = self._mirrors.repository(Key(namespace, runner.repository))
        return repository is not None and _belongs(hook, Key(namespace, runner.repository), repository)

    def _remember(self, hook: Hook, marks: Iterable[str]) -> None:
        now = time.monotonic()
        for mark in marks:
            self._early[hook, mark] = now
            self._early.move_to_end((hook, mark))
        own = [key for key in self._early if key[0].shard == hook.shard]
        for key in own[: max(0, len(own) - EARLY_OF_NAMESPACE)]:
            del self._early[key]
        while self._early and (len(self._early) > EARLY_LIMIT or self._is_old(next(iter(self._early.values())), now)):
            self._early.popitem(last=False)

    def _is_old(self, at: float, now: float) -> bool:
        return now - at > EARLY_SECONDS

    def _follow(self, change: ObjectChange[TrackerEntry]) -> None:
        for table in (self._by_pull, self._by_run, self._on_the_way):
            table.follow(change)
        if change.new is not None and not change.new.over:
            self._catch_up(change.old, change.new)

    def _catch_up(self, old: TrackerEntry | None, new: TrackerEntry) -> None:
        """Poke a tracker whose status shows a run that is known to have ended."""
        news = set(_marks(new)) - set(_marks(old) if old is not None else ())
        if not news or not self._early:
            return
        now = time.monotonic()
        for (hook, mark), at in list(self._early.items()):
            if mark in news and not self._is_old(at, now) and self._waits(new, mark, hook):
                del self._early[hook, mark]
                self._poke(new.ref)


def _pull_requests_of(_key: Key, tracker: TrackerEntry) -> tuple[tuple[str, str, int], ...]:
    if tracker.over:
        return ()
    named = ((tracker.repository, tracker.number), *tracker.awaited)
    return tuple((tracker.ref.namespace, repository, number) for repository, number in named)


def _way_of(_key: Key, tracker: TrackerEntry) -> tuple[tuple[str, str], ...]:
    return () if tracker.over else ((tracker.ref.namespace, tracker.repository),)


def _runs_of(_key: Key, tracker: TrackerEntry) -> tuple[str, ...]:
    return () if tracker.over else _marks(tracker)


def _marks(tracker: TrackerEntry) -> tuple[str, ...]:
    return tuple(mark for run in tracker.runs for mark in (run.key, run.url) if mark)


def _marks_of(notice: RunNotice) -> tuple[str, ...]:
    return tuple(mark for mark in (plain_url(notice.url), *notice.keys) if mark)


def _followed(key: Key, repository: RepositoryEntry) -> RepositoryRef:
    """Name the workflow that follows a repository's list."""
    return RepositoryRef(namespace=key.namespace, name=key.name, uid=repository.uid)


def _belongs(hook: Hook, key: Key, repository: RepositoryEntry) -> bool:
    """Return whether webhooks to this address may be about this repository."""
    match hook.kind:
        case hooks.GIT_REPOSITORY:
            return key == Key(hook.namespace, hook.name)
        case hooks.SCM_PROVIDER:
            owner = (ProviderKind.SCM_PROVIDER, key.namespace, repository.provider)
            return owner == (repository.provider_kind, hook.namespace, hook.name)
        case hooks.CLUSTER_SCM_PROVIDER:
            return (ProviderKind.CLUSTER_SCM_PROVIDER, hook.name) == (repository.provider_kind, repository.provider)
        case _:
            return False


def _is_named(repository: RepositoryEntry, named: RepositoryName) -> bool:
    if repository.project_id and named.project_id:
        return repository.project_id == named.project_id
    return repository.full_name == named.full_name.lower()
