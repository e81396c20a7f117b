"""GitLab as an SCM host: one project with one credential."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

from providers.changed_files import read_files
from providers.credentials import proof
from providers.decoding import giving_way
from providers.errors import ProviderMalformed, ProviderMisconfigured, ProviderRejected, ProviderUnauthorized
from providers.gitlab import commits, merge_requests, notes, statuses, wire, wire_lists
from providers.gitlab.branches import GitLabBranches
from providers.gitlab.calls import GitLabCalls
from providers.gitlab.changes import GitLabMergeRequestChanges
from providers.gitlab.deployments import GitLabDeploymentRecords
from providers.gitlab.steering import GitLabSteering
from providers.hindrances import prove_writable
from providers.http import HttpClients
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


class KnownLabels:
    """Remember which labels a project has, so that each is created with its colour once and not asked for again."""

    def __init__(self) -> None:
        self.names: set[str] = set()


class GitLabMergeRequests:
    def __init__(self, calls: GitLabCalls) -> None:
        self._calls = calls

    async def get(self, number: int) -> HostPullRequest:
        reply = await self._calls.call(merge_requests.get_merge_request(self._calls.project, number))
        return await read(reply, lambda: merge_requests.read_merge_request(reply.document()))

    async def changed_files(self, number: int) -> ChangedFiles:
        shown = (await self._calls.call(merge_requests.get_merge_request(self._calls.project, number))).document()
        return await read_files(
            self._calls.pages(partial(merge_requests.list_diffs, self._calls.project, number)),
            merge_requests.read_paths,
            rows_on=merge_requests.files_on,
            is_whole=lambda rows, _: merge_requests.lists_all(shown, rows),
        )


class GitLabRevisions:
    def __init__(self, calls: GitLabCalls) -> None:
        self._calls = calls

    async def compare(self, base: str, head: str) -> Ancestry:
        if base == head:
            return Ancestry.IDENTICAL
        reply = await self._calls.call(commits.get_merge_base(self._calls.project, base, head))
        found = commits.read_ancestry(reply, base, head)
        if found is None:
            await self._calls.prove_seen()
        return found or Ancestry.UNKNOWN

    async def resolve(self, revision: str) -> str | None:
        reply = await self._calls.call(commits.get_commit(self._calls.project, revision))
        if reply.ok:
            return commits.read_commit(reply.document(), revision)
        await self._calls.prove_seen()
        return None


class GitLabCommitStatuses:
    def __init__(self, calls: GitLabCalls) -> None:
        self._calls = calls

    async def newest(self, sha: str) -> Mapping[str, CommitStatus]:
        found: dict[str, tuple[int, CommitStatus]] = {}
        async for reply in self._calls.pages(partial(statuses.list_statuses, self._calls.project, sha)):
            async for status in giving_way(await read(reply, reply.documents)):
                statuses.read_newest(found, status)
        return {context: status for context, (_, status) in found.items()}

    async def set(self, sha: str, status: CommitStatus) -> None:
        request = statuses.create_status(self._calls.project, sha, status)
        reply = await self._calls.call(request)
        if reply.ok:
            return
        states = statuses.detour(status, reply)
        if not states:
            raise self._calls.error(request, reply)
        for state in states:
            await self._calls.call(statuses.create_status(self._calls.project, sha, status, state=state))


class GitLabLabels:
    def __init__(self, calls: GitLabCalls, known: KnownLabels) -> None:
        self._calls = calls
        self._known = known

    async def list(self, number: int) -> tuple[str, ...]:
        reply = await self._calls.call(merge_requests.get_merge_request(self._calls.project, number))
        return await read(reply, lambda: merge_requests.read_labels(reply.document()))

    async def add(
        self, number: int, names: Sequence[str], looks: Mapping[str, LabelLook] = NO_LOOKS
    ) -> tuple[str, ...]:
        request = merge_requests.add_labels(self._calls.project, number, names)
        for name in names:
            if name not in self._known.names:
                await self._calls.call(merge_requests.create_label(self._calls.project, name, looks.get(name)))
                self._known.names.add(name)
        reply = await self._calls.call(request)
        if missing := merge_requests.missing_labels(names, reply.document()):
            self._known.names.difference_update(missing)
            lost = ", ".join(missing)
            text = f"GitLab did not add {lost}: create the labels, or give the token's user a role that may"
            raise ProviderUnauthorized(self._calls.redact(text), status=403)
        return await read(reply, lambda: merge_requests.read_labels(reply.document()))

    async def remove(self, number: int, name: str) -> None:
        await self._calls.call(merge_requests.remove_label(self._calls.project, number, name))


class GitLabComments:
    def __init__(self, calls: GitLabCalls, credential: Credential) -> None:
        self._calls = calls
        self._credential = credential

    async def own(self, number: int) -> tuple[Comment, ...]:
        own = await self._calls.user_id()
        pages = self._calls.pages(partial(notes.list_notes, self._calls.project, number))
        listed = [await read(reply, partial(notes.read_notes_of, number, own, reply)) async for reply in pages]
        return tuple(chain.from_iterable(listed))

    async def get(self, comment_id: str) -> Comment:
        reply = await self._calls.call(notes.get_note(self._calls.project, comment_id))
        return notes.read_note(notes.iid_of(comment_id), reply.document())

    def proof(self, text: str) -> str:
        return proof(self._credential, text)

    async def create(self, number: int, body: str) -> Comment:
        reply = await self._calls.call(notes.create_note(self._calls.project, number, body))
        return notes.read_note(number, reply.document())

    async def update(self, comment: Comment, body: str) -> None:
        await self._calls.call(notes.update_note(self._calls.project, comment.id, body))


class GitLabHost:
    """One project at GitLab. Without a project only `check` is of use: it proves the credential alone."""

    def __init__(self, *, http: HttpClients, credential: Credential, calls: GitLabCalls) -> None:
        self._calls = calls
        self.capabilities = Capabilities(
            label_limit=merge_requests.LABEL_LIMIT,
            deployment_records=True,
            comment_limit=notes.NOTE_LIMIT,
            listed_context=statuses.listed_context,
            listed_url=statuses.listed_url,
        )
        self.pull_requests = GitLabMergeRequests(calls)
        self.pull_request_lists = ConditionalLists(
            calls.call,
            request=partial(wire_lists.list_merge_requests, calls.project),
            reader=wire_lists.read_merge_requests,
        )
        self.revisions = GitLabRevisions(calls)
        self.commit_statuses = GitLabCommitStatuses(calls)
        self.labels = GitLabLabels(calls, http.memory(KnownLabels, credential, calls.base_url, calls.project))
        self.comments = GitLabComments(calls, credential)
        self.changes: PullRequestChanges | None = GitLabMergeRequestChanges(calls)
        self.branches: Branches | None = GitLabBranches(calls)
        self.deployment_records: DeploymentRecords | None = GitLabDeploymentRecords(calls)
        self.steering: Steering | None = GitLabSteering(calls)

    async def check(self) -> str:
        """Prove the credential, and the project where there is one; return its path or the account.

        Raises ProviderUnauthorized for a scope or right that is missing, ProviderRejected for an archived project,
        ProviderMisconfigured for one that is called otherwise now.
        """
        if not self._calls.project:
            return wire.read_user((await self._calls.call(wire.get_account())).document()).username
        scopes = wire.read_scopes(await self._calls.call(wire.get_token()))
        project = (await self._calls.call(wire.get_project(self._calls.project))).document()
        # With a trigger token next to it the credential is one for pipelines, whose TestRunner names what is missing.
        if scopes and "api" not in scopes and not self._calls.trigger_token:
            has = self._calls.redact(", ".join(sorted(scopes)))
            text = (
                f"the `token` (scopes: {has}) does not have the scope `api`, which labels, statuses and comments need"
            )
            raise ProviderUnauthorized(text, status=403)
        path = wire.read_project_path(project)
        if self._calls.trigger_token:
            return path
        archived = wire.is_archived(project)
        prove_writable(
            called=self._calls.called, name=path, archived=archived, host="GitLab", redact=self._calls.redact
        )
        await self._prove_rights(path)
        return path

    async def _prove_rights(self, path: str) -> None:
        """Raise ProviderUnauthorized where GitLab shows that the user misses a right; its silence proves nothing."""
        try:
            reply = await self._calls.query(wire.ask_rights(path))
            missing = await read(reply, partial(wire.read_missing_rights, reply))
        except (ProviderMalformed, ProviderMisconfigured, ProviderRejected):
            # GraphQL is not there, such as behind a proxy that lets the REST API through alone.
            return
        if missing:
            text = f"the token's user may not {' nor '.join(missing)}: give it the role Developer in `{path}`"
            raise ProviderUnauthorized(self._calls.redact(text), status=403)
