"""Deployments that are written through a Git repository: files of a branch, or a branch that is merged into another."""

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
    shown: str = ""
    """Digest of the gates that it shows."""


@dataclass(frozen=True, kw_only=True)
class Gate(Bounded):
    """State how a test of the round stands, to be shown on a pull request of ours."""

    name: str
    passed: bool
    pending: bool = False
    """Whether it has not ended."""
    message: Line = ""
    url: Link = ""


@dataclass(frozen=True, kw_only=True)
class DeliverFilesInput:
    """Write the artifacts of several deployments, which are all written to one branch of one repository in one way.

    Files are written in one commit that `key` marks.
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
    retried: bool = False
    """Whether a person gave `retry`, and so takes a branch as it is then."""
    prepares: bool = False
    """Only open the pull request, and show the gates: nothing may be merged yet."""
    environment: str = ""
    """Environment that is written to, whose holds are looked at first; empty where none is meant."""


@dataclass(frozen=True, kw_only=True)
class FilesWritten:
    """State what became of one deployment's files."""

    deployment: str
    result: WriteResult


@dataclass(frozen=True, kw_only=True)
class DeliverFilesResult:
    """Answer for each deployment that was asked for."""

    written: tuple[FilesWritten, ...]
    proposal: Proposal | None = None
    """The pull request that is open for this key, or was."""
