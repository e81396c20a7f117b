"""Branches and files of one GitHub repository."""

from functools import partial

from providers.errors import ProviderConflict, ProviderError
from providers.github import wire_branches
from providers.github.calls import GitHubCalls
from providers.models import BranchCommit, NewCommit
from providers.reading import read


class GitHubBranches:
    def __init__(self, calls: GitHubCalls) -> None:
        self._calls = calls

    async def head(self, branch: str) -> str | None:
        reply = await self._calls.call(wire_branches.get_head(self._calls.repository, branch))
        if reply.ok:
            return wire_branches.read_head(reply.document())
        if reply.status == 404:
            await self._calls.prove_seen()
        return None

    async def log(self, branch: str, limit: int) -> tuple[BranchCommit, ...]:
        reply = await self._calls.call(wire_branches.list_commits(self._calls.repository, branch, limit))
        return await read(reply, partial(wire_branches.read_log, reply)) if reply.ok else ()

    async def read(self, path: str, revision: str) -> bytes | None:
        request = wire_branches.get_file(self._calls.repository, path, revision)
        reply = await self._calls.call(request)
        if reply.ok:
            return await read(reply, partial(wire_branches.read_file, reply))
        error = self._calls.error(request, reply)
        if wire_branches.knows_no_commit(str(error)):
            raise error
        await self._calls.prove_seen()
        return None

    async def commit(self, wanted: NewCommit) -> str:
        if wanted.begins:
            await self._begin(wanted)
        reply = await self._calls.query(wire_branches.create_commit(self._calls.full_name, wanted))
        try:
            return wire_branches.read_new_commit(reply)
        except ProviderError as error:
            text = self._calls.redact(str(error))
            raise type(error)(text, status=error.status, retry_after=error.retry_after) from None

    async def _begin(self, wanted: NewCommit) -> None:
        request = wire_branches.create_branch(self._calls.repository, wanted.branch, wanted.expected_head)
        reply = await self._calls.call(request)
        if reply.ok:
            return
        error = self._calls.error(request, reply)
        if wire_branches.exists_already(str(error)):
            raise ProviderConflict(str(error), status=error.status)
        raise error
