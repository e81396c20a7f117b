"""What activities of the `config` queue answer: policies, environments, repositories and the live trackers of one."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from activities.models import budgets
from activities.models.bounds import Bounded, Bytes, First, Line, Text
from activities.models.failures import BriefFailure, Failure
from activities.models.tracking import PullRequest, RepositoryView, TrackerRef
from crds.reasons.vocabulary import MergeMethod


class SourceMoved(StrEnum):
    ACCEPT = "Accept"
    RETEST = "Retest"


@dataclass(frozen=True, kw_only=True)
class TestSpec:
    """Hold one test of a policy's snapshot."""

    __test__ = False

    name: str
    runner: str
    job: str
    parameters: dict[str, str]
    """Templates over the closed variable list; rendered by the activity that triggers."""
    required: bool
    timeout: timedelta
    retries: int = 0
    components: tuple[str, ...] = ()
    """Components whose change needs this test; empty = all."""


@dataclass(frozen=True, kw_only=True)
class PolicySnapshot:
    """Hold the rule of one hop as it was when the hop began."""

    name: str
    generation: int
    source: str
    target: str
    auto_promote: bool
    timeout: timedelta
    tests: tuple[TestSpec, ...]
    on_source_moved: SourceMoved = SourceMoved.ACCEPT
    label: str | None = None
    """Label set on arrival; None = `promoted/<target>`."""


class PolicyOutcome(StrEnum):
    FOUND = "Found"
    NOT_FOUND = "PolicyNotFound"
    AMBIGUOUS = "AmbiguousPolicy"
    INVALID = "InvalidPolicy"
    OBSERVING = "Observing"
    """The repository's mode lets nothing be tested or promoted."""


@dataclass(frozen=True, kw_only=True)
class FindPolicyInput:
    namespace: str
    environment: str
    repository: str
    fresh: bool = False
    """Whether the API server is to be asked, since something may just have changed; else a mirror of it may answer."""


@dataclass(frozen=True, kw_only=True)
class FindPolicyResult(Bounded):
    outcome: PolicyOutcome
    policy: PolicySnapshot | None = None
    names: Annotated[tuple[str, ...], First(budgets.FIELDS_KEPT)] = ()
    """The policies that matched; two or more when ambiguous."""
    errors: Annotated[tuple[Text, ...], First(budgets.FIELDS_KEPT)] = ()
    """`field path: message` of an invalid policy, all at once."""
    ahead: tuple[str, ...] = ()
    """Names of all environments that follow the source on this repository's chain, nearest first."""
    nonce: str = ""
    """Random text of the worker: keys made of it are known to no one before their first use."""


class WriteKind(StrEnum):
    TARGET_REVISION = "TargetRevision"
    KUSTOMIZE_IMAGE = "KustomizeImage"
    HELM_PARAMETER = "HelmParameter"
    GIT = "Git"
    """Files in a Git repository; the application itself is only observed."""
    BRANCH = "Branch"
    """A branch of a Git repository that is merged into another; the application itself is only observed."""

    @property
    def in_git(self) -> bool:
        """Whether it is Git that is written, so that the application shows nothing of the write."""
        return self in (WriteKind.GIT, WriteKind.BRANCH)


class GitVia(StrEnum):
    COMMIT = "Commit"
    PULL_REQUEST = "PullRequest"


@dataclass(frozen=True, kw_only=True)
class GitEditSpec:
    """One value in one file: `newTag` of a kustomization's image, or what stands at a path."""

    file: str
    """Template of its path."""
    image: str = ""
    yaml_path: str = ""
    """Template of the path within the file."""
    value: str = ""
    """Template of what is written at `yaml_path`."""


@dataclass(frozen=True, kw_only=True)
class GitWriteSpec:
    """State which files of which branch are written."""

    repository: str
    """GitRepository name."""
    branch: str
    edits: tuple[GitEditSpec, ...]
    via: GitVia = GitVia.COMMIT
    auto_merge: bool = False
    """Whether we merge the pull request as soon as the host allows it."""
    merge_method: MergeMethod = MergeMethod.MERGE


@dataclass(frozen=True, kw_only=True)
class BranchWriteSpec:
    """State which branch is merged into which, and how its pull request looks."""

    repository: str
    """GitRepository name."""
    source: str
    target: str
    auto_merge: bool = False
    """Whether we merge the pull request as soon as the host allows it."""
    merge_method: MergeMethod = MergeMethod.MERGE
    title: str = ""
    """Template; empty leaves the title to people."""
    body: str = ""
    """Template; empty leaves the text to people."""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WriteSpec:
    """State how a deployment is moved."""

    kind: WriteKind = WriteKind.TARGET_REVISION
    image: str | None = None
    parameter: str | None = None
    allow_managed: bool = False
    source_name: str | None = None
    """Name of the source that is meant in an application with several."""
    source_path: str | None = None
    """Path of that source within its repository."""
    source_position: int | None = None
    """Position of that source, counted from 1."""
    prune: bool = False
    """Whether our syncs prune; where auto-sync is on, its own setting counts."""
    git: GitWriteSpec | None = None
    """What is written, where the kind is GIT."""
    branch: BranchWriteSpec | None = None
    """What is merged, where the kind is BRANCH."""

    @property
    def destination(self) -> tuple[str, str] | None:
        """GitRepository and branch that are written; None where no branch is."""
        if self.git is not None:
            return self.git.repository, self.git.branch
        return (self.branch.repository, self.branch.target) if self.branch is not None else None


@dataclass(frozen=True, kw_only=True)
class TagPlace:
    """Name where in a repository of configuration the tag of an image stands, all variables replaced."""

    repository: str
    """GitRepository name."""
    file: str
    image: str = ""
    """Image whose `newTag` in a kustomization it is."""
    yaml_path: str = ""


@dataclass(frozen=True, kw_only=True)
class FluxSpec:
    """Name whose events report what a deployment runs; its `application` is the Kustomization's namespace and name."""

    environment: str
    """Environment whose place keeps what the events reported."""
    repository: str
    """GitRepository of that place, whose artifacts run there."""
    cluster: str = ""
    """Name of the Secret that the cluster signs with; empty for unsigned events."""
    tag: TagPlace | None = None
    """Where the commit that was applied names the image's tag; None where that commit is the artifact's own."""


@dataclass(frozen=True, kw_only=True)
class DeploymentSpec(Bounded):
    """Hold one deployment of an environment, its selector already resolved to one application."""

    name: str
    component: str
    wave: int
    instance: str
    """ArgoCDInstance name; empty for what Flux deploys."""
    project: str
    application: str
    write: WriteSpec | None = None
    """None = observed only."""
    image: str | None = None
    """Image and tag template by which the component's artifact is recognised; None = by synced revision."""
    tag: str | None = None
    repository: str = ""
    """Full name of the application repository, by which its source is found in a multi-source application."""
    failure: BriefFailure | None = None
    """Why its application is not known, such as an ArgoCDInstance that is missing; it is observed as unreadable."""
    taken_by: Line = ""
    """The older Environment, `Environment <namespace>/<name>`, that names its application, or writes one of its values
    in a file, too: it is not written."""
    flux: FluxSpec | None = None
    """Where Flux deploys it: who reports what it runs."""

    @property
    def unresolved(self) -> bool:
        """Whether its selector has not been resolved, so that it stands for applications yet unknown."""
        return self.failure is not None

    @property
    def problem(self) -> str:
        """Return what people read of the failure; empty where there is none."""
        return self.failure.problem if self.failure is not None else ""

    @property
    def passing(self) -> bool:
        """Whether the failure usually ends by itself, such as that of an Argo CD that does not answer."""
        return self.failure is not None and self.failure.passing


@dataclass(frozen=True, kw_only=True)
class EnvironmentView:
    """Hold what a promotion needs to know of an Environment for one repository."""

    name: str
    final: bool
    vars: dict[str, str]
    delivery_timeout: timedelta
    deployments: tuple[DeploymentSpec, ...]
    """Those of the repository asked for, by wave, then name."""
    wave_pause: timedelta = timedelta(0)
    generation: int = 0
    url: str = ""
    """Where people see what runs there."""
    teams: dict[str, str] = field(default_factory=dict)
    """Verb -> team of the SCM host whose members may give it by a comment (`spec.commands`)."""
    notify: tuple[str, ...] = ()
    """Users and teams of the SCM host that are mentioned when a change waits for approval to come here."""


@dataclass(frozen=True, kw_only=True)
class ReadEnvironmentInput:
    namespace: str
    environment: str
    repository: str
    fresh: bool = False
    """Whether the API server is to be asked, since something may just have changed; else a mirror of it may answer."""


@dataclass(frozen=True, kw_only=True)
class ReadEnvironmentResult:
    """Answer with the environment, or with the first thing that is missing; never with both."""

    environment: EnvironmentView | None = None
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class ReadRepositoryInput:
    namespace: str
    repository: str
    fresh: bool = False
    """Whether the API server is to be asked, since something may just have changed; else a mirror of it may answer."""
    number: int | None = None
    """A pull request to be read alongside."""


@dataclass(frozen=True, kw_only=True)
class ReadRepositoryResult:
    repository: RepositoryView | None = None
    failure: Failure | None = None
    pull_request: PullRequest | None = None
    """None where it could not be read: then it is read alone."""


@dataclass(frozen=True, kw_only=True)
class TrackersCursor(Bounded):
    """State where the next page of live trackers begins."""

    after: str
    """Name of the last tracker looked at."""
    token: Annotated[str, Bytes(limit=budgets.TEXT_BYTES, whole=True)] = ""
    """The API server's own continue token, which expires; empty = begin again and skip."""


@dataclass(frozen=True, kw_only=True)
class ListTrackersInput:
    namespace: str
    repository: str
    cursor: TrackersCursor | None = None
    """None = the first page."""


@dataclass(frozen=True, kw_only=True)
class ListTrackersResult:
    trackers: tuple[TrackerRef, ...]
    """Those not terminal for their attempt, at most `TRACKERS_LISTED`."""
    then: TrackersCursor | None = None
    """Where the next page begins; None = this was the last."""
