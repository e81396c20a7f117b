"""RepositorySyncActivities: one look at what changed among a repository's pull requests, and what follows from it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import ValidationError
from temporalio import activity

from activities import discovery as rules
from activities.contracts import RepositorySyncActivities
from activities.failures import failure_from, reported
from activities.finished_trackers import FinishedTrackers
from activities.known_trackers import KnownTrackers
from activities.models.failures import BriefFailure
from activities.models.pull_requests_news import PullRequestNews
from activities.models.repository_sync import (
    Discovered,
    ListCursor,
    SyncRepositoryInput,
    SyncRepositoryResult,
    TidyRepositoryInput,
    TidyRepositoryResult,
)
from activities.models.tracking import TrackerRef
from activities.ports import NewsReceivers, Repository, ResourceOpener
from activities.pull_requests import to_pull_request
from activities.record_sinks import RecordSink
from activities.state_labels import LabelNames
from crds.api.live_trackers import TRACKERS, LiveTracker
from crds.api.mirror import read_same
from crds.api.ports import ApiConflict, ApiError, Kubernetes, resource_of
from crds.reasons.conditions import ConditionReason
from crds.reasons.problems import FailureKind
from crds.rules.repositories import older_rival, oldest_of
from crds.v1alpha1.git_repository import Discovery, GitRepository
from providers.callers import polling
from providers.errors import ProviderError, ProviderNotFound
from providers.pull_request_lists import ListedPullRequest

PAGES_PER_LOOK = 12
"""Pages of one look, each about a second; a longer list is read by several looks."""
READS_PER_LOOK = 20
"""Pull requests that one look reads one by one."""
_AT_ONCE = 10
_REPOSITORIES = resource_of(GitRepository.definition)


class RepositorySyncs(RepositorySyncActivities):
    """Look at lists of SCM hosts, signal promotions, and make trackers through the Kubernetes API."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        opener: ResourceOpener,
        receivers: NewsReceivers,
        sink: RecordSink,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kubernetes = kubernetes
        self._opener = opener
        self._receivers = receivers
        self._finished = FinishedTrackers(kubernetes, sink, clock)
        self._clock = clock

    @activity.defn
    @reported
    async def sync_repository(self, request: SyncRepositoryInput) -> SyncRepositoryResult:
        """List what changed, signal trackers and make those that `discovery` wants. Safe to retry.

        A tracker has one name and is made once; news that come twice change nothing.
        """
        declared = await self._declared(request.namespace, request.repository, request.uid)
        if declared is None:
            return SyncRepositoryResult(gone=True)
        repository = await self._opener.repository(request.namespace, request.repository)
        rival = await self._rival(declared) if declared.spec.discovery is not None else None
        look = _Look(
            kubernetes=self._kubernetes,
            receivers=self._receivers,
            repository=repository,
            declared=declared,
            discovery=declared.spec.discovery if rival is None else None,
            request=request,
            now=self._clock(),
        )
        with polling():
            await look.read()
            await look.follow_up()
        return look.result(rival.metadata.name if rival is not None else "")

    @activity.defn
    @reported
    async def tidy_repository(self, request: TidyRepositoryInput) -> TidyRepositoryResult:
        """Export and remove trackers that ended long ago, and return whether any are left. Safe to retry."""
        declared = await self._declared(request.namespace, request.repository, request.uid)
        if declared is None:
            return TidyRepositoryResult(gone=True)
        return await self._finished.tidy(declared, after=request.after)

    async def _declared(self, namespace: str, name: str, uid: str) -> GitRepository | None:
        """Return the resource; None where it is gone, or another one by now."""
        document = await read_same(self._kubernetes, _REPOSITORIES, namespace, name, uid)
        return GitRepository.from_wire(document) if document is not None else None

    async def _rival(self, declared: GitRepository) -> GitRepository | None:
        page = await self._kubernetes.list_all(_REPOSITORIES, declared.metadata.namespace)
        return older_rival(declared, oldest_of(_readable(page.items)))


def _readable(documents: Iterable[Mapping[str, object]]) -> Iterable[GitRepository]:
    """Yield what can be understood: what cannot names no repository."""
    for document in documents:
        try:
            yield GitRepository.from_wire(document)
        except ValidationError:
            continue


@dataclass(kw_only=True)
class _Look:
    """One look: first all pages are read, then what they led to is done."""

    kubernetes: Kubernetes
    receivers: NewsReceivers
    repository: Repository
    declared: GitRepository
    discovery: Discovery | None
    request: SyncRepositoryInput
    now: datetime
    listed: dict[int, ListedPullRequest] = field(default_factory=dict)
    calls: int = 0
    reads: int = 0
    unchanged: bool = False
    signalled: int = 0
    made: list[str] = field(default_factory=list)
    failures: list[BriefFailure] = field(default_factory=list)
    refused: str = ""
    full: bool = False
    """Whether there was no room for another tracker."""

    def __post_init__(self) -> None:
        self.cursor = rules.begin(self.request.cursor, self.discovery, self.now)
        self.memory = rules.Memory.of(self.request.remembered)
        if self.cursor.since is None and not self.cursor.following:
            # What was sent is looked at once more, for what is wanted now.
            self.memory.seen.clear()
            if self.cursor.wanted != self.request.cursor.wanted:
                self.memory.later.clear()
                self.memory.matched.clear()
        self.began_here = not self.cursor.following
        host = self.repository.host
        self.trackers = KnownTrackers(
            kubernetes=self.kubernetes,
            namespace=self.request.namespace,
            repository=self.declared.metadata.name,
            names=LabelNames(prefix=self.repository.label_prefix, case=host.capabilities.label_case),
            listed=self.listed,
        )

    async def read(self) -> None:
        """Read page after page, as far as one look goes."""
        lists, since = self.repository.host.pull_request_lists, self.cursor.since
        back_to = since - rules.OVERLAP if since is not None else None
        while self.calls < PAGES_PER_LOOK:
            page = await lists.page(since=back_to, following=self.cursor.following, etag=self.cursor.etag)
            self.calls += 1
            if page.unchanged:
                self.unchanged = True
                return
            if page.unreadable:
                self.failures.append(
                    BriefFailure(kind=FailureKind.MALFORMED, message=page.unreadable, object="list of pull requests")
                )
            recent = [
                one for one in page.pull_requests if back_to is None or not lists.by_update or one.updated_at >= back_to
            ]
            self.listed.update({one.change.number: one for one in recent if one.change.number not in self.listed})
            self.cursor = rules.after_page(self.cursor, recent, page.following, page.etag, now=self.now)
            if not page.following:
                return

    async def follow_up(self) -> None:
        """Do what the news led to, and what earlier looks left."""
        news = [one for one in self.listed.values() if self.memory.is_news(one.change)]
        # What is news is done with here, unless it fails again.
        for one in news:
            self.memory.is_done(one.change.number)
        alone = list(dict.fromkeys((*self.memory.later, *self._vanished())))
        if alone and self.discovery is not None and not await self._has_room():
            # What waits for room alone is not read again meanwhile.
            alone = [number for number in alone if not self.memory.may_be_made(number)]
        for number in alone[READS_PER_LOOK:]:
            self.memory.put_off(number)
        self.memory.tried.update(alone[:READS_PER_LOOK])
        news += [found for found in [await self._alone(number) for number in alone[:READS_PER_LOOK]] if found]
        await self.trackers.expect(len(news))
        gate = asyncio.Semaphore(_AT_ONCE)

        async def inform(one: ListedPullRequest) -> ListedPullRequest | None:
            async with gate:
                return await self._inform(one)

        untracked = await asyncio.gather(*map(inform, news))
        for one in sorted((one for one in untracked if one is not None), key=lambda one: one.change.number):
            await self._make(one)

    def result(self, rival: str) -> SyncRepositoryResult:
        """Return what was found and done, and what the next look is to know."""
        ended = not self.cursor.following
        if self.memory.may_read_again and ended:
            self.memory.read_again = False
            self.cursor = ListCursor(wanted=self.cursor.wanted)
        return SyncRepositoryResult(
            unchanged=self.unchanged,
            more=not ended and not self.unchanged,
            cursor=self.cursor,
            remembered=self.memory.kept(seen=self._seen(ended)),
            listed=len(self.listed),
            calls=self.calls,
            signalled=self.signalled,
            made=tuple(self.made),
            discovered=self._discovered(rival),
            failures=tuple(self.failures),
        )

    def _seen(self, ended: bool) -> set[int]:
        """State of which pull requests the last news are kept: of those that the next reading lists again."""
        if self.unchanged or not ended:
            return set(self.memory.seen)
        if not self.repository.host.pull_request_lists.by_update:
            return set(self.listed) if self.began_here else set(self.memory.seen)
        since = self.cursor.since
        return {
            number
            for number, one in self.listed.items()
            if since is not None and one.updated_at >= since - rules.OVERLAP
        }

    def _vanished(self) -> list[int]:
        """Return what was open, at a host whose list shows no more than what is open now."""
        whole = self.began_here and not self.cursor.following and not self.unchanged
        if self.repository.host.pull_request_lists.by_update or not whole:
            return []
        return self.memory.vanished([number for number, one in self.listed.items() if rules.is_open(one)])

    async def _alone(self, number: int) -> ListedPullRequest | None:
        """Read one pull request by itself; None where it is gone, or cannot be read now."""
        self.calls += 1
        self.reads += 1
        try:
            change = await self.repository.host.pull_requests.get(number)
        except ProviderNotFound:
            self.memory.is_done(number)
            self.memory.seen.pop(number, None)
            return None
        except ProviderError as error:
            self._failed(number, error)
            return None
        self.memory.is_done(number)
        labels = self.repository.host.capabilities.labels
        return self.memory.read_alone(change, self.listed.get(number), now=self.now, labels_listed=labels)

    async def _inform(self, one: ListedPullRequest) -> ListedPullRequest | None:
        """Send news to the pull request's tracker; return what has none."""
        number = one.change.number
        try:
            tracker = await self.trackers.find(one)
            if tracker is None:
                self.memory.seen[number] = rules.digest(one.change)
                return one
            # Whether or not it can be sent news now: it waits for no room.
            self.memory.made.add(number)
            if number not in self.trackers.shown:
                sent = one if one.whole else await self._whole(number)
                if sent is None:
                    return None
                await self._send(tracker, sent)
        except Exception as error:  # noqa: BLE001 -- one pull request's failure hides no other
            # Judged while its age is known: the next look may come when it is too old, or be shown no time.
            self.memory.environment_for(self.discovery, one, self.now)
            self._failed(number, error)
            return None
        # What was listed is compared with what is listed next time.
        self.memory.seen[number] = rules.digest(one.change)
        return None

    async def _whole(self, number: int) -> ListedPullRequest | None:
        """Read what a list leaves out; None where that is for the next look."""
        if self.reads >= READS_PER_LOOK:
            self.memory.put_off(number)
            return None
        return await self._alone(number)

    async def _send(self, tracker: LiveTracker, one: ListedPullRequest) -> None:
        reference = TrackerRef(
            namespace=self.request.namespace, name=tracker.name, uid=tracker.uid, attempt=tracker.attempt
        )
        news = PullRequestNews(
            pull_request=to_pull_request(one.change), listed_at=self.now, labels_listed=one.labels_listed
        )
        # A workflow that does not run yet reads the pull request when it begins.
        self.signalled += await self.receivers.send_news(reference, news)

    async def _make(self, one: ListedPullRequest) -> None:
        number, environment = one.change.number, self.memory.environment_for(self.discovery, one, self.now)
        if environment is None:
            return
        try:
            if not await self._has_room():
                self.memory.put_off(number)
                return
            await self._create(number, environment)
        except ApiError as error:
            self._failed(number, error)
            self.refused = str(error)
            return
        self.memory.made.add(number)

    async def _create(self, number: int, environment: str) -> None:
        document = rules.tracker_document(self.declared, number, environment)
        name = document["metadata"]["name"]
        try:
            created = await self.kubernetes.create(TRACKERS, self.request.namespace, document)
        except ApiConflict as error:
            if error.reason != "AlreadyExists":
                raise
            return
        self.made.append(name)
        self.trackers.add(created)

    async def _has_room(self) -> bool:
        if self.discovery is None:
            return False
        self.full = await self.trackers.count() >= self.discovery.max_trackers
        return not self.full

    def _failed(self, number: int, error: Exception) -> None:
        """Note a failure of one pull request, which the next look tries again."""
        self.memory.put_off(number)
        failure = failure_from(error)
        self.failures.append(BriefFailure(kind=failure.kind, message=failure.message, object=f"pull request #{number}"))

    def _discovered(self, rival: str) -> Discovered | None:
        """Return what became of what matches; None where there is no `discovery`."""
        wanted = self.declared.spec.discovery
        if wanted is None:
            return None
        reason, message = ConditionReason.DISCOVERED, ""
        if rival:
            reason = ConditionReason.CONFLICT
            message = f"GitRepository `{rival}` names the same repository, and is older: delete one of the two"
        elif self.refused:
            reason, message = ConditionReason.TRACKERS_REFUSED, self.refused
        elif self.full and any(map(self.memory.may_be_made, self.memory.later)):
            reason = ConditionReason.TOO_MANY_MATCHES
            message = (
                f"more pull requests match than may have a tracker at the same time ({wanted.max_trackers}): "
                "narrow `discovery`, or raise `discovery.maxTrackers`"
            )
        return Discovered(
            complete=reason is ConditionReason.DISCOVERED,
            reason=reason.value,
            message=message,
            generation=self.declared.metadata.generation,
        )
