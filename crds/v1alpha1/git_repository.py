"""GitRepository: a repository at an SCM host, and the components that it is made of."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Name, PositiveDuration, SecretReference
from crds.model import AGE, Definition, Model, PrinterColumn, exactly_one_of, extra
from crds.resource import ConditionedStatus, Resource
from crds.v1alpha1.scm_host import HOST_FIELDS, ScmHost, only_host

Part = Annotated[str, Field(min_length=1, max_length=255)]


class ProviderKind(StrEnum):
    """The kinds that hold a host and its credential."""

    SCM_PROVIDER = "ScmProvider"
    CLUSTER_SCM_PROVIDER = "ClusterScmProvider"


class ScmProviderReference(Model):
    """A provider in the same namespace, or a cluster-scoped one that allows this namespace."""

    kind: ProviderKind = ProviderKind.SCM_PROVIDER
    """Kind of the provider."""
    name: Name
    """Name of the provider."""


class OwnedRepository(Model):
    """A repository named by its owner."""

    owner: Part
    """User or organization."""
    name: Part
    """Name of the repository."""

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


class GitHubStatuses(StrEnum):
    """What Pilotage's statuses of a commit are at GitHub."""

    COMMIT_STATUSES = "CommitStatuses"
    CHECK_RUNS = "CheckRuns"


class GitHubRepository(OwnedRepository):
    """A repository at GitHub."""

    statuses_as: GitHubStatuses = GitHubStatuses.COMMIT_STATUSES
    """`CheckRuns` shows each environment under *Checks*, with its text. It needs a GitHub App with the permission
    `checks: write`."""


class GitLabRepository(Model):
    """A GitLab project."""

    namespace: Annotated[str, Field(min_length=1, max_length=512)]
    """Group path, with its parent groups."""
    name: Part
    """Path of the project within its group."""
    project_id: Annotated[int, Field(ge=1)] | None = None
    """Id of the project. With it Pilotage finds the project after a rename."""

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"


class BitbucketDataCenterRepository(Model):
    """A repository of Bitbucket Data Center."""

    project: Part
    """Key of the project, or `~user`."""
    name: Part
    """Slug of the repository."""

    @property
    def full_name(self) -> str:
        return f"{self.project}/{self.name}"


class AzureDevOpsRepository(Model):
    """A repository of Azure DevOps."""

    project: Part
    """Name of the project."""
    name: Part
    """Name of the repository."""

    @property
    def full_name(self) -> str:
        return f"{self.project}/{self.name}"


class Component(Model):
    """A part of the repository that is built and deployed by itself."""

    name: Name
    """Name of the component, unique in the repository."""
    paths: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=512)], ...], Field(min_length=1, max_length=50)
    ]
    """Globs of files; `**` matches any number of folders. A pull request that changes such a file touches the
    component. A pull request with more files than Pilotage can list touches every component: 3000 at GitHub, Gitea and
    Forgejo, 1000 at Bitbucket Data Center, the limit for diffs at GitLab."""
    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Image that is built from the component, without tag. Pilotage then recognises what runs by image and tag."""
    tag: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Template of the image's tag, such as `sha-${revision}`; required with `image`."""


class Labels(Model):
    """The labels of states and environments on pull requests."""

    prefix: Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")] = "pilotage/"
    """Beginning of each label, as in `pilotage/testing`. Labels with an earlier prefix stay."""


class Show(Model):
    """What Pilotage writes on pull requests. What it wrote before a part was turned off stays."""

    labels: bool = True
    """Labels of the state, such as `pilotage/testing`, and of what was promoted."""
    statuses: bool = True
    """A commit status per environment, or at GitHub a check run."""
    deployments: bool = True
    """The host's own deployments, at GitHub and GitLab. If the credential may not write them, one event names the
    missing right, and nothing fails."""
    comment: bool = True
    """The summary, and the comments that mention the author."""
    internals: bool = False
    """Whether the pull request shows host names, names of Secrets, kinds of errors and links to the Temporal UI. Every
    reader of the pull request sees them. The tracker's status and `pilotage why` always have them."""


class RepositoryMode(StrEnum):
    """What Pilotage may change for the repository's pull requests."""

    OBSERVE = "Observe"
    """Nothing. Trackers follow their changes. Pilotage starts no test, and writes nothing to the SCM host, Git or
    Argo CD."""
    ACT = "Act"
    """What policies and environments declare."""


class DiscoveredBranch(Model):
    """Pull requests into one branch, and where they are first deployed."""

    base_branch: Part
    """Branch that pull requests are merged into, by its whole name."""
    environment: Name
    """Environment where these pull requests are first deployed."""


class TrackerTemplate(Model):
    """Labels and annotations of the trackers that Pilotage makes."""

    labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Labels of the tracker."""
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Annotations of the tracker."""


class Discovery(Model):
    """Pull requests that get a tracker by themselves: those that match every field. A deleted tracker stays deleted."""

    base_branches: Annotated[
        tuple[DiscoveredBranch, ...], Field(min_length=1, max_length=50, json_schema_extra=extra(keys=("baseBranch",)))
    ]
    """Branches that pull requests are merged into, each with the first environment of its changes."""
    required_labels: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(max_length=20)
    ] = ()
    """Labels that a pull request must have, all of them. Upper and lower case count as the same. At a host without
    labels no pull request matches."""
    authors: Annotated[tuple[Part, ...], Field(max_length=200)] = ()
    """Logins of authors at the host. Upper and lower case count as the same. None means all authors."""
    merged_within: PositiveDuration = timedelta(hours=24)
    """How long ago a pull request may have been merged when Pilotage sees it first. Open ones match at any age."""
    max_trackers: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many trackers of the repository may be on their way at the same time. Further pull requests wait, and the
    condition `Discovered` shows it."""
    tracker_template: TrackerTemplate = TrackerTemplate()
    """Labels and annotations of the trackers that Pilotage makes."""


HostedRepository = OwnedRepository | GitLabRepository | BitbucketDataCenterRepository | AzureDevOpsRepository


class GitRepositorySpec(Model):
    """Where the repository is, and what it is made of."""

    rules: ClassVar = (exactly_one_of(*HOST_FIELDS),)

    scm_provider_ref: ScmProviderReference
    """Host and credential."""
    webhook_secret_ref: SecretReference | None = None
    """Secret with `webhookSecret`, which proves the repository's webhooks. If not given, the provider's is used."""
    github: GitHubRepository | None = None
    """A repository at GitHub."""
    gitlab: GitLabRepository | None = None
    """A project at GitLab."""
    gitea: OwnedRepository | None = None
    """A repository at Gitea."""
    forgejo: OwnedRepository | None = None
    """A repository at Forgejo."""
    bitbucket_cloud: OwnedRepository | None = None
    """A repository at Bitbucket Cloud; its owner is the workspace."""
    bitbucket_data_center: BitbucketDataCenterRepository | None = None
    """A repository at Bitbucket Data Center."""
    azure_dev_ops: AzureDevOpsRepository | None = None
    """A repository at Azure DevOps."""
    show: Show = Show()
    """What Pilotage writes on pull requests."""
    labels: Labels = Labels()
    """Names of the labels of states and environments."""
    mode: RepositoryMode = RepositoryMode.ACT
    """`Observe`: Pilotage follows changes and writes nothing. `Act`: it tests and promotes them."""
    discovery: Discovery | None = None
    """Pull requests that get a tracker by themselves; none if not given."""
    ttl_after_finished: PositiveDuration = timedelta(days=7)
    """How long a tracker stays after its end. Pilotage exports its records, then removes it."""
    components: Annotated[tuple[Component, ...], Field(max_length=50, json_schema_extra=extra(keys=("name",)))] = ()
    """Parts that are built and deployed by themselves. None means that the whole repository is one component."""

    @property
    def host(self) -> ScmHost:
        """The host block that is set. Raises ValueError where none or several are."""
        return only_host(self)

    @property
    def promotion_error(self) -> str:
        """Why pull requests of the repository cannot be promoted; empty where they can."""
        try:
            only_host(self)
        except ValueError as error:
            return str(error)
        return ""

    @property
    def hosted(self) -> HostedRepository:
        """The repository as its host names it. Raises ValueError where none or several blocks are set."""
        blocks: dict[ScmHost, HostedRepository | None] = {
            ScmHost.GITHUB: self.github,
            ScmHost.GITLAB: self.gitlab,
            ScmHost.GITEA: self.gitea,
            ScmHost.FORGEJO: self.forgejo,
            ScmHost.BITBUCKET_CLOUD: self.bitbucket_cloud,
            ScmHost.BITBUCKET_DATA_CENTER: self.bitbucket_data_center,
            ScmHost.AZURE_DEVOPS: self.azure_dev_ops,
        }
        block = blocks[self.host]
        if block is None:
            raise ValueError(f"`{self.host.value}` is not set")
        return block


class GitRepositoryStatus(ConditionedStatus):
    """Whether the repository can be read with its provider's credential."""


class GitRepository(Resource):
    """A repository at an SCM host."""

    definition: ClassVar = Definition(
        kind="GitRepository",
        plural="gitrepositories",
        short_name="prepo",
        columns=(
            PrinterColumn(name="PROVIDER", json_path=".spec.scmProviderRef.name"),
            PrinterColumn(name="READY", json_path=".status.conditions[?(@.type=='Ready')].status"),
            PrinterColumn(name="MESSAGE", json_path=".status.conditions[?(@.type=='Ready')].message", priority=1),
            AGE,
        ),
    )

    kind: str = "GitRepository"
    spec: GitRepositorySpec
    status: GitRepositoryStatus = GitRepositoryStatus()
