"""Bitbucket Cloud as an SCM host: one repository with one credential."""

from collections.abc import Mapping
from functools import partial
from itertools import chain

from providers.absent_labels import AbsentLabels
from providers.bitbucket_cloud import wire, wire_lists
from providers.bitbucket_cloud.branches import BitbucketCloudBranches
from providers.bitbucket_cloud.calls import BitbucketCloudCalls, is_no_account
from providers.bitbucket_cloud.changes import BitbucketCloudPullRequestChanges
from providers.bitbucket_cloud.pull_requests import BitbucketCloudPullRequests
from providers.bitbucket_cloud.steering import BitbucketCloudSteering
from providers.credentials import proof
from providers.documents import flag
from providers.errors import ProviderNotFound, ProviderUnauthorized
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


class BitbucketCloudRevisions:
    def __init__(self, calls: BitbucketCloudCalls) -> None:
        self._calls = calls

    async def compare(self, base: str, head: str) -> Ancestry:
        if base == head:
            return Ancestry.IDENTICAL
        try:
            reply = await self._calls.call(wire.merge_base(self._calls.repository, base, head))
        except ProviderNotFound:
            # Answers for an unknown commit and for two without a common ancestor are alike.
            return Ancestry.DIVERGED if await self._are_known(base, head) else Ancestry.UNKNOWN
        shared = wire.read_commit(reply.document())
        if wire.is_same_commit(shared, base):
            return Ancestry.AHEAD
        return Ancestry.BEHIND if wire.is_same_commit(shared, head) else Ancestry.DIVERGED

    async def resolve(self, revision: str) -> str | None:
        reply = await self._calls.call(wire.get_commit(self._calls.repository, revision))
        if reply.ok:
            return wire.read_commit(reply.document())
        await self._calls.prove_seen()
        return None

    async def _are_known(self, *revisions: str) -> bool:
        return None not in [await self.resolve(revision) for revision in revisions]


class BitbucketCloudCommitStatuses:
    def __init__(self, calls: BitbucketCloudCalls) -> None:
        self._calls = calls

    async def newest(self, sha: str) -> Mapping[str, CommitStatus]:
        standing_in = wire.standing_in_url(self._calls.repository, sha)
        pages = self._calls.pages(wire.list_statuses(self._calls.repository, sha))
        listed = [await read(reply, partial(wire.read_statuses, reply, standing_in)) async for reply in pages]
        return {status.context: status for status in chain.from_iterable(listed)}

    async def set(self, sha: str, status: CommitStatus) -> None:
        await self._calls.call(wire.set_status(self._calls.repository, sha, status))


class BitbucketCloudComments:
    def __init__(self, calls: BitbucketCloudCalls, credential: Credential) -> None:
        self._calls = calls
        self._credential = credential

    async def own(self, number: int) -> tuple[Comment, ...]:
        account = await self._calls.account()
        pages = self._calls.pages(wire.list_comments(self._calls.repository, number))
        listed = [
            await read(reply, partial(wire.read_comments_of, account, str(number), reply)) async for reply in pages
        ]
        return tuple(comment for _, comment in sorted(chain.from_iterable(listed), key=lambda found: found[0]))

    async def get(self, comment_id: str) -> Comment:
        reply = await self._calls.call(wire.get_comment(self._calls.repository, comment_id))
        found = reply.document()
        if flag(found, "deleted"):
            raise ProviderNotFound(f"comment `{comment_id}` was deleted", status=reply.status)
        return wire.read_comment(wire.pull_of(comment_id), found)

    def proof(self, text: str) -> str:
        return proof(self._credential, text)

    async def create(self, number: int, body: str) -> Comment:
        reply = await self._calls.call(wire.create_comment(self._calls.repository, number, body))
        created = reply.document()
        self._calls.learn_account(wire.read_comment_author(created))
        return wire.read_comment(str(number), created)

    async def update(self, comment: Comment, body: str) -> None:
        await self._calls.call(wire.update_comment(self._calls.repository, comment.id, body))


class BitbucketCloudHost:
    """One repository at Bitbucket Cloud. With an empty workspace only `check` is of use: it proves the credential."""

    def __init__(self, *, credential: Credential, calls: BitbucketCloudCalls) -> None:
        self._calls = calls
        self.capabilities = Capabilities(
            labels=False, html=False, comment_limit=wire.COMMENT_LIMIT, listed_url=wire.listed_url
        )
        self.pull_requests = BitbucketCloudPullRequests(calls)
        self.pull_request_lists = ConditionalLists(
            calls.call, request=partial(wire_lists.list_pulls, calls.repository), reader=wire_lists.read_pulls
        )
        self.revisions = BitbucketCloudRevisions(calls)
        self.commit_statuses = BitbucketCloudCommitStatuses(calls)
        self.labels = AbsentLabels()
        self.comments = BitbucketCloudComments(calls, credential)
        self.changes: PullRequestChanges | None = BitbucketCloudPullRequestChanges(calls)
        self.branches: Branches | None = BitbucketCloudBranches(calls)
        self.deployment_records: DeploymentRecords | None = None
        self.steering: Steering | None = BitbucketCloudSteering(calls)

    async def check(self) -> str:
        """Prove the credential, and the repository with the right to read pull requests where there is one.

        Raises ProviderMisconfigured for a repository that is called otherwise now.
        """
        if self._calls.repository:
            reply = await self._calls.call(wire.check_repository(self._calls.repository))
            name = await read(reply, partial(wire.read_full_name, reply.document(), self._calls.full_name))
            prove_writable(
                called="" if wire.is_id(self._calls.full_name) else self._calls.full_name,
                name=name,
                archived=False,
                host="Bitbucket",
                redact=self._calls.redact,
            )
            await self._calls.call(wire.check_pull_requests(self._calls.repository))
            return self._calls.full_name
        try:
            return wire.read_account_name((await self._calls.call(wire.check_account())).document())
        except ProviderUnauthorized as error:
            # An access token is of a repository, a project or a workspace, none of which is an account.
            if not is_no_account(error):
                raise
            return "an access token"
