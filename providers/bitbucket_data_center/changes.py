"""Open, change and merge pull requests of one repository at Bitbucket Data Center."""

from functools import partial

from providers.bitbucket_data_center import wire, wire_changes
from providers.bitbucket_data_center.calls import BitbucketDataCenterCalls
from providers.bitbucket_data_center.pull_requests import with_merge_commit
from providers.errors import ProviderConflict, ProviderError, ProviderUnavailable
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.reading import read


class BitbucketDataCenterPullRequestChanges:
    def __init__(self, calls: BitbucketDataCenterCalls) -> None:
        self._calls = calls

    async def find_open(self, head: str, base: str) -> tuple[HostPullRequest, ...]:
        found: list[HostPullRequest] = []
        async for reply in self._calls.pages(wire_changes.list_open(self._calls.repository, head)):
            found += await read(reply, partial(wire_changes.read_open, reply, head, base))
        return tuple(sorted(found, key=lambda pull: pull.number))

    async def create(self, wanted: NewPullRequest) -> HostPullRequest:
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        calls = self._calls
        request = wire_changes.create_pull(calls.repository, calls.project, calls.slug, wanted)
        reply = await calls.call(request)
        if reply.ok:
            return await read(reply, partial(wire.read_pull, reply.document()))
        # Somebody may have opened one since.
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        raise wire_changes.refused_creation(calls.error(request, reply), reply)

    async def update(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        try:
            await self._update(number, title, body)
        except ProviderConflict:
            # A push, or somebody's change of another field, came between the read and the write.
            await self._update(number, title, body)

    async def merge(self, number: int, merge: Merge) -> str:
        pull, version = await self._get(number)
        judged = wire_changes.judged(pull, merge, None)
        if judged is not None:
            return _result(judged)
        failure: ProviderError
        try:
            request = wire_changes.merge_pull(self._calls.repository, number, merge, version)
            reply = await self._calls.call(request)
            if reply.ok:
                failure = ProviderUnavailable("the host does not show the pull request as merged yet")
            else:
                failure = wire_changes.refused_merge(self._calls.error(request, reply), reply)
        except ProviderUnavailable as error:
            # It may have been merged nevertheless.
            failure = error
        pull, _ = await self._get(number)
        return _result(wire_changes.judged(pull, merge, failure) or failure)

    async def close(self, number: int) -> None:
        pull, version = await self._get(number)
        if pull.state is not ChangeState.OPEN:
            return
        request = wire_changes.decline_pull(self._calls.repository, number, version)
        reply = await self._calls.call(request)
        if not reply.ok and (await self._get(number))[0].state is ChangeState.OPEN:
            # Somebody changed it meanwhile: the next attempt reads what it is by then.
            raise ProviderUnavailable(str(self._calls.error(request, reply)), status=reply.status)

    async def _get(self, number: int) -> tuple[HostPullRequest, int]:
        reply = await self._calls.call(wire.get_pull(self._calls.repository, number))
        pull, version = await read(reply, partial(wire_changes.read_pull, reply))
        return await with_merge_commit(self._calls, pull), version

    async def _update(self, number: int, title: str | None, body: str | None) -> None:
        reply = await self._calls.call(wire.get_pull(self._calls.repository, number))
        wanted = await read(reply, partial(wire_changes.differences, reply.document(), title, body))
        if wanted is not None:
            await self._calls.call(wire_changes.update_pull(self._calls.repository, number, wanted))


def _result(judged: ProviderError | str) -> str:
    if isinstance(judged, ProviderError):
        raise judged
    return judged
