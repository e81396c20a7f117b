"""PromotionPolicy: the rule for one hop, from a source environment to a target environment."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import HEADLINE_LENGTH, Headline, Name, NameReference, PositiveDuration, truncate
from crds.model import AGE, Definition, Model, PrinterColumn, Rule, extra
from crds.resource import ConditionedStatus, Resource

DEFAULT_ROUND_TIMEOUT = timedelta(hours=2)
DEFAULT_TEST_TIMEOUT = timedelta(hours=1)
LABEL_PREFIX = "promoted/"


class OnSourceMoved(StrEnum):
    """What happens when the source moves after all tests of a round were started."""

    ACCEPT = "Accept"
    """The verdict counts. `sourceMoved` of the promotion record shows the move."""
    RETEST = "Retest"
    """A new round starts, for what runs in the source now. In a busy repository a change may so never pass."""


class PolicyTest(Model):
    """One test that the CI system runs."""

    name: Name
    """Name of the test, unique in the policy."""
    runner_ref: NameReference
    """TestRunner that the test runs at."""
    job: Annotated[str, Field(min_length=1, max_length=512)]
    """Jenkins: folder path such as `web/integration`; GitHub Actions: workflow file such as `e2e.yml`; GitLab CI:
    branch or tag."""
    parameters: Annotated[dict[str, Annotated[str, Field(max_length=2048)]], Field(max_length=64)] = Field(
        default_factory=dict
    )
    """Parameters of the job; values may hold variables such as `${revision}`, see the list of variables."""
    components: Annotated[tuple[Name, ...], Field(max_length=50, json_schema_extra=extra(list_type="set"))] = ()
    """Components that the test is for; empty means all."""
    required: bool = True
    """Whether the test must pass. An optional test is shown and never blocks."""
    timeout: PositiveDuration = DEFAULT_TEST_TIMEOUT
    """Time for one run, from the first attempt to start it."""
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """How many times Pilotage starts a failed test again, each time as a new run."""


class PromotionPolicySpec(Model):
    """The hop, the tests that gate it, and who approves."""

    rules: ClassVar = (
        Rule(
            rule="self.sourceEnvironment != self.targetEnvironment",
            message="targetEnvironment must differ from sourceEnvironment",
            field_path=".targetEnvironment",
        ),
    )

    source_environment: Name
    """Environment that a change comes from."""
    target_environment: Name
    """Environment that a change goes to."""
    repository_refs: Annotated[
        tuple[NameReference, ...], Field(max_length=100, json_schema_extra=extra(keys=("name",)))
    ] = ()
    """Repositories that the policy is for; empty means all. A policy that names the repository wins over one that names
    none."""
    auto_promote: bool = False
    """Whether Pilotage promotes a change once its tests passed. Otherwise the change waits for `pilotage promote`."""
    timeout: PositiveDuration = DEFAULT_ROUND_TIMEOUT
    """Time for all tests of a round together."""
    tests: Annotated[tuple[PolicyTest, ...], Field(max_length=50, json_schema_extra=extra(keys=("name",)))] = ()
    """Tests of the hop. Pilotage starts all of them at the same time. None means that nothing gates the hop."""
    label: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    """Label that the pull request gets after the hop; `promoted/<target>` if not given. It must not begin as Pilotage's
    own labels do, such as `pilotage/`."""
    on_source_moved: OnSourceMoved = OnSourceMoved.ACCEPT
    """What happens when the source moves after all tests of a round were started."""

    @property
    def effective_label(self) -> str:
        """The label that a pull request gets after the hop."""
        return self.label if self.label is not None else f"{LABEL_PREFIX}{self.target_environment}"


class PromotionPolicyStatus(ConditionedStatus):
    """Whether Pilotage follows the policy, and how many trackers it concerns."""

    tests: Headline | None = None
    """Names of its tests, an optional one with `?`; `none` where nothing gates the hop."""
    trackers_in_flight: Annotated[int, Field(ge=0)] | None = None
    """Number of trackers whose hop took a snapshot of this policy, as of a few seconds ago."""


class PromotionPolicy(Resource):
    """The rule for one hop: which tests must pass before a change goes from the source to the target."""

    definition: ClassVar = Definition(
        kind="PromotionPolicy",
        plural="promotionpolicies",
        short_name="pp",
        columns=(
            PrinterColumn(name="SOURCE", json_path=".spec.sourceEnvironment"),
            PrinterColumn(name="TARGET", json_path=".spec.targetEnvironment"),
            PrinterColumn(name="TESTS", json_path=".status.tests", description="Tests; an optional one with `?`"),
            PrinterColumn(name="AUTO", json_path=".spec.autoPromote", type="boolean"),
            PrinterColumn(name="VALID", json_path=".status.conditions[?(@.type=='Valid')].status"),
            PrinterColumn(name="REASON", json_path=".status.conditions[?(@.type=='Valid')].message", priority=1),
            AGE,
        ),
    )

    kind: str = "PromotionPolicy"
    spec: PromotionPolicySpec
    status: PromotionPolicyStatus = PromotionPolicyStatus()

    @property
    def tests_line(self) -> str:
        """The tests as `status.tests` has them."""
        names = (one.name if one.required else f"{one.name}?" for one in self.spec.tests)
        return truncate(", ".join(names) or "none", HEADLINE_LENGTH)
