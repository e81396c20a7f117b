"""Branches and files of one GitLab project."""

from functools import partial

from providers.errors import ProviderConflict, ProviderNotFound
from providers.gitlab import wire_branches
from providers.gitlab.calls import GitLabCalls
from providers.gitlab.wire_branches import FileState
from providers.models import BranchCommit, FileEdit, NewCommit
from providers.reading import read


class GitLabBranches:
    """GitLab compares the files that are written with what they were, not the branch's head with what it was."""

    def __init__(self, calls: GitLabCalls) -> None:
        self._calls = calls

    async def head(self, branch: str) -> str | None:
        reply = await self._calls.call(wire_branches.get_branch(self._calls.project, branch))
        if reply.ok:
            return wire_branches.read_head(reply.document())
        await self._calls.prove_seen()
        return None

    async def log(self, branch: str, limit: int) -> tuple[BranchCommit, ...]:
        reply = await self._calls.call(wire_branches.list_commits(self._calls.project, branch, limit))
        found = await read(reply, partial(wire_branches.read_log, reply))
        if not found and await self.head(branch) is None:
            raise ProviderNotFound(self._calls.redact(f"there is no branch `{branch}`"), status=404)
        return found

    async def read(self, path: str, revision: str) -> bytes | None:
        request = wire_branches.get_content(self._calls.project, path, revision)
        reply = await self._calls.call(request)
        if reply.ok:
            return wire_branches.read_content(reply)
        if not wire_branches.misses_file(reply):
            raise self._calls.error(request, reply)
        return None

    async def commit(self, wanted: NewCommit) -> str:
        """Write what differs. Where nothing does the expected head is returned: the host refuses an empty commit.

        A commit of others that arrives between the look at the head and the write, and changes none of the files, stays
        below ours. A branch begins with the commit, or not at all.
        """
        await self._expect(wanted)
        changes: list[tuple[FileEdit, FileState | None]] = []
        for edit in wanted.edits:
            there = await self._file(edit.path, wanted.expected_head)
            if there is None or there.content != edit.content or wanted.begins:
                changes.append((edit, there))
        if not changes:
            return wanted.expected_head
        request = wire_branches.create_commit(self._calls.project, wanted, changes)
        reply = await self._calls.call(request)
        if reply.ok:
            return wire_branches.read_commit_id(reply.document())
        # No matter what the text states: a branch that moved meanwhile is the usual reason.
        await self._expect(wanted)
        raise wire_branches.refused_commit(self._calls.error(request, reply))

    async def _expect(self, wanted: NewCommit) -> None:
        """Raise ProviderConflict where the branch is elsewhere, or there although it is to begin."""
        head = await self.head(wanted.branch)
        if head is None and not wanted.begins:
            raise ProviderNotFound(self._calls.redact(f"there is no branch `{wanted.branch}`"), status=404)
        if head is not None and (wanted.begins or head != wanted.expected_head):
            where = "and was to begin" if wanted.begins else f"not at {wanted.expected_head}"
            raise ProviderConflict(self._calls.redact(f"`{wanted.branch}` is at {head}, {where}"), status=409)

    async def _file(self, path: str, revision: str) -> FileState | None:
        request = wire_branches.get_file(self._calls.project, path, revision)
        reply = await self._calls.call(request)
        if reply.ok:
            return await read(reply, lambda: wire_branches.read_file(reply.document()))
        if not wire_branches.misses_file(reply):
            raise self._calls.error(request, reply)
        return None
