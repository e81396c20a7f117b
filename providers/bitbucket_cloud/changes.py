"""Open, change and merge pull requests of one repository at Bitbucket Cloud."""

import asyncio
from functools import partial

from providers.bitbucket_cloud import wire, wire_branches, wire_changes
from providers.bitbucket_cloud.calls import BitbucketCloudCalls
from providers.bitbucket_cloud.pull_requests import expanded
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.messages import Reply
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.reading import read

# Before each look at a merge in the background, ten seconds together; what takes longer is for the next attempt.
PAUSES_SECONDS = (0.0, 0.3, 0.7, 1.0, 2.0, 3.0, 3.0)


class BitbucketCloudPullRequestChanges:
    def __init__(self, calls: BitbucketCloudCalls) -> None:
        self._calls = calls

    async def find_open(self, head: str, base: str) -> tuple[HostPullRequest, ...]:
        found: list[HostPullRequest] = []
        async for reply in self._calls.pages(wire_changes.list_open(self._calls.repository, head, base)):
            found += await read(reply, partial(wire_changes.read_open, reply, head, base))
        return tuple([await expanded(self._calls, pull) for pull in sorted(found, key=lambda pull: pull.number)])

    async def create(self, wanted: NewPullRequest) -> HostPullRequest:
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        request = wire_changes.create_pull(self._calls.repository, wanted)
        reply = await self._calls.call(request)
        if reply.ok:
            return await expanded(self._calls, await read(reply, partial(wire.read_pull, reply.document())))
        # Somebody may have opened one since: what the host answers to a second one is not documented.
        if found := await self.find_open(wanted.head, wanted.base):
            return found[0]
        raise await self._refused(wanted, self._calls.error(request, reply))

    async def update(self, number: int, *, title: str | None = None, body: str | None = None) -> None:
        reply = await self._calls.call(wire.get_pull(self._calls.repository, number))
        wanted = await read(reply, partial(wire_changes.differences, reply.document(), title, body))
        if wanted is not None:
            await self._calls.call(wire_changes.update_pull(self._calls.repository, number, wanted))

    async def merge(self, number: int, merge: Merge) -> str:
        judged = self._judged(await self._get(number), merge, None)
        if judged is not None:
            return _result(judged)
        try:
            pull = await self._merged(number, merge)
        except (ProviderConflict, ProviderRejected, ProviderUnavailable, ProviderMalformed) as error:
            # Also where no answer came, or the host gave up waiting for itself (555): it may have merged nevertheless.
            pull, failure = await self._get(number), error
        else:
            failure = ProviderUnavailable("the host does not show the pull request as merged yet")
        judged = self._judged(pull, merge, failure)
        return _result(failure if judged is None else judged)

    async def close(self, number: int) -> None:
        request = wire_changes.decline_pull(self._calls.repository, number)
        reply = await self._calls.call(request)
        if not reply.ok and (await self._get(number)).state is ChangeState.OPEN:
            raise self._calls.error(request, reply)

    def _judged(self, pull: HostPullRequest, merge: Merge, failure: ProviderError | None) -> ProviderError | str | None:
        judged = wire_changes.judged(pull, merge, failure)
        if isinstance(judged, ProviderConflict):
            # Should the host have named a wrong commit for the abbreviation, the next attempt asks again.
            self._calls.forget_commit(pull.head_sha)
        return judged

    async def _get(self, number: int) -> HostPullRequest:
        return await self._read(await self._calls.call(wire.get_pull(self._calls.repository, number)))

    async def _read(self, reply: Reply) -> HostPullRequest:
        return await expanded(self._calls, await read(reply, partial(wire.read_pull, reply.document())))

    async def _merged(self, number: int, merge: Merge) -> HostPullRequest:
        """Merge, await it where the host does it in the background, and return the pull request as it is then."""
        merges, key = self._calls.merges, f"{self._calls.repository}/{number}/{merge.head_sha}"
        address = merges.get(key)
        if address is None:
            reply = await self._calls.call(wire_changes.merge_pull(self._calls.repository, number, merge))
            if reply.status != 202:
                return await self._read(reply)
            address = reply.headers.get("location", "")
            # Checked before it is kept.
            self._calls.followed(wire_changes.merge_task(self._calls.repository, number), address)
            merges.put(key, address)
        try:
            return await self._awaited(number, address)
        except (ProviderBusy, ProviderUnavailable, ProviderRateLimited):
            raise
        except ProviderError:
            merges.forget(key)
            raise

    async def _awaited(self, number: int, address: str) -> HostPullRequest:
        """Look at a merge in the background until it is done. Raises ProviderBusy where it takes longer."""
        request = self._calls.followed(wire_changes.merge_task(self._calls.repository, number), address)
        for pause in PAUSES_SECONDS:
            await asyncio.sleep(pause)
            reply = await self._calls.call(request)
            pull = await read(reply, partial(wire_changes.read_task, reply))
            if pull is not None:
                return await expanded(self._calls, wire.read_pull(pull))
        raise ProviderBusy("the host still merges it in the background", status=202)

    async def _refused(self, wanted: NewPullRequest, error: ProviderError) -> ProviderError:
        """Return what a refused creation means by the branches as they are: the host's texts are not documented."""
        shas = []
        for branch in (wanted.head, wanted.base):
            reply = await self._calls.call(wire_branches.get_head(self._calls.repository, branch))
            if not reply.ok:
                return ProviderNotFound(f"there is no branch `{branch}` ({error})", status=error.status)
            shas.append(wire_branches.read_head(reply.document()))
        try:
            shared = await self._calls.call(wire.merge_base(self._calls.repository, shas[1], shas[0]))
        except ProviderNotFound:
            return error
        if wire.is_same_commit(wire.read_commit(shared.document()), shas[0]):
            return ProviderConflict(f"`{wanted.base}` has all of `{wanted.head}` ({error})", status=error.status)
        return error


def _result(judged: ProviderError | str) -> str:
    if isinstance(judged, ProviderError):
        raise judged
    return judged
