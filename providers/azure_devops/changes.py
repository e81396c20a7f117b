"""Open, change and merge pull requests of one Azure DevOps repository."""

import asyncio
from functools import partial

from providers.azure_devops import wire, wire_changes
from providers.azure_devops.branches import AzureDevOpsBranches
from providers.azure_devops.calls import AzureDevOpsCalls, after_full_page
from providers.documents import Document
from providers.errors import ProviderConflict, ProviderNotFound, ProviderRejected
from providers.models import Ancestry, ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.reading import read

# A merge is looked at so often while it is awaited, each time after twice the pause before.
_LOOKS = 6


class AzureDevOpsPullRequestChanges:
    def __init__(self, calls: AzureDevOpsCalls, branches: AzureDevOpsBranches) -> None:
        self._calls = calls
        self._branches = branches

    async def find_open(self, head: str, base: str) -> tuple[HostPullRequest, ...]:
        calls, found = self._calls, list[HostPullRequest]()
        following = partial(after_full_page, size=wire_changes.OPEN_PAGE)
        async for reply in calls.pages(partial(wire_changes.list_open, calls.repository, head, base), following):
            found.extend(await read(reply, partial(wire_changes.read_open, reply, head, base, calls.web)))
        return tuple(sorted(found, key=lambda one: one.number))

    async def create(self, wanted: NewPullRequest) -> HostPullRequest:
        """Open one. The host would open one with nothing to merge as well, so that is looked at before."""
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        await self._check_mergeable(wanted.head, wanted.base)
        request = wire_changes.create_pull(self._calls.repository, wanted)
        reply = await self._calls.call(request)
        if reply.ok:
            return wire.read_pull(reply.document(), self._calls.web)
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        raise self._calls.error(request, reply)

    async def _check_mergeable(self, head: str, base: str) -> None:
        ours, theirs = await self._branches.head(head), await self._branches.head(base)
        for branch, commit in ((head, ours), (base, theirs)):
            if commit is None:
                raise ProviderNotFound(f"the repository has no branch `{branch}`")
        if ours == theirs or await self._contains(str(theirs), str(ours)):
            raise ProviderConflict(f"`{base}` contains all of `{head}`: there is nothing to merge")

    async def _contains(self, head: str, commit: str) -> bool:
        reply = await self._calls.call(wire.find_merge_bases(self._calls.repository, commit, head))
        return await read(reply, lambda: wire.read_ancestry(wire.items_of(reply), commit, head)) is Ancestry.AHEAD

    async def update(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        if wanted := wire_changes.differences(await self._read(number), title, body):
            await self._calls.call(wire_changes.update_pull(self._calls.repository, number, wanted))

    async def merge(self, number: int, merge: Merge) -> str:
        """Begin to complete it once the host knows that it can, and look until it is done."""
        asked = False
        for look in range(_LOOKS + 1):
            pull = await self._read(number)
            if made := wire_changes.merged_as(pull):
                return made
            if (hindrance := wire_changes.hindrance(pull, merge)) is not None:
                raise self._calls.redacted(hindrance)
            if not asked and not wire_changes.is_computing(pull):
                asked = True
                if made := await self._complete(number, merge):
                    return made
            if look < _LOOKS:
                await asyncio.sleep(self._calls.settled_within.total_seconds() * 2**look / (2**_LOOKS - 1))
        raise wire_changes.still_computing()

    async def _complete(self, number: int, merge: Merge) -> str:
        """Begin to complete it; return the merge commit where it is there already, else an empty text."""
        try:
            reply = await self._calls.call(wire_changes.complete_pull(self._calls.repository, number, merge))
        except ProviderRejected:
            # Somebody may have completed it since, and what is completed is not completed again.
            if made := wire_changes.merged_as(await self._read(number)):
                return made
            raise
        return wire_changes.merged_as(reply.document())

    async def close(self, number: int) -> None:
        if wire.read_state(await self._read(number)) is ChangeState.OPEN:
            await self._calls.call(wire_changes.abandon_pull(self._calls.repository, number))

    async def _read(self, number: int) -> Document:
        return (await self._calls.call(wire.get_pull(self._calls.repository, number))).document()
