"""Statuses of a commit as check runs, which an App alone may make and alone may change.

https://docs.github.com/en/rest/checks/runs
"""

from collections.abc import Mapping
from functools import partial

from providers.github import wire_check_runs as wire
from providers.github.calls import GitHubCalls
from providers.github.wire_check_runs import CheckRun
from providers.models import CommitStatus, StatusState
from providers.reading import read


class GitHubCheckRuns:
    """Keep each context as one check run, begun again where one that ended is pending again."""

    def __init__(self, calls: GitHubCalls) -> None:
        self._calls = calls

    async def newest(self, sha: str) -> Mapping[str, CommitStatus]:
        return {name: run.status for name, run in (await self._own(sha)).items() if run.status is not None}

    async def set(self, sha: str, status: CommitStatus) -> None:
        calls = self._calls
        there = (await self._own(sha, status.context)).get(status.context)
        if there is None or (there.ended and status.state is StatusState.PENDING):
            await calls.call(wire.create(calls.repository, sha, status))
        else:
            await calls.call(wire.update(calls.repository, there.id, status))

    async def _own(self, sha: str, name: str = "") -> Mapping[str, CheckRun]:
        """Return the newest of our App's check runs by name: others may use the same names."""
        app = wire.app_of(await self._calls.login())
        request = partial(wire.list_runs, self._calls.repository, sha, name)
        found: dict[str, CheckRun] = {}
        async for reply in self._calls.pages(request, "check_runs"):
            for run in await read(reply, partial(wire.read_runs, app, reply)):
                if run.name not in found or found[run.name].id < run.id:
                    found[run.name] = run
        return found
