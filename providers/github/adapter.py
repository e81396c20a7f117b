"""GitHub as an SCM host: one repository with one credential."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from providers import issue_comments
from providers.changed_files import changed_paths, read_files
from providers.credentials import proof
from providers.documents import is_sendable
from providers.errors import ProviderNotFound
from providers.github import wire, wire_lists
from providers.github.branches import GitHubBranches
from providers.github.calls import GitHubCalls
from providers.github.changes import GitHubPullRequestChanges
from providers.github.check_runs import GitHubCheckRuns
from providers.github.deployments import GitHubDeploymentRecords
from providers.github.options import StatusesAs
from providers.github.steering import GitHubSteering
from providers.http import HttpClients
from providers.messages import items_on
from providers.models import (
    Ancestry,
    Capabilities,
    ChangedFiles,
    Comment,
    CommitStatus,
    Credential,
    HostPullRequest,
    LabelLook,
)
from providers.ports import NO_LOOKS, Branches, CommitStatuses, DeploymentRecords, PullRequestChanges, Steering
from providers.pull_request_lists import ConditionalLists
from providers.reading import read
from providers.status_keys import fitting_url

# Pull requests whose last answer is kept for a free 304; about 1 KB each.
_REMEMBERED_PULLS = 10_000


@dataclass(frozen=True, kw_only=True)
class _Remembered:
    etag: str
    change: HostPullRequest


class RememberedPulls:
    """Keep the newest answer for each pull request, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, _Remembered] = OrderedDict()

    def get(self, key: str) -> _Remembered | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: str, etag: str, change: HostPullRequest) -> None:
        self._entries[key] = _Remembered(etag=etag, change=change)
        self._entries.move_to_end(key)
        while len(self._entries) > _REMEMBERED_PULLS:
            self._entries.popitem(last=False)


class KnownLabels:
    """Remember which labels a repository has, so that each is created with its colour once and not asked for again."""

    def __init__(self) -> None:
        self.names: set[str] = set()


class GitHubPullRequests:
    def __init__(self, calls: GitHubCalls, remembered: RememberedPulls) -> None:
        self._calls = calls
        self._remembered = remembered

    async def get(self, number: int) -> HostPullRequest:
        key = f"{self._calls.repository}/{number}"
        known = self._remembered.get(key)
        reply = await self._calls.call(wire.get_pull(self._calls.repository, number, etag=known.etag if known else ""))
        if known is not None and reply.status == 304:
            return known.change
        change = await read(reply, partial(wire.read_pull, reply.document()))
        etag = reply.headers.get("etag", "")
        if etag and is_sendable(etag):
            self._remembered.put(key, etag, change)
        return change

    async def changed_files(self, number: int) -> ChangedFiles:
        return await read_files(
            self._calls.pages(lambda page: wire.list_files(self._calls.repository, number, page)),
            changed_paths,
            rows_on=items_on,
            most=wire.FILES_LISTED,
        )


class GitHubRevisions:
    def __init__(self, calls: GitHubCalls) -> None:
        self._calls = calls

    async def compare(self, base: str, head: str) -> Ancestry:
        if base == head:
            return Ancestry.IDENTICAL
        try:
            reply = await self._calls.call(wire.compare(self._calls.repository, base, head))
        except ProviderNotFound as error:
            if wire.is_unrelated(str(error)):
                return Ancestry.DIVERGED
            await self._calls.prove_seen()
            return Ancestry.UNKNOWN
        return wire.read_comparison(reply.document())

    async def resolve(self, revision: str) -> str | None:
        reply = await self._calls.call(wire.get_commit(self._calls.repository, revision))
        if reply.ok:
            return wire.read_commit(reply.document())
        await self._calls.prove_seen()
        return None


class GitHubCommitStatuses:
    def __init__(self, calls: GitHubCalls) -> None:
        self._calls = calls

    async def newest(self, sha: str) -> Mapping[str, CommitStatus]:
        found: dict[str, CommitStatus] = {}
        async for reply in self._calls.pages(
            lambda page: wire.list_statuses(self._calls.repository, sha, page), "statuses"
        ):
            for status in await read(reply, partial(wire.read_statuses, reply)):
                found.setdefault(status.context, status)
        return found

    async def set(self, sha: str, status: CommitStatus) -> None:
        await self._calls.call(wire.create_status(self._calls.repository, sha, status))


class GitHubLabels:
    def __init__(self, calls: GitHubCalls, known: KnownLabels) -> None:
        self._calls = calls
        self._known = known

    async def list(self, number: int) -> tuple[str, ...]:
        pages = self._calls.pages(lambda page: wire.list_labels(self._calls.repository, number, page))
        return tuple([name async for reply in pages for name in await read(reply, partial(wire.read_labels, reply))])

    async def add(
        self, number: int, names: Sequence[str], looks: Mapping[str, LabelLook] = NO_LOOKS
    ) -> tuple[str, ...]:
        for name in names:
            if name.lower() not in self._known.names:
                await self._calls.call(wire.create_label(self._calls.repository, name, looks.get(name)))
                self._known.names.add(name.lower())
        reply = await self._calls.call(wire.add_labels(self._calls.repository, number, tuple(names)))
        return await read(reply, partial(wire.read_labels, reply))

    async def remove(self, number: int, name: str) -> None:
        await self._calls.call(wire.remove_label(self._calls.repository, number, name))


class GitHubComments:
    def __init__(self, calls: GitHubCalls, credential: Credential) -> None:
        self._calls = calls
        self._credential = credential

    async def own(self, number: int) -> tuple[Comment, ...]:
        login = (await self._calls.login()).lower()
        pages = self._calls.pages(lambda page: wire.list_comments(self._calls.repository, number, page))
        listed = [await read(reply, partial(wire.read_comments_of, login, reply)) async for reply in pages]
        return tuple(chain.from_iterable(listed))

    async def get(self, comment_id: str) -> Comment:
        reply = await self._calls.call(issue_comments.get_comment(self._calls.repository, comment_id))
        return issue_comments.read_comment(reply.document())

    def proof(self, text: str) -> str:
        return proof(self._credential, text)

    async def create(self, number: int, body: str) -> Comment:
        reply = await self._calls.call(issue_comments.create_comment(self._calls.repository, number, body))
        created = reply.document()
        self._calls.learn_login(issue_comments.read_author(created))
        return issue_comments.read_comment(created)

    async def update(self, comment: Comment, body: str) -> None:
        await self._calls.call(issue_comments.update_comment(self._calls.repository, comment.id, body))


class GitHubHost:
    """One repository at GitHub. With an empty owner only `check` is of use: it proves the credential alone."""

    def __init__(
        self,
        *,
        http: HttpClients,
        base_url: str,
        credential: Credential,
        calls: GitHubCalls,
        statuses_as: StatusesAs = StatusesAs.COMMIT_STATUSES,
    ) -> None:
        self._calls = calls
        self.capabilities = Capabilities(label_case=False, deployment_records=True, listed_url=fitting_url)
        self.pull_requests = GitHubPullRequests(calls, http.memory(RememberedPulls, credential, base_url))
        self.pull_request_lists = ConditionalLists(
            calls.call, request=partial(wire_lists.list_pulls, calls.repository), reader=wire_lists.read_pulls
        )
        self.revisions = GitHubRevisions(calls)
        as_runs = statuses_as is StatusesAs.CHECK_RUNS
        self.commit_statuses: CommitStatuses = GitHubCheckRuns(calls) if as_runs else GitHubCommitStatuses(calls)
        self.labels = GitHubLabels(calls, http.memory(KnownLabels, credential, base_url, calls.repository))
        self.comments = GitHubComments(calls, credential)
        self.changes: PullRequestChanges | None = GitHubPullRequestChanges(calls)
        self.branches: Branches | None = GitHubBranches(calls)
        self.deployment_records: DeploymentRecords | None = GitHubDeploymentRecords(calls)
        self.steering: Steering | None = GitHubSteering(calls)

    async def check(self) -> str:
        """Prove the credential, and the repository where there is one; return its full name or the account."""
        if self._calls.repository:
            return await self._calls.prove_rights()
        if self._calls.auth.is_app:
            return wire.read_account(await self._calls.auth.app())
        reply = await self._calls.call(wire.check_account(app=False))
        return wire.read_account(reply.document())
