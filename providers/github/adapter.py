"""GitHub as an SCM host: one repository with one credential."""

import hmac
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from providers.credentials import fingerprint, proof_key
from providers.documents import Document, is_sendable
from providers.endpoint import Endpoint
from providers.errors import ProviderMalformed, ProviderNotFound, ProviderRejected, ProviderUnauthorized
from providers.github import wire
from providers.github.auth import GitHubAuth
from providers.http import HttpClients
from providers.messages import ListBound, Reply, Request, has_next_page
from providers.metrics import Recorder
from providers.models import Ancestry, Capabilities, ChangedFiles, Comment, CommitStatus, Credential, HostPullRequest
from providers.ports import Branches, DeploymentRecords, PullRequestChanges
from providers.reading import read

_PROOF_DIGITS = 32
# Pull requests whose last answer is kept for a free 304; about 1 KB each.
_REMEMBERED_PULLS = 10_000


class OwnAccount:
    """Remember under which name a credential writes; None = not asked yet, empty = the host does not say."""

    def __init__(self) -> None:
        self.login: str | None = None


class GitHubCalls:
    """Send requests of one repository, with a fresh installation token after a 401."""

    def __init__(
        self,
        *,
        http: HttpClients,
        base_url: str,
        owner: str,
        repository: str,
        credential: Credential,
        record: Recorder,
        app_id: str = "",
        installation_id: str = "",
    ) -> None:
        self.owner = owner
        self.repository = wire.repository_path(owner, repository) if owner else ""
        self.auth = GitHubAuth(
            http=http,
            base_url=base_url,
            owner=owner,
            repository=repository,
            credential=credential,
            record=record,
            app_id=app_id,
            installation_id=installation_id,
        )
        self._own = http.memory(OwnAccount, base_url, fingerprint(credential))
        self._endpoint = Endpoint(
            http=http,
            base_url=base_url,
            credential=credential,
            record=record,
            headers=wire.HEADERS,
            refine=wire.refine,
        )
        self._graphql = Endpoint(
            http=http,
            base_url=wire.graphql_url(base_url),
            credential=credential,
            record=record,
            authorize=self.auth.headers,
            headers=wire.HEADERS,
        )

    async def call(self, request: Request) -> Reply:
        """Send once; a 401 did nothing at the host, so it is sent again once with a new installation token."""
        used = await self.auth.headers()
        try:
            return await self._endpoint.call(_with(request, used))
        except ProviderUnauthorized as error:
            if error.status != 401 or not self.auth.renew(used):
                raise
        return await self._endpoint.call(_with(request, await self.auth.headers()))

    def shown(self, text: str) -> str:
        """Make a host's text fit to be shown."""
        return self._endpoint.shown(text)

    async def account(self) -> Document:
        """Ask who the credential belongs to."""
        if self.auth.is_app:
            return await self.auth.app()
        return (await self.call(wire.check_account(app=False))).document()

    async def login(self) -> str:
        """Return the account's name as comments and runs show it; empty where the host does not say."""
        if self._own.login is None:
            try:
                account = await self.account()
            except (ProviderUnauthorized, ProviderNotFound) as error:
                # The token of an App's installation, such as a workflow run's, cannot ask for its account in REST.
                if error.status == 401:
                    raise
                self._own.login = await self._viewer()
            else:
                self._own.login = wire.read_author(account, app=self.auth.is_app)
        return self._own.login

    async def _viewer(self) -> str:
        """Ask in GraphQL; empty where that is not there, or refused as well."""
        try:
            return wire.read_viewer((await self._graphql.call(wire.ask_viewer())).document())
        except (ProviderUnauthorized, ProviderNotFound, ProviderRejected, ProviderMalformed) as error:
            if error.status == 401:
                raise
            return ""

    def learn_login(self, login: str) -> None:
        """Take the author of what was just written for the account, where the host did not say it when it was asked."""
        if self._own.login == "":
            self._own.login = login

    async def pages(self, request: Callable[[int], Request], *path: str) -> AsyncGenerator[Reply, None]:
        """Yield page by page, so that a caller keeps what it reads; `path` leads to the list of items within a page."""
        bound = ListBound()
        for page in range(1, wire.PAGE_LIMIT + 1):
            reply = bound.take(await self.call(request(page)))
            yield reply
            full = "link" not in reply.headers and wire.items_on(reply, *path) == wire.PAGE_SIZE
            if not (full or has_next_page(reply)):
                return
        raise ProviderMalformed(f"the host names more than {wire.PAGE_LIMIT} pages")


def _with(request: Request, headers: Mapping[str, str]) -> Request:
    return replace(request, headers={**request.headers, **headers})


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
    def __init__(self, calls: GitHubCalls, remembered: RememberedPulls, scope: str) -> None:
        self._calls = calls
        self._remembered = remembered
        self._scope = scope

    async def get(self, number: int) -> HostPullRequest:
        key = f"{self._scope}{self._calls.repository}/{number}"
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
        paths: dict[str, None] = {}
        listed = 0
        async for reply in self._calls.pages(lambda page: wire.list_files(self._calls.repository, number, page)):
            paths.update(dict.fromkeys(await read(reply, partial(wire.read_files, reply))))
            listed += wire.items_on(reply)
        return ChangedFiles(paths=tuple(paths), complete=listed < wire.FILES_LISTED)


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
            await self._prove_seen()
            return Ancestry.UNKNOWN
        return wire.read_comparison(reply.document())

    async def resolve(self, revision: str) -> str | None:
        reply = await self._calls.call(wire.get_commit(self._calls.repository, revision))
        if reply.ok:
            return wire.read_commit(reply.document())
        await self._prove_seen()
        return None

    async def _prove_seen(self) -> None:
        """Raise ProviderNotFound where the credential does not see the repository: that answers as a missing commit."""
        await self._calls.call(wire.check_repository(self._calls.repository))


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

    async def add(self, number: int, names: Sequence[str]) -> tuple[str, ...]:
        for name in names:
            if name.lower() not in self._known.names:
                await self._calls.call(wire.create_label(self._calls.repository, name))
                self._known.names.add(name.lower())
        reply = await self._calls.call(wire.add_labels(self._calls.repository, number, tuple(names)))
        return await read(reply, partial(wire.read_labels, reply))

    async def remove(self, number: int, name: str) -> None:
        await self._calls.call(wire.remove_label(self._calls.repository, number, name))


class GitHubComments:
    def __init__(self, calls: GitHubCalls, credential: Credential) -> None:
        self._calls = calls
        self._key = proof_key(credential)

    async def own(self, number: int) -> tuple[Comment, ...]:
        login = (await self._calls.login()).lower()
        pages = self._calls.pages(lambda page: wire.list_comments(self._calls.repository, number, page))
        listed = [await read(reply, partial(wire.read_comments_of, login, reply)) async for reply in pages]
        return tuple(chain.from_iterable(listed))

    async def get(self, comment_id: str) -> Comment:
        reply = await self._calls.call(wire.get_comment(self._calls.repository, comment_id))
        return wire.read_comment(reply.document())

    def proof(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()[:_PROOF_DIGITS]

    async def create(self, number: int, body: str) -> Comment:
        reply = await self._calls.call(wire.create_comment(self._calls.repository, number, body))
        created = reply.document()
        self._calls.learn_login(wire.read_comment_author(created))
        return wire.read_comment(created)

    async def update(self, comment: Comment, body: str) -> None:
        await self._calls.call(wire.update_comment(self._calls.repository, comment.id, body))


class GitHubHost:
    """One repository at GitHub. With an empty owner only `check` is of use: it proves the credential alone."""

    def __init__(self, *, http: HttpClients, base_url: str, credential: Credential, calls: GitHubCalls) -> None:
        scope = f"{base_url} {fingerprint(credential)} "
        self._calls = calls
        self.capabilities = Capabilities(label_case=False)
        self.pull_requests = GitHubPullRequests(calls, http.memory(RememberedPulls), scope)
        self.revisions = GitHubRevisions(calls)
        self.commit_statuses = GitHubCommitStatuses(calls)
        self.labels = GitHubLabels(calls, http.memory(KnownLabels, base_url, calls.repository))
        self.comments = GitHubComments(calls, credential)
        self.changes: PullRequestChanges | None = None
        self.branches: Branches | None = None
        self.deployment_records: DeploymentRecords | None = None

    async def check(self) -> str:
        """Prove the credential, and the repository where there is one; return its full name or the account."""
        if self._calls.repository:
            reply = await self._calls.call(wire.check_repository(self._calls.repository))
            return wire.read_account(reply.document())
        if self._calls.auth.is_app:
            return wire.read_account(await self._calls.auth.app())
        reply = await self._calls.call(wire.check_account(app=False))
        return wire.read_account(reply.document())
