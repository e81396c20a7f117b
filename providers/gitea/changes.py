"""Open, change and merge pull requests of one repository at a Gitea or Forgejo."""

from functools import partial

from providers.errors import ProviderConflict, ProviderError, ProviderNotFound, ProviderRejected
from providers.gitea import wire, wire_changes
from providers.gitea.branches import GiteaBranches
from providers.gitea.calls import GiteaCalls
from providers.gitea.revisions import GiteaRevisions
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.reading import read


class GiteaPullRequestChanges:
    def __init__(self, calls: GiteaCalls, revisions: GiteaRevisions, branches: GiteaBranches) -> None:
        self._calls = calls
        self._revisions = revisions
        self._branches = branches

    async def find_open(self, head: str, base: str) -> tuple[HostPullRequest, ...]:
        calls, found = self._calls, list[HostPullRequest]()
        async for reply in calls.pages(lambda page: wire_changes.list_open(calls.repository, page)):
            found.extend(await read(reply, partial(wire_changes.read_open, reply, head, base)))
        return tuple(sorted(found, key=lambda one: one.number))

    async def create(self, wanted: NewPullRequest) -> HostPullRequest:
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        await self._check_difference(wanted)
        request = wire_changes.create_pull(self._calls.repository, wanted)
        reply = await self._calls.call(request)
        if reply.ok:
            return await read(reply, partial(wire.read_pull, reply.document()))
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        raise self._calls.error(request, reply)

    async def update(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        pull = (await self._calls.call(wire.get_pull(self._calls.repository, number))).document()
        if wanted := wire_changes.differences(pull, title, body):
            await self._calls.call(wire_changes.update_pull(self._calls.repository, number, wanted))

    async def merge(self, number: int, merge: Merge) -> str:
        request = wire_changes.merge_pull(self._calls.repository, number, merge)
        reply = await self._calls.call(request)
        error = None if reply.ok else self._calls.error(request, reply)
        pull = await self._calls.call(wire.get_pull(self._calls.repository, number))
        became = await read(pull, partial(wire_changes.judged, pull.document(), merge, error))
        if isinstance(became, ProviderError):
            raise became
        return became

    async def close(self, number: int) -> None:
        request = wire_changes.close_pull(self._calls.repository, number)
        reply = await self._calls.call(request)
        if reply.ok:
            return
        pull = await self._calls.call(wire.get_pull(self._calls.repository, number))
        if wire.read_pull(pull.document()).state is ChangeState.OPEN:
            raise ProviderRejected(str(self._calls.error(request, reply)), status=reply.status)

    async def _check_difference(self, wanted: NewPullRequest) -> None:
        """Raise ProviderNotFound without one of the branches, and ProviderConflict where head adds nothing to base.

        The host opens pull requests without any change.
        """
        head, base = await self._branches.head(wanted.head), await self._branches.head(wanted.base)
        if head is None or base is None:
            raise ProviderNotFound(f"there is no branch `{wanted.base if head else wanted.head}`")
        if head == base or not await self._revisions.has_more(head, base):
            raise ProviderConflict(f"`{wanted.head}` holds no commit that is not in `{wanted.base}`")
