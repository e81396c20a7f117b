"""Bitbucket Data Center as an SCM host: one repository with one credential."""

from collections.abc import Mapping
from functools import partial
from itertools import chain

from providers.absent_labels import AbsentLabels
from providers.bitbucket_data_center import wire, wire_lists
from providers.bitbucket_data_center.calls import BitbucketDataCenterCalls
from providers.bitbucket_data_center.changes import BitbucketDataCenterPullRequestChanges
from providers.bitbucket_data_center.pull_requests import BitbucketDataCenterPullRequests
from providers.bitbucket_data_center.steering import BitbucketDataCenterSteering
from providers.credentials import proof
from providers.errors import ProviderConflict, ProviderNotFound
from providers.hindrances import prove_writable
from providers.models import (
    Ancestry,
    Capabilities,
    Comment,
    CommitStatus,
    Credential,
)
from providers.ports import Branches, DeploymentRecords, PullRequestChanges, Steering
from providers.pull_request_lists import ConditionalLists
from providers.reading import read


class BitbucketDataCenterRevisions:
    def __init__(self, calls: BitbucketDataCenterCalls) -> None:
        self._calls = calls

    async def compare(self, base: str, head: str) -> Ancestry:
        if base == head:
            return Ancestry.IDENTICAL
        try:
            ahead, behind = await self._has(base, head), await self._has(head, base)
        except ProviderNotFound:
            await self._calls.prove_seen()
            return Ancestry.UNKNOWN
        if ahead and behind:
            return Ancestry.DIVERGED
        if ahead:
            return Ancestry.AHEAD
        return Ancestry.BEHIND if behind else Ancestry.IDENTICAL

    async def resolve(self, revision: str) -> str | None:
        reply = await self._calls.call(wire.get_commit(self._calls.repository, revision))
        if reply.ok:
            return wire.read_commit(reply.document())
        await self._calls.prove_seen()
        return None

    async def _has(self, since: str, until: str) -> bool:
        """Return whether a commit has any that another one misses."""
        reply = await self._calls.call(wire.list_commits_between(self._calls.repository, since, until))
        return bool(wire.values(reply, limit=wire.PAGE_SIZE))


class BitbucketDataCenterCommitStatuses:
    def __init__(self, calls: BitbucketDataCenterCalls) -> None:
        self._calls = calls

    async def newest(self, sha: str) -> Mapping[str, CommitStatus]:
        pages = self._calls.pages(wire.list_statuses(sha))
        standing_in = self._standing_in(sha)
        listed = [await read(reply, partial(wire.read_statuses, reply, standing_in)) async for reply in pages]
        return {status.context: status for status in chain.from_iterable(listed)}

    async def set(self, sha: str, status: CommitStatus) -> None:
        await self._calls.call(wire.set_status(self._calls.repository, sha, status, self._standing_in(sha)))

    def _standing_in(self, sha: str) -> str:
        return wire.standing_in_url(self._calls.base_url, self._calls.repository, sha)


class BitbucketDataCenterComments:
    def __init__(self, calls: BitbucketDataCenterCalls, credential: Credential) -> None:
        self._calls = calls
        self._credential = credential

    async def own(self, number: int) -> tuple[Comment, ...]:
        account = await self._calls.account()
        found: dict[int, Comment] = {}
        request = wire.list_activities(self._calls.repository, number, "list-comments")
        async for reply in self._calls.pages(request, size=wire.ACTIVITIES_PAGE):
            # Something that happens meanwhile moves the last of a page to the next one, where it comes again.
            found.update(await read(reply, partial(wire.read_comments_of, account, str(number), reply)))
        return tuple(comment for _, comment in sorted(found.items()))

    async def get(self, comment_id: str) -> Comment:
        reply = await self._calls.call(wire.get_comment(self._calls.repository, comment_id))
        return wire.read_comment(wire.pull_of(comment_id), reply.document())

    def proof(self, text: str) -> str:
        return proof(self._credential, text)

    async def create(self, number: int, body: str) -> Comment:
        reply = await self._calls.call(wire.create_comment(self._calls.repository, number, body))
        created = reply.document()
        self._calls.learn_account(wire.read_comment_author(created))
        return wire.read_comment(str(number), created)

    async def update(self, comment: Comment, body: str) -> None:
        """Write over what is there, whatever its version: no one else writes our comments."""
        try:
            await self._update(comment.id, body)
        except ProviderConflict:
            # Another attempt of ours came between the read and the write.
            await self._update(comment.id, body)

    async def _update(self, comment_id: str, body: str) -> None:
        reply = await self._calls.call(wire.get_comment(self._calls.repository, comment_id))
        version = wire.read_version(reply.document())
        await self._calls.call(wire.update_comment(self._calls.repository, comment_id, body, version))


class BitbucketDataCenterHost:
    """One repository at Bitbucket Data Center. With an empty project only `check` is of use.

    It has no `branches`: the server writes one file a commit, and compares no more than that file with what was read.
    """

    def __init__(self, *, credential: Credential, calls: BitbucketDataCenterCalls) -> None:
        self._calls = calls
        self.capabilities = Capabilities(
            labels=False, html=False, comment_limit=wire.COMMENT_LIMIT, listed_url=wire.listed_url
        )
        self.pull_requests = BitbucketDataCenterPullRequests(calls)
        self.pull_request_lists = ConditionalLists(
            calls.call,
            request=partial(wire_lists.list_pulls, calls.repository),
            reader=wire_lists.read_pulls,
            by_update=False,
        )
        self.revisions = BitbucketDataCenterRevisions(calls)
        self.commit_statuses = BitbucketDataCenterCommitStatuses(calls)
        self.labels = AbsentLabels()
        self.comments = BitbucketDataCenterComments(calls, credential)
        self.changes: PullRequestChanges | None = BitbucketDataCenterPullRequestChanges(calls)
        self.branches: Branches | None = None
        self.deployment_records: DeploymentRecords | None = None
        self.steering: Steering | None = BitbucketDataCenterSteering(calls)

    async def check(self) -> str:
        """Prove the credential, and the repository where there is one; return its full name or the account.

        Raises ProviderUnauthorized for a right that is missing, ProviderRejected for an archived repository.
        """
        if self._calls.repository:
            reply = await self._calls.call(wire.check_repository(self._calls.repository))
            name, archived = self._calls.full_name, wire.is_archived(reply.document())
            prove_writable(called=name, name=name, archived=archived, host="the server", redact=self._calls.redact)
            return name
        return wire.account_of(await self._calls.call(wire.check_account())) or "an HTTP access token"
