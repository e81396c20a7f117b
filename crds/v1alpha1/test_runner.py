"""TestRunner: a CI system that runs the tests of policies."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Endpoint, NameReference, SecretReference
from crds.model import AGE, Definition, Model, PrinterColumn, Rule, exactly_one_of
from crds.resource import ConditionedStatus, Resource
from crds.v1alpha1.scm_host import ScmHost


class RunnerType(StrEnum):
    """The kinds of CI systems, named as their block in the spec."""

    JENKINS = "jenkins"
    GITHUB_ACTIONS = "githubActions"
    GITLAB_CI = "gitlabCI"


class UnstableResult(StrEnum):
    """What an UNSTABLE Jenkins build counts as."""

    FAILED = "Failed"
    PASSED = "Passed"


class MappedResult(StrEnum):
    """What an outcome that is neither success nor failure counts as."""

    PASSED = "Passed"
    FAILED = "Failed"
    ERROR = "Error"


class ManualResult(StrEnum):
    """What a GitLab pipeline that waits for a manual job counts as."""

    QUEUED = "Queued"
    """The test waits for the person, until its timeout."""
    ERROR = "Error"
    """The test ends as an error at once."""


class ParametersAs(StrEnum):
    """How a test's parameters reach its GitLab pipeline."""

    VARIABLES = "Variables"
    """As pipeline variables; `PROMOTION_KEY` holds the promotion key."""
    INPUTS = "Inputs"
    """As pipeline inputs, which `spec: inputs` must declare, `promotion_key` among them."""


class JenkinsRunner(Model):
    """A Jenkins controller."""

    url: Endpoint
    """Root URL of the controller, with its context path."""
    unstable: UnstableResult = UnstableResult.FAILED
    """What an UNSTABLE build counts as."""


class GitHubActionsRunner(Model):
    """GitHub Actions of a repository. The workflow's `run-name` must show the promotion key."""

    repository_ref: NameReference
    """GitRepository whose workflows Pilotage starts, with its provider's credential unless `secretRef` is set."""
    ref: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Branch or tag whose workflow file runs; the repository's default branch if not given."""
    skipped: MappedResult = MappedResult.ERROR
    """What a skipped run counts as. By default it is an error, since no test ran."""
    neutral: MappedResult = MappedResult.PASSED
    """What a neutral run counts as."""


class GitLabCIRunner(Model):
    """GitLab CI of a project. A test's job is the branch or tag whose pipeline runs.

    A pipeline whose start was not confirmed is found by its name, or by its variables where the token may read them.
    """

    repository_ref: NameReference
    """GitRepository whose pipelines Pilotage starts, with its provider's credential unless `secretRef` is set."""
    parameters_as: ParametersAs = ParametersAs.VARIABLES
    """How parameters reach the pipeline.

    Variables: the promotion key is the variable `PROMOTION_KEY`. If the token's user is no maintainer, show it by
    `workflow: name: $PROMOTION_KEY`. Inputs (GitLab 17.10 or newer; at most 20 with the key): the promotion key is the
    input `promotion_key`. The CI file declares it, as every parameter, and shows it by
    `workflow: name: $[[ inputs.promotion_key ]]`. A value that is a JSON number, boolean or list arrives as that (`5`,
    `true`), any other as text (`1.20`).
    """
    manual: ManualResult = ManualResult.QUEUED
    """What a pipeline that waits for a manual job counts as."""
    skipped: MappedResult = MappedResult.ERROR
    """What a skipped pipeline counts as. By default it is an error, since no test ran."""


HostedRunner = GitHubActionsRunner | GitLabCIRunner
HOSTED_BY: Mapping[RunnerType, ScmHost] = {
    RunnerType.GITHUB_ACTIONS: ScmHost.GITHUB,
    RunnerType.GITLAB_CI: ScmHost.GITLAB,
}
"""CI systems that are part of an SCM host, where their repository must be; the others have servers of their own."""


class TestRunnerSpec(Model):
    """Exactly one CI system, and its credential."""

    __test__: ClassVar[bool] = False

    rules: ClassVar = (
        exactly_one_of("jenkins", "githubActions", "gitlabCI"),
        Rule(
            rule="has(self.jenkins) == has(oldSelf.jenkins) && has(self.gitlabCI) == has(oldSelf.gitlabCI)",
            message="a TestRunner keeps its CI system, since its runs are there: declare another TestRunner",
        ),
        Rule(
            rule="has(self.jenkins) || (!has(self.caSecretRef) && !has(self.proxySecretRef))",
            message="caSecretRef and proxySecretRef need jenkins; for the others set them in the repository's provider",
        ),
    )

    jenkins: JenkinsRunner | None = None
    """A Jenkins controller. The Secret holds `username`, and `token`, an API token, or `password`."""
    github_actions: GitHubActionsRunner | None = None
    """GitHub Actions of a repository. The workflow's `run-name` must show the promotion key. The Secret in `secretRef`
    holds `token`; or `privateKey` of a GitHub App, with `appID` if the provider does not name the App."""
    gitlab_ci: GitLabCIRunner | None = None
    """GitLab CI of a project. A test's job is the branch or tag whose pipeline runs. The Secret holds `token` with the
    scope `api`; or `triggerToken`, a trigger token, and a `token` with the scope `read_api`."""
    secret_ref: SecretReference | None = None
    """Secret with the credential. Jenkins needs one; the others can use that of the repository's provider."""
    webhook_secret_ref: SecretReference | None = None
    """Secret with `webhookSecret`, which proves the runner's webhooks. If not given, the Secret of `secretRef` is used,
    else that of the repository."""
    ca_secret_ref: SecretReference | None = None
    """Secret with `ca.crt`, the authority that signed the certificate of Jenkins. The others are trusted as the
    provider of their repository."""
    proxy_secret_ref: SecretReference | None = None
    """Secret with `address` of the HTTP proxy between Pilotage and Jenkins, and with `username` and `password` if the
    proxy asks for them. The others are called through the proxy of their repository's provider."""

    @property
    def blocks(self) -> Mapping[RunnerType, JenkinsRunner | HostedRunner]:
        """The CI systems that are set; exactly one where the runner is valid."""
        named: Mapping[RunnerType, JenkinsRunner | HostedRunner | None] = {
            RunnerType.JENKINS: self.jenkins,
            RunnerType.GITHUB_ACTIONS: self.github_actions,
            RunnerType.GITLAB_CI: self.gitlab_ci,
        }
        return {kind: block for kind, block in named.items() if block is not None}

    @property
    def hosted(self) -> HostedRunner | None:
        """The CI system of a repository's host; None for one with a server of its own."""
        return self.github_actions or self.gitlab_ci

    @property
    def type(self) -> RunnerType:
        """The CI system that is set. Raises ValueError where none or several are."""
        given = list(self.blocks)
        if len(given) != 1:
            raise ValueError("exactly one of jenkins, githubActions, gitlabCI must be set")
        return given[0]


class TestRunnerStatus(ConditionedStatus):
    """Whether the CI system answers and accepts the credential."""

    __test__: ClassVar[bool] = False

    type: RunnerType | None = None
    """The CI system, named as its block in the spec."""


class TestRunner(Resource):
    """A CI system that runs the tests of policies."""

    __test__: ClassVar[bool] = False

    definition: ClassVar = Definition(
        kind="TestRunner",
        plural="testrunners",
        short_name="prunner",
        columns=(
            PrinterColumn(name="TYPE", json_path=".status.type", description="The CI system"),
            PrinterColumn(name="REACHABLE", json_path=".status.conditions[?(@.type=='Reachable')].status"),
            PrinterColumn(name="MESSAGE", json_path=".status.conditions[?(@.type=='Reachable')].message", priority=1),
            AGE,
        ),
    )

    kind: str = "TestRunner"
    spec: TestRunnerSpec
    status: TestRunnerStatus = TestRunnerStatus()
