"""Branches and files of one repository at a Gitea or Forgejo."""

from functools import partial

from providers.errors import ProviderConflict, ProviderNotFound
from providers.gitea import wire_branches
from providers.gitea.calls import GiteaCalls
from providers.gitea.revisions import GiteaRevisions
from providers.messages import Reply
from providers.models import BranchCommit, NewCommit
from providers.reading import read


class GiteaBranches:
    def __init__(self, calls: GiteaCalls, revisions: GiteaRevisions) -> None:
        self._calls = calls
        self._revisions = revisions

    async def head(self, branch: str) -> str | None:
        reply = await self._calls.call(wire_branches.get_head(self._calls.repository, branch))
        if reply.ok:
            return wire_branches.read_head(reply.document())
        await self._calls.prove_seen()
        return None

    async def log(self, branch: str, limit: int) -> tuple[BranchCommit, ...]:
        head, limit = await self._existing(branch), min(limit, wire_branches.LOG_LIMIT)
        calls, found = self._calls, list[BranchCommit]()
        async for reply in calls.pages(lambda page: wire_branches.list_commits(calls.repository, head, page)):
            found.extend(await read(reply, partial(wire_branches.read_log, reply)))
            if len(found) >= limit:
                break
        return tuple(found[:limit])

    async def read(self, path: str, revision: str) -> bytes | None:
        reply = await self._file(path, revision)
        return None if reply is None else await read(reply, partial(wire_branches.read_file, reply))

    async def commit(self, wanted: NewCommit) -> str:
        """Write all files in one commit. A commit of other files that comes in between is written upon.

        The host takes no expected head: the branch is looked at before, and each file is locked by its content.
        """
        if wanted.begins:
            await self._calls.call(
                wire_branches.create_branch(self._calls.repository, wanted.branch, wanted.expected_head)
            )
        else:
            await self._check_head(wanted)
        blobs: dict[str, str] = {}
        for edit in wanted.edits:
            if (there := await self._file(edit.path, wanted.expected_head)) is not None:
                blobs[edit.path] = await read(there, partial(wire_branches.read_blob, there))
        request = wire_branches.create_commit(self._calls.repository, wanted, blobs)
        reply = await self._calls.call(request)
        if reply.ok:
            return wire_branches.read_new_commit(reply.document())
        # A push in between is a 422, or an error of the server's; nothing was written.
        await self._check_head(wanted)
        raise self._calls.error(request, reply)

    async def _check_head(self, wanted: NewCommit) -> None:
        """Raise ProviderConflict where the branch is elsewhere, ProviderNotFound where there is none."""
        if (head := await self._existing(wanted.branch)) != wanted.expected_head:
            raise ProviderConflict(f"`{wanted.branch}` is at {head[:40]}, not at {wanted.expected_head}")

    async def _existing(self, branch: str) -> str:
        head = await self.head(branch)
        if head is None:
            raise ProviderNotFound(f"there is no branch `{branch}`")
        return head

    async def _file(self, path: str, revision: str) -> Reply | None:
        """Ask for a file; None where the commit holds none. Raises ProviderNotFound for an unknown commit."""
        reply = await self._calls.call(wire_branches.get_file(self._calls.repository, path, revision))
        if reply.ok:
            return reply
        if await self._revisions.resolve(revision) is None:
            raise ProviderNotFound(f"the host has no commit {revision}")
        return None
