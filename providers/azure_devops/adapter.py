"""Azure DevOps as an SCM host: one repository with one credential."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from providers.azure_devops import wire, wire_branches, wire_comments, wire_lists, wire_statuses
from providers.azure_devops.branches import AzureDevOpsBranches
from providers.azure_devops.calls import AzureDevOpsCalls, after_full_page
from providers.azure_devops.changes import AzureDevOpsPullRequestChanges
from providers.azure_devops.steering import AzureDevOpsSteering
from providers.changed_files import read_files
from providers.credentials import proof
from providers.errors import ProviderNotFound, ProviderUnauthorized
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
from providers.ports import NO_LOOKS, Branches, DeploymentRecords, PullRequestChanges, Steering
from providers.pull_request_lists import ConditionalLists
from providers.reading import read

_WHOLE_HASH = re.compile(r"[0-9a-fA-F]{40}")
# Of the default branch so many pages are searched for the commit that an abbreviation means.
_SEARCHED_PAGES = 3


class AzureDevOpsPullRequests:
    def __init__(self, calls: AzureDevOpsCalls) -> None:
        self._calls = calls

    async def get(self, number: int) -> HostPullRequest:
        value = (await self._calls.call(wire.get_pull(self._calls.repository, number))).document()
        change = wire.read_pull(value, self._calls.web)
        if wire.has_labels(value):
            return change
        labels = await self._calls.call(wire.list_labels(self._calls.repository, number))
        return replace(change, labels=await read(labels, lambda: wire.read_labels(wire.items_of(labels))))

    async def changed_files(self, number: int) -> ChangedFiles:
        pushes = await self._calls.call(wire.list_iterations(self._calls.repository, number))
        newest = await read(pushes, lambda: wire.read_newest_iteration(wire.items_of(pushes)))
        if not newest:
            # Of those from before the host kept pushes no more is known.
            return ChangedFiles(paths=(), complete=False)
        pages = self._calls.pages(
            lambda skip: wire.list_files(self._calls.repository, number, newest, skip),
            lambda _, reply: wire.read_next_skip(reply.document()),
        )
        return await read_files(pages, lambda page: wire.read_files(page.document()))


class AzureDevOpsRevisions:
    def __init__(self, calls: AzureDevOpsCalls) -> None:
        self._calls = calls

    async def compare(self, base: str, head: str) -> Ancestry:
        if base == head:
            return Ancestry.IDENTICAL
        try:
            reply = await self._calls.call(wire.find_merge_bases(self._calls.repository, base, head))
        except ProviderNotFound:
            await self._calls.prove_seen()
            return Ancestry.UNKNOWN
        return await read(reply, lambda: wire.read_ancestry(wire.items_of(reply), base, head))

    async def resolve(self, revision: str) -> str | None:
        """Search the newest commits of the default branch: the host itself completes no abbreviation.

        A whole hash needs no search, which would miss what is on another branch or older.
        """
        if _WHOLE_HASH.fullmatch(revision):
            return await self._existing(revision)
        found: set[str] = set()
        searched = 0
        pages = self._calls.pages(partial(wire.list_commits, self._calls.repository), after_full_page)
        async for reply in pages:
            found.update(await read(reply, partial(wire.read_matching, reply, revision)))
            searched += 1
            if searched == _SEARCHED_PAGES and not found:
                limit = _SEARCHED_PAGES * wire.PAGE_SIZE
                text = f"none of the newest {limit} commits of the default branch begins with `{revision}`"
                raise ProviderNotFound(
                    f"{text}, and Azure DevOps completes no abbreviation: use the whole hash in tags"
                )
            if searched == _SEARCHED_PAGES:
                break
        return found.pop() if len(found) == 1 else None

    async def _existing(self, sha: str) -> str | None:
        reply = await self._calls.call(wire_branches.find_commit(self._calls.repository, sha))
        if reply.ok:
            return wire_branches.read_commit(reply.document()).sha
        await self._calls.prove_seen()
        return None


class AzureDevOpsCommitStatuses:
    def __init__(self, calls: AzureDevOpsCalls) -> None:
        self._calls = calls

    async def newest(self, sha: str) -> Mapping[str, CommitStatus]:
        rows: list[tuple[int, CommitStatus]] = []
        async for reply in self._calls.pages(
            partial(wire_statuses.list_statuses, self._calls.repository, sha), after_full_page
        ):
            rows += await read(reply, partial(wire_statuses.read_statuses, reply))
        return wire_statuses.newest_of(rows)

    async def set(self, sha: str, status: CommitStatus) -> None:
        await self._calls.call(wire_statuses.create_status(self._calls.repository, sha, status))


class AzureDevOpsLabels:
    def __init__(self, calls: AzureDevOpsCalls) -> None:
        self._calls = calls

    async def list(self, number: int) -> tuple[str, ...]:
        reply = await self._calls.call(wire.list_labels(self._calls.repository, number))
        return await read(reply, lambda: wire.read_labels(wire.items_of(reply)))

    async def add(
        self, number: int, names: Sequence[str], looks: Mapping[str, LabelLook] = NO_LOOKS
    ) -> tuple[str, ...]:
        there = list(await self.list(number))
        for name in names:
            if name.lower() not in {label.lower() for label in there}:
                reply = await self._calls.call(wire.add_label(self._calls.repository, number, name))
                there += wire.read_labels((reply.document(),))
        return tuple(there)

    async def remove(self, number: int, name: str) -> None:
        reply = await self._calls.call(wire.list_labels(self._calls.repository, number))
        labels = await read(reply, lambda: wire.read_label_ids(wire.items_of(reply)))
        label = labels.get(name.lower())
        if label is not None:
            await self._calls.call(wire.remove_label(self._calls.repository, number, label))


class AzureDevOpsComments:
    def __init__(self, calls: AzureDevOpsCalls, credential: Credential) -> None:
        self._calls = calls
        self._credential = credential

    async def own(self, number: int) -> tuple[Comment, ...]:
        account = await self._calls.account()
        reply = await self._calls.call(wire_comments.list_threads(self._calls.repository, number))
        return await read(reply, partial(wire_comments.read_comments_of, account, number, reply))

    async def get(self, comment_id: str) -> Comment:
        reply = await self._calls.call(wire_comments.get_comment(self._calls.repository, comment_id))
        return wire_comments.read_comment(reply.document(), comment_id)

    def proof(self, text: str) -> str:
        return proof(self._credential, text)

    async def create(self, number: int, body: str) -> Comment:
        reply = await self._calls.call(wire_comments.create_thread(self._calls.repository, number, body))
        return wire_comments.read_thread(reply.document(), number)

    async def update(self, comment: Comment, body: str) -> None:
        await self._calls.call(wire_comments.update_comment(self._calls.repository, comment.id, body))


class AzureDevOpsHost:
    """One repository of an organization. With an empty project only `check` is of use: it proves the credential."""

    def __init__(self, *, credential: Credential, calls: AzureDevOpsCalls) -> None:
        self._calls = calls
        self.capabilities = Capabilities(
            label_case=False,
            label_limit=wire.LABEL_LIMIT,
            listed_context=wire_statuses.listed_context,
            listed_url=wire_statuses.listed_url,
        )
        self.pull_requests = AzureDevOpsPullRequests(calls)
        self.pull_request_lists = ConditionalLists(
            calls.call,
            request=partial(wire_lists.list_pulls, calls.repository),
            reader=partial(wire_lists.read_pulls, web=calls.web),
            by_update=False,
        )
        self.revisions = AzureDevOpsRevisions(calls)
        self.commit_statuses = AzureDevOpsCommitStatuses(calls)
        self.labels = AzureDevOpsLabels(calls)
        self.comments = AzureDevOpsComments(calls, credential)
        branches = AzureDevOpsBranches(calls)
        self.changes: PullRequestChanges | None = AzureDevOpsPullRequestChanges(calls, branches)
        self.branches: Branches | None = branches
        self.deployment_records: DeploymentRecords | None = None
        self.steering: Steering | None = AzureDevOpsSteering(calls)

    async def check(self) -> str:
        """Prove the credential, and the repository where there is one; return its full name or the account's.

        Raises ProviderUnauthorized naming a permission that the account misses, as far as the host answers that.
        """
        if self._calls.repository:
            repository = (await self._calls.call(wire.get_repository(self._calls.repository))).document()
            name = wire.read_repository(repository)
            for bit, permission in wire.PERMISSIONS.items():
                if wire.is_denied(await self._calls.call(wire.ask_permission(repository, bit))):
                    raise ProviderUnauthorized(
                        f"the account does not have {permission}: grant it on repository `{name}`"
                    )
            return name
        return wire.read_account_name((await self._calls.call(wire.get_account())).document())
