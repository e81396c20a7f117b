"""Deployments that are written through files of a Git repository."""

from dataclasses import dataclass

from activities.models.bounds import Bounded, Line, Link
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import WriteResult
from activities.models.tracking import Artifact


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Name a pull request of ours, and the head that shows the gates."""

    key: str
    """Under which it was opened."""
    number: int
    head_sha: str


@dataclass(frozen=True, kw_only=True)
class Gate(Bounded):
    """Say how a test of the round ended, to be shown on a pull request of ours."""

    name: str
    passed: bool
    message: Line = ""
    url: Link = ""


@dataclass(frozen=True, kw_only=True)
class DeliverFilesInput:
    """Write the artifacts to the files of several deployments, all in one commit that `key` marks.

    All of them are written to the same branch of the same repository.
    """

    namespace: str
    repository: str
    """GitRepository whose artifacts are promoted; the one that is written stands in each deployment's `write`."""
    deployments: tuple[DeploymentSpec, ...]
    artifacts: tuple[Artifact, ...]
    key: str
    variables: dict[str, str]
    """Values of the closed list, but for those that each deployment and its artifact have of their own."""
    allowed: tuple[str, ...] = ()
    """Revisions that the files may hold before: those that the artifacts are known to contain."""
    proposal: Proposal | None = None
    """The pull request that was opened for this key, where one is."""
    gates: tuple[Gate, ...] = ()
    """What is shown on it."""


@dataclass(frozen=True, kw_only=True)
class FilesWritten:
    """Say what became of one deployment's files."""

    deployment: str
    result: WriteResult


@dataclass(frozen=True, kw_only=True)
class DeliverFilesResult:
    """Answer for each deployment that was asked for."""

    written: tuple[FilesWritten, ...]
    proposal: Proposal | None = None
    """The pull request that is open for this key, or was."""
