"""PullRequestTracker: one pull request on its way from environment to environment."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import NAME_MAX_LENGTH, Name, NameReference
from crds.model import AGE, Definition, Model, PrinterColumn, Rule, extra
from crds.resource import Resource
from crds.v1alpha1.tracker_status import PullRequestTrackerStatus

__all__ = ["PullRequestTracker", "PullRequestTrackerSpec", "TrackerAnnotation", "TrackerLabel"]


class TrackerAnnotation(StrEnum):
    """Annotations that Pilotage reads from a tracker."""

    POKE = "pilotage.dev/poke"
    """A changed value wakes the tracker's workflow: it looks again at once."""


class TrackerLabel(StrEnum):
    """Labels that Pilotage keeps on each tracker, so that `kubectl get prt -l` selects by them."""

    REPOSITORY = "pilotage.dev/repository"
    """Name of its GitRepository."""
    ENVIRONMENT = "pilotage.dev/environment"
    """As `status.environment`; before there is a status, as the spec."""
    STATE = "pilotage.dev/state"
    """As `status.state`; absent before there is a status."""


class PullRequestTrackerSpec(Model):
    """Which pull request, and where it is first deployed."""

    rules: ClassVar = (
        Rule(
            rule="self.environment == oldSelf.environment || self.attempt > oldSelf.attempt",
            message="environment changes only together with a raised attempt: the current attempt started with it",
            field_path=".environment",
        ),
    )

    repository_ref: Annotated[
        NameReference,
        Field(json_schema_extra=extra(Rule(rule="self == oldSelf", message="repositoryRef is immutable"))),
    ]
    """GitRepository of the pull request. Immutable."""
    number: Annotated[
        int,
        Field(
            ge=1,
            le=2_147_483_647,
            json_schema_extra=extra(Rule(rule="self == oldSelf", message="number is immutable")),
        ),
    ]
    """Number of the pull request at the SCM host. Immutable."""
    environment: Name
    """Environment where the merged change is deployed first. It changes only together with a raised `attempt`."""
    attempt: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            json_schema_extra=extra(Rule(rule="self >= oldSelf", message="attempt only grows")),
        ),
    ] = 1
    """Number of the attempt. A higher number starts the promotion again, as a new workflow. It only grows."""


class PullRequestTracker(Resource):
    """One pull request on its way. Its creation starts the promotion; its status shows where the change is."""

    definition: ClassVar = Definition(
        kind="PullRequestTracker",
        plural="pullrequesttrackers",
        short_name="prt",
        name_max_length=NAME_MAX_LENGTH + 11,
        selectable=(".spec.repositoryRef.name",),
        columns=(
            PrinterColumn(name="PR", json_path=".spec.number", type="integer", description="Pull request"),
            PrinterColumn(name="REPO", json_path=".spec.repositoryRef.name", description="GitRepository"),
            PrinterColumn(name="ENV", json_path=".status.environment", description="Where the change is now"),
            PrinterColumn(name="STATE", json_path=".status.state", description="State of the promotion"),
            PrinterColumn(name="WAITING-FOR", json_path=".status.waitingFor.what", description="What it waits for"),
            PrinterColumn(name="REASON", json_path=".status.reason", priority=1, description="Why it is in its state"),
            PrinterColumn(
                name="OBJECT",
                json_path=".status.waitingFor.object",
                priority=1,
                description="Resource that it waits for",
            ),
            PrinterColumn(name="REVISION", json_path=".status.revision", priority=1, description="Merged revision"),
            AGE,
            PrinterColumn(name="TITLE", json_path=".status.title", description="Title of the pull request, shortened"),
        ),
    )
    rules: ClassVar = (
        Rule(
            # One comparison with the concatenated name would do, but its estimated cost is unbounded.
            rule="self.metadata.name.startsWith(self.spec.repositoryRef.name + '-') && "
            "self.metadata.name.substring(size(self.spec.repositoryRef.name) + 1) == string(self.spec.number)",
            message="the name of a tracker must be <repository>-<number>, such as web-412",
            field_path=".metadata.name",
        ),
    )

    kind: str = "PullRequestTracker"
    spec: PullRequestTrackerSpec
    status: PullRequestTrackerStatus = PullRequestTrackerStatus()
