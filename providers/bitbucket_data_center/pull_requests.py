"""Read pull requests of one repository at Bitbucket Data Center."""

from dataclasses import replace
from functools import partial

from providers.bitbucket_data_center import wire
from providers.bitbucket_data_center.calls import BitbucketDataCenterCalls
from providers.changed_files import read_files
from providers.models import ChangedFiles, ChangeState, HostPullRequest
from providers.reading import read


class BitbucketDataCenterPullRequests:
    def __init__(self, calls: BitbucketDataCenterCalls) -> None:
        self._calls = calls

    async def get(self, number: int) -> HostPullRequest:
        reply = await self._calls.call(wire.get_pull(self._calls.repository, number))
        return await with_merge_commit(self._calls, await read(reply, partial(wire.read_pull, reply.document())))

    async def changed_files(self, number: int) -> ChangedFiles:
        request = wire.list_files(self._calls.repository, number)
        return await read_files(
            self._calls.pages(request, size=wire.CHANGES_PAGE),
            wire.read_files,
            is_whole=lambda _, last: not wire.is_cut(last),
        )


async def with_merge_commit(calls: BitbucketDataCenterCalls, change: HostPullRequest) -> HostPullRequest:
    """Return a pull request with its merge commit: not all versions show it with the pull request itself."""
    if change.state is not ChangeState.MERGED or change.merge_sha is not None:
        return change
    request = wire.list_activities(calls.repository, change.number, "get-merge")
    async for reply in calls.pages(request, size=wire.ACTIVITIES_PAGE):
        found = await read(reply, partial(wire.read_merge_commit, reply))
        if found is not None:
            return replace(change, merge_sha=found)
    return change
