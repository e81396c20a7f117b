"""Branches and files of one Azure DevOps repository."""

from collections.abc import Callable
from functools import partial

from providers.azure_devops import wire, wire_branches
from providers.azure_devops.calls import AzureDevOpsCalls
from providers.documents import Document
from providers.errors import ProviderError, ProviderMalformed
from providers.messages import ListBound, Reply
from providers.models import BranchCommit, NewCommit
from providers.reading import read


class AzureDevOpsBranches:
    def __init__(self, calls: AzureDevOpsCalls) -> None:
        self._calls = calls

    async def head(self, branch: str) -> str | None:
        bound, token = ListBound(), ""
        for _ in range(wire.PAGE_LIMIT):
            request = wire_branches.list_refs(self._calls.repository, branch, token)
            reply = bound.take(await self._calls.call(request))
            found = await read(reply, partial(wire_branches.read_head, reply, branch))
            token = wire_branches.continuation(reply)
            if found is not None or not token:
                return found
        raise ProviderMalformed(f"the host names more than {wire.PAGE_LIMIT} pages")

    async def log(self, branch: str, limit: int) -> tuple[BranchCommit, ...]:
        reply = await self._calls.call(wire_branches.list_log(self._calls.repository, branch, limit))
        listed = await read(reply, partial(wire_branches.read_log, reply))
        cut = await read(reply, partial(wire_branches.cut_commits, reply))
        return tuple([await self._whole(one.sha) if one.sha in cut else one for one in listed[:limit]])

    async def _whole(self, sha: str) -> BranchCommit:
        reply = await self._calls.call(wire_branches.get_commit(self._calls.repository, sha))
        return wire_branches.read_commit(reply.document())

    async def read(self, path: str, revision: str) -> bytes | None:
        request = wire_branches.get_file(self._calls.repository, path, revision)
        reply = await self._calls.call(request)
        if reply.ok:
            return wire_branches.read_file(reply)
        if wire.type_key(reply) != "GitItemNotFoundException":
            raise self._calls.error(request, reply)
        return None

    async def commit(self, wanted: NewCommit) -> str:
        if wanted.begins:
            request = wire_branches.create_branch(self._calls.repository, wanted.branch, wanted.expected_head)
            await self._read(await self._calls.call(request), wire_branches.read_created_branch)
        existing = frozenset([edit.path for edit in wanted.edits if await self._exists(edit.path, wanted)])
        reply = await self._calls.call(wire_branches.push(self._calls.repository, wanted, existing))
        return await self._read(reply, wire_branches.read_push)

    async def _read(self, reply: Reply, reader: Callable[[Document], str]) -> str:
        try:
            return await read(reply, partial(reader, reply.document()))
        except ProviderError as error:
            raise self._calls.redacted(error) from None

    async def _exists(self, path: str, wanted: NewCommit) -> bool:
        request = wire_branches.find_file(self._calls.repository, path, wanted.expected_head)
        reply = await self._calls.call(request)
        if reply.ok:
            return True
        if wire.type_key(reply) != "GitItemNotFoundException":
            raise self._calls.error(request, reply)
        return False
