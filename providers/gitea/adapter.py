"""Gitea and Forgejo as SCM hosts: one repository with one credential."""

from collections.abc import Mapping, Sequence
from functools import partial

from providers import issue_comments
from providers.changed_files import changed_paths, read_files
from providers.credentials import proof
from providers.errors import ProviderNotFound, ProviderUnauthorized, ProviderUnavailable
from providers.gitea import wire, wire_lists
from providers.gitea.branches import GiteaBranches
from providers.gitea.calls import GiteaCalls
from providers.gitea.changes import GiteaPullRequestChanges
from providers.gitea.revisions import FAILED, GiteaRevisions
from providers.gitea.steering import GiteaSteering
from providers.hindrances import prove_writable
from providers.messages import items_on
from providers.models import Capabilities, ChangedFiles, Comment, CommitStatus, Credential, HostPullRequest, LabelLook
from providers.ports import NO_LOOKS, Branches, DeploymentRecords, PullRequestChanges, Steering
from providers.pull_request_lists import ConditionalLists
from providers.reading import read
from providers.status_keys import fitting_url

# What is answered for other events of a pull request, which have numbers like comments.
_NO_COMMENT = 204

# Labels of one name that one call takes off; whatever a host lists, it asks for no more calls.
_OF_ONE_NAME = 20


class GiteaPullRequests:
    def __init__(self, calls: GiteaCalls) -> None:
        self._calls = calls

    async def get(self, number: int) -> HostPullRequest:
        reply = await self._calls.call(wire.get_pull(self._calls.repository, number))
        return await read(reply, partial(wire.read_pull, reply.document()))

    async def changed_files(self, number: int) -> ChangedFiles:
        return await read_files(
            self._calls.pages(lambda page: wire.list_files(self._calls.repository, number, page)),
            changed_paths,
            rows_on=items_on,
            most=wire.FILES_READ,
        )


class GiteaCommitStatuses:
    def __init__(self, calls: GiteaCalls, revisions: GiteaRevisions) -> None:
        self._calls = calls
        self._revisions = revisions

    async def newest(self, sha: str) -> Mapping[str, CommitStatus]:
        found: dict[str, wire.NumberedStatus] = {}
        pages = self._calls.pages(lambda page: wire.list_statuses(self._calls.repository, sha, page), "statuses")
        async for reply in pages:
            for row in await read(reply, partial(wire.read_statuses, reply)):
                known = found.get(row.status.context)
                if known is None or known.number < row.number:
                    found[row.status.context] = row
        return {context: row.status for context, row in found.items()}

    async def set(self, sha: str, status: CommitStatus) -> None:
        try:
            await self._calls.call(wire.create_status(self._calls.repository, sha, status))
        except ProviderUnavailable as error:
            if error.status == FAILED and await self._revisions.resolve(sha) is None:
                raise ProviderNotFound(f"the host has no commit {sha}", status=error.status) from None
            raise


class GiteaLabels:
    """Labels by name, each of which may stand for several at the host."""

    def __init__(self, calls: GiteaCalls) -> None:
        self._calls = calls

    async def list(self, number: int) -> tuple[str, ...]:
        return _names(await self._on(number))

    async def add(
        self, number: int, names: Sequence[str], looks: Mapping[str, LabelLook] = NO_LOOKS
    ) -> tuple[str, ...]:
        there = await self._added(number, tuple(names))
        if missing := [name for name in names if name not in there]:
            # Passed over since they do not exist; what exists was left out for a reason of the host's.
            known = await self._of_repository()
            made = [await self._create(name, looks.get(name)) for name in missing if name not in known]
            if made:
                there = await self._added(number, made)
        return there

    async def remove(self, number: int, name: str) -> None:
        found = dict.fromkeys(label.id for label in await self._on(number) if label.name == name)
        for identifier in list(found)[:_OF_ONE_NAME]:
            await self._calls.call(wire.remove_label(self._calls.repository, number, identifier))

    async def _on(self, number: int) -> tuple[wire.Label, ...]:
        reply = await self._calls.call(wire.list_labels(self._calls.repository, number))
        return await read(reply, partial(wire.read_labels, reply))

    async def _added(self, number: int, labels: Sequence[int] | Sequence[str]) -> tuple[str, ...]:
        reply = await self._calls.call(wire.add_labels(self._calls.repository, number, labels))
        return _names(await read(reply, partial(wire.read_labels, reply)))

    async def _of_repository(self) -> set[str]:
        pages = self._calls.pages(lambda page: wire.list_repository_labels(self._calls.repository, page))
        return {label.name async for reply in pages for label in await read(reply, partial(wire.read_labels, reply))}

    async def _create(self, name: str, look: LabelLook | None) -> int:
        reply = await self._calls.call(wire.create_label(self._calls.repository, name, look))
        return wire.read_label(reply.document()).id


def _names(labels: Sequence[wire.Label]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label.name for label in labels))


class GiteaComments:
    def __init__(self, calls: GiteaCalls, credential: Credential) -> None:
        self._calls = calls
        self._credential = credential

    async def own(self, number: int) -> tuple[Comment, ...]:
        login = (await self._calls.login()).lower()
        reply = await self._calls.call(wire.list_comments(self._calls.repository, number))
        return await read(reply, partial(wire.read_comments_of, login, reply))

    async def get(self, comment_id: str) -> Comment:
        reply = await self._calls.call(issue_comments.get_comment(self._calls.repository, comment_id))
        if reply.status == _NO_COMMENT:
            raise ProviderNotFound(f"{comment_id} is no comment", status=reply.status)
        return issue_comments.read_comment(reply.document())

    def proof(self, text: str) -> str:
        return proof(self._credential, text)

    async def create(self, number: int, body: str) -> Comment:
        reply = await self._calls.call(issue_comments.create_comment(self._calls.repository, number, body))
        created = reply.document()
        self._calls.learn_login(issue_comments.read_author(created))
        return issue_comments.read_comment(created)

    async def update(self, comment: Comment, body: str) -> None:
        reply = await self._calls.call(issue_comments.update_comment(self._calls.repository, comment.id, body))
        if reply.status == _NO_COMMENT:
            raise ProviderNotFound(f"{comment.id} is no comment", status=reply.status)


class GiteaHost:
    """One repository at a Gitea or Forgejo. With an empty owner only `check` is of use: it proves the credential."""

    def __init__(self, *, credential: Credential, calls: GiteaCalls) -> None:
        self._calls = calls
        self.capabilities = Capabilities(label_limit=wire.LABEL_LIMIT, listed_url=fitting_url)
        self.pull_requests = GiteaPullRequests(calls)
        self.pull_request_lists = ConditionalLists(
            calls.call, request=partial(wire_lists.list_pulls, calls.repository), reader=wire_lists.read_pulls
        )
        self.revisions = GiteaRevisions(calls)
        branches = GiteaBranches(calls, self.revisions)
        self.commit_statuses = GiteaCommitStatuses(calls, self.revisions)
        self.labels = GiteaLabels(calls)
        self.comments = GiteaComments(calls, credential)
        self.branches: Branches | None = branches
        self.changes: PullRequestChanges | None = GiteaPullRequestChanges(calls, self.revisions, branches)
        self.deployment_records: DeploymentRecords | None = None
        self.steering: Steering | None = GiteaSteering(calls)

    async def check(self) -> str:
        """Prove the credential, and the repository where there is one; return its full name or the account.

        Raises ProviderUnauthorized for a right or a scope that is missing, ProviderRejected for an archived repository,
        ProviderMisconfigured for one that is called otherwise now.
        """
        if self._calls.repository:
            reply = await self._calls.call(wire.check_repository(self._calls.repository))
            repository = reply.document()
            name = wire.read_full_name(repository)
            prove_writable(
                called=self._calls.full_name,
                name=name,
                archived=wire.is_archived(repository),
                host=self._calls.program,
                redact=self._calls.redact,
            )
            if not wire.may_write(repository):
                text = f"the account may not write to `{name}`, which labels and commit statuses need"
                raise ProviderUnauthorized(self._calls.redact(f"{text}: give it the right to write there"), status=403)
            await self._calls.call(wire.check_issues(self._calls.repository))
            return name
        return await self._calls.account() or "a token whose owner the host does not show"
