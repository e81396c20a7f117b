"""Ports by capability. Every method raises only `providers.errors`; none of them retries."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from providers.application_models import (
    ApplicationPlace,
    ApplicationRef,
    ApplicationState,
    ApplicationTarget,
    SyncWindow,
)
from providers.models import (
    Ancestry,
    BranchCommit,
    Capabilities,
    ChangedFiles,
    Comment,
    CommitStatus,
    DeploymentRecord,
    EventMessage,
    HostPullRequest,
    LabelEvents,
    LabelLook,
    Merge,
    NewCommit,
    NewPullRequest,
    Origin,
    Person,
    Remarks,
    Run,
    RunReading,
)
from providers.pull_request_lists import PullRequestPage

NO_LOOKS: Mapping[str, LabelLook] = MappingProxyType({})


class PullRequests(Protocol):
    async def get(self, number: int) -> HostPullRequest:
        """Read one pull request; ProviderNotFound when the host does not show it."""
        ...

    async def changed_files(self, number: int) -> ChangedFiles:
        """Return the changed files over all pages, and whether the host lists them all."""
        ...


class PullRequestLists(Protocol):
    """Pull requests of the repository, page by page: one call each."""

    @property
    def by_update(self) -> bool:
        """Whether the one updated last comes first; else all open ones come first, then the newest of all."""
        ...

    async def page(self, *, since: datetime | None = None, following: str = "", etag: str = "") -> PullRequestPage:
        """Read a page of those that changed since a time, or of all; what is older may be among them.

        `following` is what the page before it was followed by. With the `etag` of an earlier first page the host may
        answer that nothing has changed; not all hosts have it.
        """
        ...


class PullRequestChanges(Protocol):
    """Open and merge pull requests, for delivery by Git. No call opens a second one between two branches."""

    async def find_open(self, head: str, base: str) -> tuple[HostPullRequest, ...]:
        """Return the open pull requests from one branch of this repository to another, oldest first; forks left out."""
        ...

    async def create(self, wanted: NewPullRequest) -> HostPullRequest:
        """Open one, or return the one that is open already between these branches.

        Raises ProviderConflict where there is nothing to merge, ProviderNotFound for a branch that does not exist.
        """
        ...

    async def update(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        """Change what is given; nothing is sent where it is so already."""
        ...

    async def merge(self, number: int, merge: Merge) -> str:
        """Merge the expected head and return the merge commit; one that is merged already returns its own.

        Awaits a merge that the host does in the background, within the call's own limits. Raises ProviderConflict
        where the head is another one, ProviderBusy where the host is still computing whether it may be merged,
        ProviderRejected where it refuses: not mergeable, closed, or the method is not allowed.
        """
        ...

    async def close(self, number: int) -> None:
        """Close one without merging; one that is closed or merged is fine."""
        ...


class Branches(Protocol):
    """Branches and files of one repository, for delivery by Git."""

    async def head(self, branch: str) -> str | None:
        """Return the commit that a branch is at; None where there is no such branch."""
        ...

    async def log(self, branch: str, limit: int) -> tuple[BranchCommit, ...]:
        """Return the newest commits of a branch, newest first, whole messages included; a hundred at most."""
        ...

    async def read(self, path: str, revision: str) -> bytes | None:
        """Return a file's content at a commit; None where there is no such file. ProviderMalformed beyond 1 MiB."""
        ...

    async def commit(self, wanted: NewCommit) -> str:
        """Write all files in one commit on top of the expected head, and return it.

        Raises ProviderConflict where the branch is elsewhere by then, or exists where it was to begin: nothing was
        written. A branch that began at the head and has no commit of ours may stay where the commit failed.
        """
        ...


class DeploymentRecords(Protocol):
    """The host's own view of deployments."""

    async def record(self, wanted: DeploymentRecord) -> None:
        """Show it; nothing is sent where the newest record of commit and environment shows the same."""
        ...


class Revisions(Protocol):
    async def compare(self, base: str, head: str) -> Ancestry:
        """Return how head stands to base; UNKNOWN when the host does not know one of them."""
        ...

    async def resolve(self, revision: str) -> str | None:
        """Return the full hash of an abbreviated one; None when the host knows no such commit, or several."""
        ...


class CommitStatuses(Protocol):
    async def newest(self, sha: str) -> Mapping[str, CommitStatus]:
        """Return the newest status of each context of a commit."""
        ...

    async def set(self, sha: str, status: CommitStatus) -> None:
        """Set one status; text limits of the host are applied here."""
        ...


class Labels(Protocol):
    async def list(self, number: int) -> tuple[str, ...]: ...

    async def add(
        self, number: int, names: Sequence[str], looks: Mapping[str, LabelLook] = NO_LOOKS
    ) -> tuple[str, ...]:
        """Add labels, creating those that the repository misses; return all that the change has then.

        `looks` gives by name how one is made; labels that the repository has stay as they are.
        """
        ...

    async def remove(self, number: int, name: str) -> None:
        """Remove one label; its absence is fine."""
        ...


class Comments(Protocol):
    async def own(self, number: int) -> tuple[Comment, ...]:
        """Return the comments that the credential's own account wrote, oldest first; others' are passed over.

        Where the host does not show whose the credential is, those of all accounts that it may be; see `account_known`.
        """
        ...

    async def get(self, comment_id: str) -> Comment:
        """Read one comment; ProviderNotFound where it is gone."""
        ...

    def proof(self, text: str) -> str:
        """Return an HMAC of a text, as hexadecimal digits, that only who holds the credential can make."""
        ...

    async def create(self, number: int, body: str) -> Comment: ...

    async def update(self, comment: Comment, body: str) -> None: ...


class Steering(Protocol):
    """Who asked for what on a pull request, and who may: what steering by labels and comments needs of a host."""

    @property
    def names_who_labels(self) -> bool:
        """Whether the host shows who put a label on a pull request; where not, `label_events` is never called."""
        ...

    @property
    def has_teams(self) -> bool:
        """Whether the host can be asked for a team's members; where not, `is_member` is never called."""
        ...

    async def label_events(self, number: int, cursor: str) -> LabelEvents:
        """Return what happened to labels since a cursor of an earlier answer, oldest first; empty for all of it.

        A bounded number at once: the next look goes on where this one ended.
        """
        ...

    async def remarks(self, number: int, since: datetime, cursor: str) -> Remarks:
        """Return the comments made after a moment and since a cursor of an earlier answer, oldest first.

        One that is edited does not count again. One that was edited before this look is returned as such: others may
        have done that. A bounded number at once, and of each its beginning.
        """
        ...

    async def may_write(self, person: Person) -> bool:
        """Return whether somebody may write to the repository. Raises ProviderUnauthorized where we may not ask."""
        ...

    async def is_member(self, team: str, person: Person) -> bool:
        """Return whether somebody is a member of a team, named as people of the host name it."""
        ...

    async def react(self, comment_id: str, *, agreed: bool) -> None:
        """Answer a comment by a reaction; the same again changes nothing. Nothing happens where the host has none."""
        ...


class Checkable(Protocol):
    """What a credential can be proved with."""

    async def check(self) -> str:
        """Prove the credential by one cheap call; return a short text such as the account's name."""
        ...


class ScmHost(Protocol):
    """One repository at its host, with one credential."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def pull_requests(self) -> PullRequests: ...

    @property
    def pull_request_lists(self) -> PullRequestLists: ...

    @property
    def revisions(self) -> Revisions: ...

    @property
    def commit_statuses(self) -> CommitStatuses: ...

    @property
    def labels(self) -> Labels: ...

    @property
    def comments(self) -> Comments: ...

    @property
    def changes(self) -> PullRequestChanges | None:
        """None where this version opens and merges no pull requests at the host."""
        ...

    @property
    def branches(self) -> Branches | None:
        """None where this version writes no files at the host."""
        ...

    @property
    def deployment_records(self) -> DeploymentRecords | None:
        """None where the host keeps none: commit statuses stand for them."""
        ...

    @property
    def steering(self) -> Steering | None:
        """None where this version cannot ask the host who may steer a promotion: people use the command line there."""
        ...

    async def check(self) -> str:
        """Prove credential and repository by one cheap call; return a short text such as the account's name."""
        ...


class TestRuns(Protocol):
    """One CI system with one credential."""

    if not TYPE_CHECKING:
        # For pytest, which collects what is named so; no member that an adapter would have to have.
        __test__ = False

    async def find(self, job: str, key: str, origin: Origin | None = None) -> tuple[Run, ...]:
        """Return every run that shows this key, queued ones included, oldest first; foreign ones carry the reason.

        A key proves nothing by itself: a run is ours if it is no older than the key and has our parameters, our ref
        and our account, as far as the system shows them.
        """
        ...

    async def create(self, job: str, key: str, parameters: Mapping[str, str]) -> Run:
        """Create one run that carries the key. Find first: this may create a second one."""
        ...

    async def read(self, job: str, run: Run) -> RunReading:
        """Read one run by its id, or by its key where it has none or the system forgets ids.

        Raises ProviderNotFound when it is not there any more; a run that only shows its key is not read instead.
        """
        ...

    async def cancel(self, job: str, run: Run) -> None:
        """Cancel one run; finished or unknown ones are fine, and foreign ones are left alone."""
        ...

    async def traceable(self, job: str) -> bool:
        """Return whether runs of this job show their key; where not, a trigger that may be sent is never repeated."""
        ...

    async def check(self) -> str:
        """Prove the credential by one cheap call; return the server's version or account."""
        ...


class Deployments(Protocol):
    """One Argo CD API server with one credential."""

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState: ...

    async def names(self, project: str, *, selector: str = "") -> tuple[str, ...]:
        """Return the names of a project's applications as references have them, in order; costs little."""
        ...

    async def fingerprints(self, project: str) -> Mapping[str, str]:
        """Return a digest of each of a project's applications, by its name as references have it, in one call.

        It changes whenever another revision, image, health or sync status is shown, or an operation ends. Of what is
        written to the spec it shows nothing until Argo CD has compared that.
        """
        ...

    async def list(self, project: str) -> tuple[ApplicationState, ...]:
        """Read all applications of a project at once; ProviderMalformed where that is more than is read."""
        ...

    async def favours_list(self, project: str, wanted: int) -> bool:
        """Return whether `list` costs less than single reads of so many of the project's applications."""
        ...

    def locate(self, target: ApplicationTarget, state: ApplicationState) -> ApplicationPlace:
        """Return where a target stands in an application as it was read; asks no server."""
        ...

    async def write(
        self, ref: ApplicationRef, target: ApplicationTarget, state: ApplicationState, value: str
    ) -> ApplicationState:
        """Replace the values of a target in one write; ProviderConflict where they are no longer as in `state`."""
        ...

    async def sync(
        self, ref: ApplicationRef, *, revisions: Sequence[str], key: str, prune: bool = False
    ) -> ApplicationState:
        """Request one sync marked with the key; ProviderConflict when an operation is in progress."""
        ...

    async def sync_windows(self, ref: ApplicationRef) -> tuple[SyncWindow, ...]:
        """Return the sync windows that are in the way of a sync."""
        ...

    async def may(self, ref: ApplicationRef, verb: str) -> bool | None:
        """Return whether the credential may `update` or `sync` an application; None where that is not shown."""
        ...

    def stream(self, ref: ApplicationRef) -> AsyncIterator[ApplicationState]:
        """Yield the application's state now and at each change until the server ends the stream."""
        ...

    async def check(self) -> str:
        """Prove the credential by one cheap call; return the server's version."""
        ...


class EventReceiver(Protocol):
    """A receiver of events outside the cluster."""

    async def post(self, message: EventMessage) -> None:
        """Post one event; returns once the receiver took it. One that arrives twice has the same id."""
        ...
