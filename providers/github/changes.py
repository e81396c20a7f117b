"""Open, change and merge pull requests of one GitHub repository."""

from functools import partial

from providers.errors import ProviderError
from providers.github import wire, wire_changes
from providers.github.calls import GitHubCalls
from providers.models import HostPullRequest, Merge, NewPullRequest
from providers.reading import read


class GitHubPullRequestChanges:
    def __init__(self, calls: GitHubCalls) -> None:
        self._calls = calls

    async def find_open(self, head: str, base: str) -> tuple[HostPullRequest, ...]:
        calls, found = self._calls, list[HostPullRequest]()
        pages = calls.pages(lambda page: wire_changes.list_open(calls.repository, calls.owner, head, base, page))
        async for reply in pages:
            found.extend(await read(reply, partial(wire_changes.read_open, reply, head, base)))
        return tuple(found)

    async def create(self, wanted: NewPullRequest) -> HostPullRequest:
        # Not looked for first: the host itself opens no second one between two branches.
        request = wire_changes.create_pull(self._calls.repository, wanted)
        reply = await self._calls.call(request)
        if reply.ok:
            return await read(reply, partial(wire.read_pull, reply.document()))
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        error = self._calls.error(request, reply)
        raise await read(reply, partial(wire_changes.refused_creation, error, reply))

    async def update(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        pull = (await self._calls.call(wire.get_pull(self._calls.repository, number))).document()
        if wanted := wire_changes.differences(pull, title, body):
            await self._calls.call(wire_changes.update_pull(self._calls.repository, number, wanted))

    async def merge(self, number: int, merge: Merge) -> str:
        request = wire_changes.merge_pull(self._calls.repository, number, merge)
        reply = await self._calls.call(request)
        if reply.ok:
            return wire_changes.read_merge(reply)
        error = self._calls.error(request, reply)
        pull = await self._calls.call(wire.get_pull(self._calls.repository, number))
        became = await read(pull, partial(wire_changes.unmerged, pull.document(), merge, error))
        if isinstance(became, ProviderError):
            raise became
        return became

    async def close(self, number: int) -> None:
        await self._calls.call(wire_changes.close_pull(self._calls.repository, number))
