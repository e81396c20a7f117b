"""In-memory ports for activities: they keep state, count calls and fail on demand."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from activities import observing
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation
from activities.models.places import SendViewInput
from activities.models.pull_requests_news import PullRequestNews
from activities.models.reconciliations import Reconciliation
from activities.models.tracking import Component, RepositoryView, TrackerRef
from activities.ports import MissingReason, PlaceSilent, ReferenceMissing, Repository
from activities.record_sinks import RecordLine
from activities.targets import target_of
from crds.v1alpha1.environment_status import EnvironmentHold
from crds.v1alpha1.git_repository import RepositoryMode
from providers.application_models import (
    ApplicationPlace,
    ApplicationRef,
    ApplicationState,
    ApplicationTarget,
    SyncWindow,
)
from providers.argocd import targets
from providers.errors import ProviderBusy, ProviderConflict, ProviderError, ProviderNotFound
from providers.models import (
    Ancestry,
    Capabilities,
    ChangedFiles,
    ChangeState,
    Comment,
    CommitStatus,
    HostPullRequest,
    LabelLook,
    Origin,
    Run,
    RunPhase,
    RunReading,
)
from providers.ports import (
    NO_LOOKS,
    Branches,
    Checkable,
    DeploymentRecords,
    Deployments,
    PullRequestChanges,
    ScmHost,
    Steering,
    TestRuns,
)
from providers.pull_request_lists import ListedPullRequest, PullRequestPage, reaches

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
OLD = "a" * 40
NEW = "b" * 40
OTHER = "c" * 40


@dataclass
class Failing:
    """Raise the errors queued for an operation, one per call."""

    errors: dict[str, list[ProviderError]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def note(self, operation: str) -> None:
        """Note the call, and raise what is queued for it."""
        self.calls.append(operation)
        if queued := self.errors.get(operation):
            raise queued.pop(0)


@dataclass
class FakeReceivers:
    """Take news for promotions; those that are absent have no workflow that runs."""

    news: list[tuple[str, PullRequestNews]] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)
    errors: list[Exception] = field(default_factory=list)

    async def send_news(self, attempt: TrackerRef, news: PullRequestNews) -> bool:
        if self.errors:
            raise self.errors.pop(0)
        self.news.append((attempt.name, news))
        return attempt.name not in self.absent


@dataclass
class FakeSink:
    """Keep records; fails where it is set to."""

    lines: list[RecordLine] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    async def write(self, lines: Sequence[RecordLine]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.lines += lines


@dataclass
class Slots:
    """Let so many calls be in flight at a time; a further one is refused at once, as HttpClients does."""

    free: int

    async def hold(self) -> None:
        """Be in flight for a moment."""
        if not self.free:
            raise ProviderBusy("all slots are taken")
        self.free -= 1
        await asyncio.sleep(0)
        self.free += 1


@dataclass
class FakeScm(Failing):
    """One repository at a host that holds everything in memory."""

    change: HostPullRequest = field(
        default_factory=lambda: HostPullRequest(
            number=412,
            title="Add search",
            author="mona",
            url="https://scm.example/412",
            state=ChangeState.MERGED,
            head_sha=OLD,
            merge_sha=NEW,
            branch="search",
            base_branch="main",
            labels=(),
        )
    )
    changes_by_number: dict[int, HostPullRequest] = field(default_factory=dict)
    """Pull requests that are read next to `change`."""
    listed: tuple[ListedPullRequest, ...] = ()
    """The repository's list, in its order."""
    list_page: int = 30
    unreadable: str = ""
    """What of each page cannot be read."""
    lists_by_update: bool = True
    files: tuple[str, ...] = ()
    lists_all_files: bool = True
    commits: tuple[str, ...] = (OLD, NEW, OTHER)
    relations: dict[tuple[str, str], Ancestry] = field(default_factory=dict)
    capabilities: Capabilities = field(default_factory=Capabilities)
    label_names: list[str] = field(default_factory=list)
    stored_comments: list[Comment] = field(default_factory=list)
    comments_of_others: set[str] = field(default_factory=set)
    """Ids of comments that other accounts wrote."""
    proof_key: bytes = b"key of the credential"
    stored_statuses: list[tuple[str, CommitStatus]] = field(default_factory=list)
    slots: Slots | None = None
    changes: PullRequestChanges | None = None
    branches: Branches | None = None
    deployment_records: DeploymentRecords | None = None
    steering: Steering | None = None

    @property
    def pull_requests(self) -> "_PullRequests":
        return _PullRequests(self)

    @property
    def revisions(self) -> "_Revisions":
        return _Revisions(self)

    @property
    def pull_request_lists(self) -> "_PullRequestLists":
        return _PullRequestLists(self)

    @property
    def commit_statuses(self) -> "_CommitStatuses":
        return _CommitStatuses(self)

    @property
    def labels(self) -> "_Labels":
        return _Labels(self)

    @property
    def comments(self) -> "_Comments":
        return _Comments(self)

    async def check(self) -> str:
        self.note("check")
        return "mona"


@dataclass
class _Part:
    scm: FakeScm


class _PullRequests(_Part):
    async def get(self, number: int) -> HostPullRequest:
        self.scm.note("get")
        if (known := self.scm.changes_by_number.get(number)) is not None:
            return known
        if number != self.scm.change.number:
            raise ProviderNotFound(f"no pull request {number}")
        return self.scm.change

    async def changed_files(self, number: int) -> ChangedFiles:
        self.scm.note("changed_files")
        return ChangedFiles(paths=self.scm.files, complete=self.scm.lists_all_files)


class _PullRequestLists(_Part):
    @property
    def by_update(self) -> bool:
        return self.scm.lists_by_update

    async def page(self, *, since: datetime | None = None, following: str = "", etag: str = "") -> PullRequestPage:
        """Return page after page of what is listed; the entity tag is that of all of it."""
        self.scm.note("page")
        tag = "" if following else hashlib.sha256(repr(self.scm.listed).encode()).hexdigest()
        if etag and etag == tag:
            return PullRequestPage(unchanged=True, etag=etag)
        number, size = int(following or 0), self.scm.list_page
        listed = self.scm.listed[number * size : (number + 1) * size]
        ends = (number + 1) * size >= len(self.scm.listed) or (self.scm.lists_by_update and reaches(listed, since))
        following = "" if ends else str(number + 1)
        return PullRequestPage(pull_requests=listed, following=following, etag=tag, unreadable=self.scm.unreadable)


class _Revisions(_Part):
    async def compare(self, base: str, head: str) -> Ancestry:
        self.scm.note("compare")
        return self.scm.relations.get((base, head), Ancestry.UNKNOWN)

    async def resolve(self, revision: str) -> str | None:
        self.scm.note("resolve")
        if self.scm.slots is not None:
            await self.scm.slots.hold()
        found = [sha for sha in self.scm.commits if sha.startswith(revision)]
        return found[0] if len(found) == 1 else None


class _CommitStatuses(_Part):
    async def newest(self, sha: str) -> Mapping[str, CommitStatus]:
        self.scm.note("newest")
        return {status.context: status for at, status in self.scm.stored_statuses if at == sha}

    async def set(self, sha: str, status: CommitStatus) -> None:
        self.scm.note("set")
        self.scm.stored_statuses.append((sha, status))


class _Labels(_Part):
    async def list(self, number: int) -> tuple[str, ...]:
        self.scm.note("list_labels")
        return tuple(self.scm.label_names)

    async def add(
        self, number: int, names: Sequence[str], looks: Mapping[str, LabelLook] = NO_LOOKS
    ) -> tuple[str, ...]:
        self.scm.note("add_labels")
        present = {self._key(name) for name in self.scm.label_names}
        self.scm.label_names += [name for name in names if self._key(name) not in present]
        return tuple(self.scm.label_names)

    def _key(self, name: str) -> str:
        return name if self.scm.capabilities.label_case else name.lower()

    async def remove(self, number: int, name: str) -> None:
        self.scm.note("remove_label")
        if name in self.scm.label_names:
            self.scm.label_names.remove(name)


class _Comments(_Part):
    async def own(self, number: int) -> tuple[Comment, ...]:
        self.scm.note("list_comments")
        return tuple(comment for comment in self.scm.stored_comments if comment.id not in self.scm.comments_of_others)

    async def get(self, comment_id: str) -> Comment:
        self.scm.note("get_comment")
        for comment in self.scm.stored_comments:
            if comment.id == comment_id:
                return comment
        raise ProviderNotFound(f"no comment {comment_id}")

    def proof(self, text: str) -> str:
        return hmac.digest(self.scm.proof_key, text.encode(), "sha256").hex()[:32]

    async def create(self, number: int, body: str) -> Comment:
        self.scm.note("create_comment")
        comment = Comment(id=str(len(self.scm.stored_comments) + 1), body=body)
        self.scm.stored_comments.append(comment)
        return comment

    async def update(self, comment: Comment, body: str) -> None:
        self.scm.note("update_comment")
        for index, stored in enumerate(self.scm.stored_comments):
            if stored.id == comment.id:
                self.scm.stored_comments[index] = replace(stored, body=body)
                return
        raise ProviderNotFound(f"no comment {comment.id}")


@dataclass
class FakeRuns(Failing):
    """A CI system. `lose_replies` accepted triggers answer with an outage."""

    runs: list[RunReading] = field(default_factory=list)
    parameters: dict[str, dict[str, str]] = field(default_factory=dict)
    origins: list[Origin | None] = field(default_factory=list)
    """What each look was given about our run."""
    lose_replies: list[ProviderError] = field(default_factory=list)
    slots: Slots | None = None

    async def find(self, job: str, key: str, origin: Origin | None = None) -> tuple[Run, ...]:
        self.note("find")
        self.origins.append(origin)
        if self.slots is not None:
            await self.slots.hold()
        return tuple(reading.run for reading in self.runs if reading.run.key == key)

    async def create(self, job: str, key: str, parameters: Mapping[str, str]) -> Run:
        self.note("create")
        run = self.add(key, RunPhase.QUEUED)
        self.parameters[key] = dict(parameters)
        if self.lose_replies:
            raise self.lose_replies.pop(0)
        return run

    async def read(self, job: str, run: Run) -> RunReading:
        self.note("read")
        for reading in self.runs:
            if reading.run.id == run.id or (not run.id and reading.run.key == run.key):
                return reading
        raise ProviderNotFound(f"no run {run.id}")

    async def cancel(self, job: str, run: Run) -> None:
        self.note("cancel")
        for index, reading in enumerate(self.runs):
            if reading.run.id == run.id:
                self.runs[index] = replace(reading, phase=RunPhase.CANCELLED)

    async def traceable(self, job: str) -> bool:
        return True

    async def check(self) -> str:
        self.note("check")
        return "2.500"

    def add(self, key: str, phase: RunPhase, *, foreign: str = "") -> Run:
        """Let a run exist."""
        number = str(len(self.runs) + 1)
        run = Run(id=number, key=key, url=f"https://ci.example/{number}", foreign=foreign)
        self.runs.append(RunReading(run=run, phase=phase, number=number))
        return run


def place_of(deployment: DeploymentSpec, state: ApplicationState) -> ApplicationPlace:
    """Return where a deployment's target stands, as Argo CD's adapter finds it."""
    return targets.locate(target_of(deployment), state)


def observe(deployment: DeploymentSpec, state: ApplicationState) -> Observation:
    """Return what one deployment runs."""
    return observing.observe(deployment, state, place_of(deployment, state))


@dataclass
class FakeDeployments(Failing):
    """An Argo CD server with applications in memory; it patches `targetRevision` only."""

    applications: dict[str, ApplicationState] = field(default_factory=dict)
    favoured: bool = True
    """Whether a list is declared to cost less than single reads."""
    patches: list[tuple[Mapping[str, object], ...]] = field(default_factory=list)
    syncs: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    pruned: list[bool] = field(default_factory=list)
    """Whether each sync was to prune."""
    windows: tuple[SyncWindow, ...] = ()
    forbidden: set[str] = field(default_factory=set)
    """Verbs that the credential has no right to."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
        self.note("refresh" if refresh else "get")
        if ref.name not in self.applications:
            raise ProviderNotFound(f"applications.argoproj.io {ref.name} not found")
        if refresh:
            state = self.applications[ref.name]
            self.applications[ref.name] = replace(state, reconciled_at=NOON + timedelta(hours=1))
        return self.applications[ref.name]

    async def names(self, project: str, *, selector: str = "") -> tuple[str, ...]:
        self.note("names")
        return tuple(sorted(state.name for state in self.applications.values() if state.project == project))

    async def fingerprints(self, project: str) -> Mapping[str, str]:
        self.note("fingerprints")
        found = (state for state in self.applications.values() if state.project == project)
        return {one.name: hashlib.sha256(repr(one).encode()).hexdigest()[:16] for one in found}

    async def list(self, project: str) -> tuple[ApplicationState, ...]:
        self.note("list")
        return tuple(state for state in self.applications.values() if state.project == project)

    async def favours_list(self, project: str, wanted: int) -> bool:
        return self.favoured

    def locate(self, target: ApplicationTarget, state: ApplicationState) -> ApplicationPlace:
        return targets.locate(target, state)

    async def write(
        self, ref: ApplicationRef, target: ApplicationTarget, state: ApplicationState, value: str
    ) -> ApplicationState:
        self.note("patch")
        operations = targets.patch_operations(target, state, value)
        state = self.applications[ref.name]
        if operations[0]["value"] != (state.target_revisions[0] or None):
            raise ProviderConflict("testing value failed")
        self.patches.append(tuple(operations))
        self.applications[ref.name] = replace(state, target_revisions=(str(operations[-1]["value"]),))
        return self.applications[ref.name]

    async def sync(
        self, ref: ApplicationRef, *, revisions: Sequence[str], key: str, prune: bool = False
    ) -> ApplicationState:
        self.note("sync")
        self.pruned.append(prune)
        self.syncs.append((ref.name, tuple(revisions), key))
        state = replace(self.applications[ref.name], operation_pending=True, operation_key=key)
        self.applications[ref.name] = replace(state, operation_revisions=tuple(revisions))
        return self.applications[ref.name]

    async def sync_windows(self, ref: ApplicationRef) -> tuple[SyncWindow, ...]:
        self.note("windows")
        return self.windows

    async def may(self, ref: ApplicationRef, verb: str) -> bool | None:
        if self.errors.get("can-i"):
            self.note("can-i")
        return verb not in self.forbidden

    async def stream(self, ref: ApplicationRef) -> AsyncIterator[ApplicationState]:
        self.note("stream")
        while True:
            yield await self.get(ref)
            await self.changed.wait()
            self.changed.clear()

    async def check(self) -> str:
        self.note("check")
        return "v3.5.7"


def application(name: str = "web-staging", **changes: Any) -> ApplicationState:
    """Build an application that runs OLD, settled."""
    state = ApplicationState(
        name=name,
        project="shop",
        resource_version="1",
        target_revisions=(OLD,),
        synced_revisions=(OLD,),
        deployed_revisions=(OLD,),
        images=(),
        sync_status="Synced",
        health="Healthy",
        phase="Succeeded",
        operation_synced_revisions=(OLD,),
        finished_at=NOON,
        reconciled_at=NOON + timedelta(seconds=2),
        repo_urls=("https://scm.example/acme/web.git",),
    )
    return replace(state, **changes)


WEB = RepositoryView(
    name="web", owner="acme", repository="web", full_name="acme/web", components=(Component(name="web"),)
)


@dataclass
class FakeOpener:
    """Open the fakes; what is None is missing."""

    scm: ScmHost | None = None
    runs: TestRuns | None = None
    argocd: Deployments | None = None
    view: RepositoryView = WEB
    label_prefix: str = "pilotage/"
    mode: RepositoryMode = RepositoryMode.ACT
    reconciled: tuple[Reconciliation, ...] | PlaceSilent = ()
    holds: dict[str, EnvironmentHold] = field(default_factory=dict)

    async def repository(self, namespace: str, name: str) -> Repository:
        if self.scm is None:
            raise _missing(f"GitRepository/{name}")
        return Repository(view=self.view, host=self.scm, label_prefix=self.label_prefix, mode=self.mode)

    async def repository_check(self, namespace: str, name: str) -> Checkable:
        return (await self.repository(namespace, name)).host

    async def provider_check(self, namespace: str, name: str) -> Checkable:
        if self.scm is None:
            raise _missing(f"ScmProvider/{name}")
        return self.scm

    async def observed(self, namespace: str, named: str) -> str:
        return self.view.name if self.mode is RepositoryMode.OBSERVE else ""

    async def held(self, namespace: str, environment: str) -> EnvironmentHold | None:
        return self.holds.get(environment)

    async def ci_runs(self, namespace: str, runner: str) -> TestRuns:
        if self.runs is None:
            raise _missing(f"TestRunner/{runner}")
        return self.runs

    async def deployments(self, namespace: str, instance: str) -> Deployments:
        if self.argocd is None:
            raise _missing(f"ArgoCDInstance/{instance}")
        return self.argocd

    async def reconciliations(self, namespace: str, environment: str, repository: str) -> tuple[Reconciliation, ...]:
        if isinstance(self.reconciled, PlaceSilent):
            raise self.reconciled
        return self.reconciled


@dataclass
class FakePlaces:
    """Collect what places are sent."""

    sent: list[SendViewInput] = field(default_factory=list)

    async def send(self, request: SendViewInput) -> None:
        self.sent.append(request)


def _missing(what: str) -> ReferenceMissing:
    return ReferenceMissing(what, MissingReason.NOT_FOUND, "it does not exist: create it")


def text_of(value: object) -> str:
    """Return everything a value shows, for searching."""
    return json.dumps(value, default=str)
