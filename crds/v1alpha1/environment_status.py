"""What an EnvironmentWorkflow knows about a place, for one repository."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Name, ObjectName, ShortText, Text, Time, keep_first
from crds.model import Model, extra
from crds.reasons.vocabulary import Health, Phase
from crds.sequences import Sequence, sequence_rule
from crds.v1alpha1.artifact import Artifact

MAX_HISTORY = 20
MAX_HOLDS = 20
MAX_MEMBERS = 200
MAX_REPOSITORIES = 100
"""As many as an Environment has deployments at most; `crds/rules/status_budget.py` shares one object among them."""


class DeploymentStatus(Model):
    """What a deployment runs."""

    name: Name
    """Name of the deployment."""
    artifact: Artifact | None = None
    """What runs; not set where Pilotage does not know, or where the applications differ."""
    health: Health | None = None
    """Worst health of its applications."""
    since: Time | None = None
    """When the deployment came to run the artifact."""
    problem: Text | None = None
    """What is wrong with the deployment, if anything."""
    not_writable: Text | None = None
    """Why a promotion could not write the deployment, such as `OwnedBy ApplicationSet/web`."""
    not_writable_reason: ShortText | None = None
    """The same, as a reason of the condition `Writable`."""


class LaneMember(Model):
    """A tracker on its way to or from the place."""

    tracker: ShortText
    """Name of the tracker."""
    phase: Phase
    """How far it is."""
    held: bool = False
    """Whether a person holds it."""


class Lane(Model):
    """The order in which changes are written to the place: one holder at a time."""

    holder: ShortText | None = None
    """Tracker that may write now."""
    members: Annotated[tuple[LaneMember, ...], Field(max_length=MAX_MEMBERS), keep_first(MAX_MEMBERS)] = ()
    """Trackers on their way to or from the environment."""


class EnvironmentHold(Model):
    """A person holds the environment. While it lasts, no promotion writes there."""

    id: ObjectName
    """Id of the hold: the name of its PromotionCommand. `release` names it."""
    by: ShortText
    """Person who holds the environment. Only this person may release the hold."""
    since: Time
    """When the hold started."""
    until: Time
    """When the hold ends by itself."""
    reason: Text | None = None
    """Why, as the person wrote it."""

    def lasts(self, now: datetime) -> bool:
        """Return whether it still holds."""
        return now < self.until


class ArtifactSet(Model):
    """What ran in the place at a time."""

    at: Time
    """When the environment came to run this set."""
    artifacts: Annotated[tuple[Artifact, ...], Field(max_length=50), keep_first(50)] = ()
    """Artifacts, by component."""
    tracker: ShortText | None = None
    """Tracker that brought the set, if Pilotage knows it."""


class RepositoryStatus(Model):
    """The place as one repository sees it."""

    rules: ClassVar = (sequence_rule("sequence"),)

    repository: Name
    """GitRepository that the entry is for."""
    sequence: Sequence | None = None
    """Order of the writes of this entry, in milliseconds since 1970. It only grows, unless Pilotage replaces a forged
    one far ahead of the clock."""
    deployments: Annotated[
        tuple[DeploymentStatus, ...],
        Field(max_length=100, json_schema_extra=extra(list_type="atomic")),
        keep_first(100),
    ] = ()
    """What the deployments of the repository run."""
    lane: Lane | None = None
    """Who may write, and who waits."""
    history: Annotated[
        tuple[ArtifactSet, ...],
        Field(max_length=MAX_HISTORY, json_schema_extra=extra(list_type="atomic")),
        keep_first(MAX_HISTORY),
    ] = ()
    """The last 20 artifact sets, newest first."""
    omitted: ShortText | None = None
    """What is left out, such as `history 15, members 40`. The entries of all repositories share one object, in which
    each has at least 5 kB."""
