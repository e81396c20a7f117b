"""DriftMonitor: a promoted change stays in place, in one application of one environment."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import Name, NameReference, ShortText, Text, Time
from crds.model import AGE, Definition, Model, PrinterColumn
from crds.reasons.vocabulary import Drift
from crds.resource import ConditionedStatus, Resource
from crds.v1alpha1.promotion_command import TrackerReference

MONITOR_NAME_MAX_LENGTH = 128
MAX_PARAMETERS = 21
"""Names of a baseline: the twenty first ones, and one that stands for all others."""


class MonitorLabel(StrEnum):
    """Labels by which monitors are found."""

    TRACKER = "pilotage.dev/tracker-uid"
    """Uid of the tracker whose change is watched."""


class AutoRemediate(StrEnum):
    """What Pilotage does about drift by itself."""

    SYNC = "sync"
    """Pilotage requests one sync each time that the application becomes OutOfSync."""


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
    """Argo CD project of the application."""
    instance_ref: NameReference
    """ArgoCDInstance that serves the application."""
    repository_ref: NameReference
    """GitRepository of the change. Pilotage compares revisions in it."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")]
    """Revision that ran there when the promotion ended."""
    tag: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Image tag that ran there, where the artifact is an image."""
    promoted_at: Time
    """When the promotion ended. Only a later promotion takes the monitor over."""
    auto_remediate: AutoRemediate | None = None
    """What Pilotage does about drift; nothing if not given. A later promotion that takes the monitor over keeps it."""


class DriftBaseline(Model):
    """What the application's parameters were when the promoted revision was first seen there."""

    promoted_at: Time
    """End of the promotion that the baseline belongs to."""
    parameters: Annotated[tuple[ShortText, ...], Field(max_length=MAX_PARAMETERS)] = ()
    """`name=digest` of each parameter or image, without its value."""


class DriftMonitorStatus(ConditionedStatus):
    """Whether the change is still in place."""

    drifted: bool | None = None
    """Whether the application drifted; not set while Pilotage does not know."""
    kind: Drift | None = None
    """Kind of drift."""
    expected: Text | None = None
    """What the application should run or show."""
    observed: Text | None = None
    """What Argo CD shows instead."""
    since: Time | None = None
    """When the application came into this state."""
    rolled_back_to: Annotated[str, Field(max_length=64)] | None = None
    """Revision that the application runs again, where that is older than what was promoted."""
    last_checked_at: Time | None = None
    """Last time that Pilotage confirmed this status: at each change, and about once an hour."""
    tracker: ShortText | None = None
    """Tracker that the status is about."""
    seen: Annotated[str, Field(max_length=64)] | None = None
    """Digest of what Argo CD lists of the application. While it is the same, nothing changed."""
    baseline: DriftBaseline | None = None
    """Parameters that Pilotage compares with."""


class DriftMonitor(Resource):
    """A deployment of a promoted change. Pilotage makes it after a promotion, and watches whether the change stays."""

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
