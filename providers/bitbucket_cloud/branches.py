"""Branches and files of one repository at Bitbucket Cloud."""

from functools import partial

from providers.bitbucket_cloud import wire_branches
from providers.bitbucket_cloud.calls import BitbucketCloudCalls
from providers.errors import ProviderConflict, ProviderNotFound, ProviderUnavailable
from providers.models import BranchCommit, NewCommit
from providers.reading import read


class BitbucketCloudBranches:
    def __init__(self, calls: BitbucketCloudCalls) -> None:
        self._calls = calls

    async def head(self, branch: str) -> str | None:
        reply = await self._calls.call(wire_branches.get_head(self._calls.repository, branch))
        if reply.ok:
            return wire_branches.read_head(reply.document())
        await self._calls.prove_seen()
        return None

    async def log(self, branch: str, limit: int) -> tuple[BranchCommit, ...]:
        head = await self.head(branch)
        if head is None:
            raise ProviderNotFound(f"there is no branch `{branch}`", status=404)
        reply = await self._calls.call(wire_branches.list_commits(self._calls.repository, head, limit))
        return (await read(reply, partial(wire_branches.read_log, reply)))[:limit]

    async def read(self, path: str, revision: str) -> bytes | None:
        reply = await self._calls.call(wire_branches.get_file(self._calls.repository, path, revision))
        if reply.ok:
            return await read(reply, partial(wire_branches.read_file, reply))
        await self._calls.prove_commit(revision)
        return None

    async def commit(self, wanted: NewCommit) -> str:
        # The host makes a branch that does not exist, and commits to one that does, whichever was meant.
        if wanted.begins and (there := await self.head(wanted.branch)) is not None:
            raise ProviderConflict(f"branch `{wanted.branch}` exists already, at {there}", status=409)
        request = wire_branches.create_commit(self._calls.repository, wanted)
        reply = await self._calls.call(request)
        if not reply.ok:
            head = await self.head(wanted.branch)
            # One that was to begin is where it was, which is nowhere.
            if head != (None if wanted.begins else wanted.expected_head):
                where = f"is at {head}" if head else "is not there"
                raise ProviderConflict(f"branch `{wanted.branch}` {where}", status=409)
            raise self._calls.error(request, reply)
        made = wire_branches.read_new_commit(reply)
        if made is None:
            # It is made; who looks for it in the branch finds it.
            raise ProviderUnavailable("the host does not name the commit that it made", status=reply.status)
        return made
