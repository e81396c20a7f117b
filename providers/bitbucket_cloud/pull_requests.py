"""Read pull requests of one repository at Bitbucket Cloud."""

from dataclasses import replace
from functools import partial

from providers.bitbucket_cloud import wire
from providers.bitbucket_cloud.calls import BitbucketCloudCalls
from providers.changed_files import read_files
from providers.errors import ProviderNotFound
from providers.models import ChangedFiles, HostPullRequest
from providers.reading import read


class BitbucketCloudPullRequests:
    def __init__(self, calls: BitbucketCloudCalls) -> None:
        self._calls = calls

    async def get(self, number: int) -> HostPullRequest:
        reply = await self._calls.call(wire.get_pull(self._calls.repository, number))
        return await expanded(self._calls, await read(reply, partial(wire.read_pull, reply.document())))

    async def changed_files(self, number: int) -> ChangedFiles:
        return await read_files(self._calls.pages(wire.list_files(self._calls.repository, number)), wire.read_files)


async def expanded(calls: BitbucketCloudCalls, change: HostPullRequest) -> HostPullRequest:
    """Return a pull request with whole hashes; ProviderNotFound where its merge commit is not in the repository."""
    # The head of a fork may not be found here; a merge commit is, and its whole hash is what promotions go by.
    head = await calls.expanded(change.head_sha) or change.head_sha
    merge = change.merge_sha
    if merge is not None and (merge := await calls.expanded(merge)) is None:
        text = f"merge commit `{change.merge_sha}` of pull request {change.number} is not in the repository"
        raise ProviderNotFound(text)
    return replace(change, head_sha=head, merge_sha=merge)
