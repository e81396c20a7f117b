"""What activities need of the process that runs them: connections to named resources, and a way to reach places."""

from dataclasses import dataclass
from typing import Protocol

from activities.models.places import TellEnvironmentInput
from activities.models.tracking import Problem, RepositoryView
from providers.ports import Checkable, Deployments, ScmHost, TestRuns


class ReferenceMissing(Exception):
    """A named resource, Secret or key is missing or unusable; `problem` tells a person what to fix."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.what}: {problem.message}")
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A GitRepository with its open host."""

    view: RepositoryView
    host: ScmHost


class ResourceOpener(Protocol):
    """Open what resources name. Resources and Secrets are read at each use, so that a rotated Secret counts at once.

    Every method raises ReferenceMissing for what a person must provide, and crds.api.ports.ApiError when the Kubernetes
    API does not answer: an outage is never taken for "not found".
    """

    async def repository(self, namespace: str, name: str) -> Repository:
        """Open a GitRepository at its host."""
        ...

    async def repository_check(self, namespace: str, name: str) -> Checkable:
        """Open a GitRepository to be checked, also where Pilotage uses no more than its CI."""
        ...

    async def provider_check(self, namespace: str, name: str) -> Checkable:
        """Open the host of an ScmProvider to be checked, or with no namespace that of a ClusterScmProvider."""
        ...

    async def ci_runs(self, namespace: str, runner: str) -> TestRuns:
        """Open a TestRunner."""
        ...

    async def deployments(self, namespace: str, instance: str) -> Deployments:
        """Open an ArgoCDInstance."""
        ...


class Places(Protocol):
    """Reach EnvironmentWorkflows."""

    async def tell(self, request: TellEnvironmentInput) -> None:
        """Signal the place with a member's view, starting its workflow if it does not run."""
        ...
