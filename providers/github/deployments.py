"""GitHub's own view of deployments: one per commit and environment, with a status for each step."""

from functools import partial

from providers.github import wire_deployments as wire
from providers.github.calls import GitHubCalls
from providers.models import DeploymentRecord, DeploymentState
from providers.reading import read


class GitHubDeploymentRecords:
    def __init__(self, calls: GitHubCalls) -> None:
        self._calls = calls

    async def record(self, wanted: DeploymentRecord) -> None:
        calls = self._calls
        listed = await calls.call(wire.find(calls.repository, wanted.sha, wanted.environment))
        deployment = await read(listed, partial(wire.read_found, listed))
        if deployment is None:
            if wanted.state is DeploymentState.ENDED:
                return
            deployment = wire.read_id(await calls.call(wire.create(calls.repository, wanted)))
        else:
            newest = await calls.call(wire.newest_status(calls.repository, deployment))
            if await read(newest, partial(wire.shows, newest, wanted)):
                return
            if wanted.state is DeploymentState.ENDED and not await read(newest, partial(wire.is_under_way, newest)):
                return
        await calls.call(wire.create_status(calls.repository, deployment, wanted))
