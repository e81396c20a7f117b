"""The seam of delivery: who shows what a deployment runs, and who writes what it is to run.

The two are apart. Who deploys, which is Argo CD (`reading.py`) or Flux (`flux.py`), shows a deployment however it is
written. Who writes follows from the Environment's `write`: the Application's own spec (`argocd.py`), files of a Git
repository (`files.py`), or a branch that is merged into another (`branches.py`). Each writer finds what is there before
it writes, and is asked with the same key again until its answer came through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from activities.models.configuration import DeploymentSpec
from activities.models.delivery import ReadDeploymentsResult, WriteOutcome, WriteResult
from activities.models.git_delivery import Gate, Proposal
from activities.models.tracking import Artifact
from crds.v1alpha1.environment_status import EnvironmentHold


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be brought to deployments that are written together: one Application, or all of one branch."""

    namespace: str
    repository: str = ""
    """GitRepository whose artifacts are promoted."""
    deployments: tuple[DeploymentSpec, ...]
    artifacts: tuple[Artifact, ...]
    key: str
    """By which the write is found again."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """Deployment -> what it wants as the caller compared it, where that can be observed; another value is kept."""
    allowed: tuple[str, ...] = ()
    """Revisions that may be there before: those that the artifacts are known to contain."""
    insist: bool = False
    """Start it also where it is expected to start by itself: it did not."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values of the closed list, but for those that each deployment and its artifact have of their own."""
    proposal: Proposal | None = None
    """The pull request that was opened for it, where one is."""
    gates: tuple[Gate, ...] = ()
    """What is shown on that."""
    retried: bool = False
    """Whether a person gave `retry`, and so takes a branch as it is then."""
    prepares: bool = False
    """Only open the pull request, and show the gates: nothing may be merged yet."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of an order."""

    results: Mapping[str, WriteResult]
    """By deployment."""
    proposal: Proposal | None = None
    """The pull request that is open for it, or was."""

    @property
    def stands(self) -> bool:
        """Whether all of it is there."""
        return all(one.stands for one in self.results.values())


class Observer(Protocol):
    """Who deploys, and shows what runs."""

    async def observe(
        self,
        namespace: str,
        deployments: Sequence[DeploymentSpec],
        *,
        refresh: bool = False,
        within: timedelta | None = None,
    ) -> ReadDeploymentsResult:
        """Return what each runs, in their order; what cannot be read of one is its own failure.

        With `refresh` those whose state is older than their last operation are compared again first. What was not read
        `within` that time is unreadable; None = however long it takes.
        """
        ...


class Writer(Protocol):
    """One way to write. Both calls may be repeated; what a person must fix is a result, what passes is raised."""

    async def write(self, order: Order) -> Written:
        """Write what the order misses, only over what was compared or what the artifacts contain."""
        ...

    async def start(self, order: Order) -> Written:
        """Start what brings the written artifacts to the deployments."""
        ...


def held_by(hold: EnvironmentHold, environment: str) -> WriteResult:
    """Write nothing while a person holds the environment."""
    why = f": {hold.reason}" if hold.reason else ""
    until = f"{hold.until:%Y-%m-%d %H:%M:%S} UTC"
    message = f"{environment} is held by {hold.by} until {until} (hold {hold.id}){why}"
    return WriteResult(outcome=WriteOutcome.HELD, message=message, until=hold.until)


def observed_only(deployment: str, repository: str) -> WriteResult:
    """Refuse to write for a repository that is only observed."""
    message = f"deployment {deployment} is only observed: GitRepository {repository} has `mode: Observe`"
    return WriteResult(outcome=WriteOutcome.REFUSED, message=message)
