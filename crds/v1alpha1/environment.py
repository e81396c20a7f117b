"""Environment: a place that changes move through."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Duration, Headline, Name, NameReference, PositiveDuration, Variables
from crds.model import AGE, Definition, Model, PrinterColumn, Rule, extra
from crds.reasons.vocabulary import Health
from crds.resource import ConditionedStatus, Resource
from crds.v1alpha1.deployment import Deployment, Write
from crds.v1alpha1.environment_status import MAX_HOLDS, MAX_REPOSITORIES, EnvironmentHold, RepositoryStatus

DEFAULT_DELIVERY_TIMEOUT = timedelta(minutes=15)
NO_PAUSE = timedelta(0)


class GateTest(Model):
    """A test that every policy into the environment must require."""

    name: Name
    """Name of the test, as in `spec.tests` of the policies."""
    runner_ref: NameReference | None = None
    """TestRunner that the test must run at; none means any."""
    job: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Job that the test must run; none means any."""
    repository_refs: Annotated[
        tuple[NameReference, ...], Field(max_length=100, json_schema_extra=extra(keys=("name",)))
    ] = ()
    """Repositories whose changes need the test; empty means all."""


class Gates(Model):
    """What the owner of the environment requires of every policy that leads there."""

    tests: Annotated[tuple[GateTest, ...], Field(max_length=50, json_schema_extra=extra(keys=("name",)))] = ()
    """Tests that every policy must require. A policy without them is not valid."""
    people: bool = False
    """Whether a person must approve each hop. A policy with `autoPromote: true` is then not valid."""


NOTIFIED = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"


class ScmVerb(StrEnum):
    """Commands that a comment on a pull request gives only where the Environment permits it."""

    PROMOTE = "promote"


class ScmCommand(Model):
    """Who may give a command by a comment on a pull request, in addition to those who may by Kubernetes."""

    verb: ScmVerb
    """The command: `/pilotage promote`."""
    scm_team: Annotated[
        str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_./ -]*[A-Za-z0-9_./-])?$")
    ]
    """Team whose members may give the command: at GitHub the slug of a team of the repository's organization, at GitLab
    the full path of a group, at Gitea and Forgejo the name of a team of the organization, at Azure DevOps name or id of
    a team of the project, at Bitbucket Data Center the name of a group. Bitbucket Cloud does not show who is in one:
    an Environment of repositories there alone is not valid with a team."""


class EnvironmentSpec(Model):
    """What runs in the environment, and how Pilotage writes it."""

    rules: ClassVar = (
        Rule(
            rule="!has(self.write) || !has(self.write.argocd) "
            "|| self.deployments.all(one, !has(one.flux) || has(one.write))",
            message="write.argocd writes Applications of Argo CD: give each deployment of Flux a write of its own",
            field_path=".write",
        ),
    )

    final: bool = False
    """Whether the way ends here: a change that runs here is `Completed`."""
    vars: Variables = Field(default_factory=dict)
    """Values for the variables `${source.vars.NAME}` and `${target.vars.NAME}`."""
    delivery_timeout: PositiveDuration = DEFAULT_DELIVERY_TIMEOUT
    """Time for one wave, from its write until all of it is healthy."""
    wave_pause: Duration = NO_PAUSE
    """Pause between two waves."""
    deployments: Annotated[
        tuple[Deployment, ...], Field(min_length=1, max_length=100, json_schema_extra=extra(keys=("name",)))
    ]
    """What runs here. The status has room for 100 repositories."""
    write: Write | None = None
    """How Pilotage writes deployments without a `write` of their own. If not given, it only observes them."""
    url: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^https?://[^\s]+$")] | None = None
    """Address where people see what runs here. The SCM host links to it from its deployments."""
    gates: Gates = Gates()
    """What every policy into this environment must require. The policy's author cannot remove it."""
    commands: Annotated[tuple[ScmCommand, ...], Field(max_length=5, json_schema_extra=extra(keys=("verb",)))] = ()
    """Who may promote into this environment by a comment on the pull request. None means no one."""
    notify: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=255, pattern=NOTIFIED)], ...],
        Field(max_length=10, json_schema_extra=extra(list_type="set")),
    ] = ()
    """Users and teams of the SCM host that Pilotage mentions, with the author, when a change waits for approval to come
    here: `grace`, or `acme/release` for a team of an organization or a group."""


class PlaceSummary(Model):
    """The environment in one row, over all its repositories."""

    runs: Headline | None = None
    """Artifact of each component, such as `api@9f3c1d2, web@1.4.0`; `?` where Pilotage does not know it, or where
    applications differ."""
    health: Health | None = None
    """Worst health of its deployments."""
    lane: Headline | None = None
    """Trackers that have the lane. They write nothing while a person holds the environment."""


class EnvironmentStatus(ConditionedStatus):
    """What runs in the environment, by repository."""

    summary: PlaceSummary | None = None
    """What `kubectl get` shows; derived from `repositories`."""

    repositories: Annotated[
        tuple[RepositoryStatus, ...], Field(max_length=MAX_REPOSITORIES, json_schema_extra=extra(keys=("repository",)))
    ] = ()
    """One entry for each repository."""
    holds: Annotated[
        tuple[EnvironmentHold, ...], Field(max_length=MAX_HOLDS, json_schema_extra=extra(keys=("id",)))
    ] = ()
    """Holds by people. Pilotage reads them before each write to the environment."""


class Environment(Resource):
    """A place that changes move through."""

    definition: ClassVar = Definition(
        kind="Environment",
        plural="environments",
        short_name="penv",
        columns=(
            PrinterColumn(name="VALID", json_path=".status.conditions[?(@.type=='Valid')].status"),
            PrinterColumn(name="RUNS", json_path=".status.summary.runs", description="Artifact of each component"),
            PrinterColumn(name="HEALTH", json_path=".status.summary.health", description="Worst of its deployments"),
            PrinterColumn(name="LANE", json_path=".status.summary.lane", description="Who has the lane"),
            PrinterColumn(name="FINAL", json_path=".spec.final", type="boolean", priority=1),
            PrinterColumn(name="REASON", json_path=".status.conditions[?(@.type=='Valid')].message", priority=1),
            AGE,
        ),
    )

    kind: str = "Environment"
    spec: EnvironmentSpec
    status: EnvironmentStatus = EnvironmentStatus()

    def write_of(self, deployment: Deployment) -> Write | None:
        """How a deployment of this environment is written; None means that it is observed only."""
        return deployment.write if deployment.write is not None else self.spec.write
