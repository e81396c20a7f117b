"""GitLab's own view of deployments: one per commit and environment, whose status changes.

Other tools record theirs in the same list: only what our own account made is changed.
"""

from functools import partial

from providers.gitlab import wire
from providers.gitlab import wire_deployments as deployments
from providers.gitlab.calls import GitLabCalls
from providers.models import DeploymentRecord, DeploymentState
from providers.reading import read


class GitLabDeploymentRecords:
    def __init__(self, calls: GitLabCalls) -> None:
        self._calls = calls

    async def record(self, wanted: DeploymentRecord) -> None:
        """Show it; one that is queued is shown once it has begun, since GitLab takes no other."""
        calls, state = self._calls, deployments.STATES.get(wanted.state)
        if state is None:
            return
        own = await calls.user_id()
        listed = await calls.call(deployments.list_newest(calls.project, wanted.environment))
        found = await read(listed, partial(deployments.read_newest, listed, wanted.sha, own))
        if wanted.state is DeploymentState.ENDED and (found is None or not deployments.is_under_way(found)):
            return
        if found is None or not deployments.may_become(found, state):
            project = (await calls.call(wire.get_project(calls.project))).document()
            request = deployments.create(calls.project, wanted, deployments.read_default_branch(project))
            made = await calls.call(request)
            found = await read(made, lambda: deployments.read_deployment(made.document()))
        elif found.status != state:
            await calls.call(deployments.update(calls.project, found, state))
        if wanted.environment_url and not found.environment_url:
            await calls.call(deployments.set_address(calls.project, found, wanted.environment_url))
