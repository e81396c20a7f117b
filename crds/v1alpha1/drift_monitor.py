"""DriftMonitor: a promoted change stays in place, in one application of one environment."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Name, NameReference, ShortText, Text, Time
from crds.model import AGE, Definition, Model, PrinterColumn
from crds.resource import ConditionedStatus, Resource
from crds.v1alpha1.promotion_command import TrackerReference

MONITOR_NAME_MAX_LENGTH = 128
MAX_PARAMETERS = 21
"""Names of a baseline: the twenty first ones, and one that stands for all others."""


class MonitorLabel(StrEnum):
    """Labels by which monitors are found."""

    TRACKER = "pilotage.dev/tracker-uid"
    """Uid of the tracker whose change is watched."""


class DriftKind(StrEnum):
    """How an application differs from what was promoted to it; of several, the first one here is shown."""

    APPLICATION_MISSING = "ApplicationMissing"
    """Argo CD has no such application any more."""
    REVISION_MOVED = "RevisionMoved"
    """Another revision runs, or is asked for, that does not contain the promoted one."""
    ARTIFACT_CHANGED = "ArtifactChanged"
    """An image of another revision runs, that does not contain the promoted one."""
    PARAMETERS_CHANGED = "ParametersChanged"
    """Helm parameters or Kustomize images of the application are others than after the promotion."""
    OUT_OF_SYNC = "OutOfSync"
    """The live state differs from what the application's sources hold."""
    UNHEALTHY = "Unhealthy"
    """Argo CD calls the application Degraded, or Missing."""
    UNKNOWN = "Unknown"
    """It is not known: Argo CD does not answer, or does not show what runs."""


class AutoRemediate(StrEnum):
    """What Pilotage does about drift by itself."""

    SYNC = "sync"
    """Request one sync, as a promotion would, for each time that the application gets out of sync."""


class DriftMonitorSpec(Model):
    """What was promoted where."""

    tracker_ref: TrackerReference
    """Tracker whose change is watched."""
    environment: Name
    """Environment that the change was promoted to."""
    deployment: Annotated[str, Field(min_length=1, max_length=317)]
    """Deployment of the environment; with a selector, `deployment/application`."""
    application: Annotated[str, Field(min_length=1, max_length=253)]
    """Application of Argo CD; `namespace/name` for one outside Argo CD's own namespace."""
    project: Annotated[str, Field(min_length=1, max_length=63)]
    """Its project."""
    instance_ref: NameReference
    """ArgoCDInstance that knows the application."""
    repository_ref: NameReference
    """GitRepository of the change, in which revisions are compared."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")]
    """Revision that ran there when the promotion ended."""
    tag: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Image tag that ran there, where the artifact is an image."""
    promoted_at: Time
    """When the promotion ended; a monitor is only taken over by a later one."""
    auto_remediate: AutoRemediate | None = None
    """What Pilotage does by itself; nothing, if not given. Kept where a newer promotion takes the monitor over."""


class DriftBaseline(Model):
    """What the application's parameters were when the promoted revision was first seen there."""

    promoted_at: Time
    """The promotion that it belongs to."""
    parameters: Annotated[tuple[ShortText, ...], Field(max_length=MAX_PARAMETERS)] = ()
    """`name=digest` of each parameter or image; values are never shown."""


class DriftMonitorStatus(ConditionedStatus):
    """Whether the change is still in place."""

    drifted: bool | None = None
    """Whether it drifted; not set where that is unknown."""
    kind: DriftKind | None = None
    """How it drifted."""
    expected: Text | None = None
    """What is expected."""
    observed: Text | None = None
    """What was observed."""
    since: Time | None = None
    """Since when it has been as it is shown."""
    last_checked_at: Time | None = None
    """When it was last written that this holds: at each change, and about once an hour."""
    tracker: ShortText | None = None
    """The tracker that this is about."""
    seen: Annotated[str, Field(max_length=64)] | None = None
    """A digest of what Argo CD lists of the application; the same again means that nothing changed."""
    baseline: DriftBaseline | None = None
    """What the parameters are compared with."""


class DriftMonitor(Resource):
    """A promoted change, watched so that it stays in place. Made by Pilotage at the end of each promotion."""

    definition: ClassVar = Definition(
        kind="DriftMonitor",
        plural="driftmonitors",
        short_name="pdrift",
        name_max_length=MONITOR_NAME_MAX_LENGTH,
        columns=(
            PrinterColumn(name="TRACKER", json_path=".spec.trackerRef.name"),
            PrinterColumn(name="ENV", json_path=".spec.environment"),
            PrinterColumn(name="APPLICATION", json_path=".spec.application"),
            PrinterColumn(name="DRIFTED", json_path=".status.drifted", type="boolean"),
            PrinterColumn(name="KIND", json_path=".status.kind"),
            PrinterColumn(name="SINCE", json_path=".status.since", type="date"),
            PrinterColumn(name="EXPECTED", json_path=".status.expected", priority=1),
            PrinterColumn(name="OBSERVED", json_path=".status.observed", priority=1),
            AGE,
        ),
    )

    kind: str = "DriftMonitor"
    spec: DriftMonitorSpec
    status: DriftMonitorStatus = DriftMonitorStatus()
