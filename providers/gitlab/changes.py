"""Open, change and merge merge requests of one GitLab project."""

import asyncio
from functools import partial

from providers.errors import ProviderBusy, ProviderConflict, ProviderError, ProviderNotFound
from providers.gitlab import commits, merge_requests, wire, wire_changes
from providers.gitlab.branches import GitLabBranches
from providers.gitlab.calls import GitLabCalls
from providers.messages import Reply
from providers.models import Ancestry, HostPullRequest, Merge, NewPullRequest
from providers.reading import read

MERGE_LOOKS = 5
"""How often a merge that is under way is looked at in one call."""
MERGE_PAUSE_SECONDS = 1.0


class GitLabMergeRequestChanges:
    def __init__(self, calls: GitLabCalls) -> None:
        self._calls = calls
        self._branches = GitLabBranches(calls)

    async def find_open(self, head: str, base: str) -> tuple[HostPullRequest, ...]:
        found: list[HostPullRequest] = []
        async for reply in self._calls.pages(partial(wire_changes.list_open, self._calls.project, head, base)):
            found.extend(await read(reply, partial(wire_changes.read_open, reply, head, base)))
        return tuple(found)

    async def create(self, wanted: NewPullRequest) -> HostPullRequest:
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        head = await self._prove_difference(wanted)
        request = wire_changes.create_merge_request(self._calls.project, wanted)
        reply = await self._calls.call(request)
        if reply.ok:
            return await read(reply, lambda: wire_changes.read_created(reply.document(), head))
        # Somebody opened one since.
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        raise self._calls.error(request, reply)

    async def update(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        shown = (await self._show(number)).document()
        if wanted := wire_changes.differences(shown, title, body):
            await self._calls.call(wire_changes.update_merge_request(self._calls.project, number, wanted))

    async def merge(self, number: int, merge: Merge) -> str:
        shown = await self._show(number)
        became = await _outcome(shown, merge)
        if became is None and not wire_changes.is_merging(shown.document()):
            project = (await self._calls.call(wire.get_project(self._calls.project))).document()
            if refused := wire_changes.refused_method(project, merge.method):
                raise refused
            request = wire_changes.merge(self._calls.project, number, shown.document(), merge)
            reply = await self._calls.call(request)
            error = None if reply.ok else self._calls.error(request, reply)
            became = await _outcome(reply if reply.ok else await self._show(number), merge, error)
        return await self._merged(number, merge, became)

    async def close(self, number: int) -> None:
        if merge_requests.is_open((await self._show(number)).document()):
            await self._calls.call(wire_changes.close_merge_request(self._calls.project, number))

    async def _merged(self, number: int, merge: Merge, became: ProviderError | str | None) -> str:
        """Await what the host does in the background, and return the merge commit."""
        for _ in range(MERGE_LOOKS):
            if became is not None:
                break
            await asyncio.sleep(MERGE_PAUSE_SECONDS)
            became = await _outcome(await self._show(number), merge)
        if isinstance(became, ProviderError):
            raise type(became)(self._calls.redact(str(became)), status=became.status)
        if became is None:
            raise ProviderBusy("the merge is under way at the host")
        return became

    async def _prove_difference(self, wanted: NewPullRequest) -> str:
        """Return the head. The host opens merge requests that would merge nothing."""
        tips: list[str] = []
        for branch in (wanted.base, wanted.head):
            if (tip := await self._branches.head(branch)) is None:
                raise ProviderNotFound(self._calls.redact(f"there is no branch `{branch}`"), status=404)
            tips.append(tip)
        base, head = tips
        reply = await self._calls.call(commits.get_merge_base(self._calls.project, base, head))
        if commits.read_ancestry(reply, base, head) in (Ancestry.BEHIND, Ancestry.IDENTICAL):
            raise ProviderConflict(self._calls.redact(f"`{wanted.head}` has no commit that is not in `{wanted.base}`"))
        return head

    async def _show(self, number: int) -> Reply:
        return await self._calls.call(merge_requests.get_merge_request(self._calls.project, number))


async def _outcome(reply: Reply, merge: Merge, error: ProviderError | None = None) -> ProviderError | str | None:
    return await read(reply, lambda: wire_changes.outcome(reply.document(), merge, error))
