"""Deployments as observed and written through Argo CD."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from activities.models.bounds import Bounded, Line, Link, Short
from activities.models.configuration import DeploymentSpec
from activities.models.failures import BriefFailure, Failure
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Health


class OperationPhase(StrEnum):
    NONE = "None"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERROR = "Error"


@dataclass(frozen=True, kw_only=True)
class Observation(Bounded):
    """Show what one deployment runs: its synced artifact, the revision written to it and that of an operation.

    `settled` is when a delivery is done (docs/internals/architecture.md): no operation, Synced, Healthy, and a
    reconciliation newer than the last operation's end. `failure` is why nothing could be read; then the other fields
    are of no use.
    """

    deployment: str
    component: str
    application: str
    runs: str | None = None
    """Revision of the application repository that is synced; None where nothing (known) runs."""
    written: str | None = None
    """Revision that the application's spec wants, where the spec names a commit or a recognisable tag."""
    written_raw: str = ""
    """The spec value itself (targetRevision or tag), for compare-and-set."""
    operating: str | None = None
    """Revision of an operation in progress."""
    image: str | None = None
    tag: str | None = None
    config_revision: str | None = None
    operation_key: str = ""
    """`promotion-key` in the infos of the current or last operation."""
    operation_phase: OperationPhase = OperationPhase.NONE
    operation_message: Line = ""
    """Why the operation failed, naming the failing resource."""
    health: Health = Health.UNKNOWN
    sync_status: Short = "Unknown"
    settled: bool = False
    message: Line = ""
    url: Link = ""
    failure: BriefFailure | None = None
    writable: Line = ""
    """Empty when it may be written; else why not, such as `OwnedBy ApplicationSet/web`."""
    obstacle: str = ""
    """The same as a reason of `Writable`."""
    owner: Short = ""
    """Who may revert a write, such as `ApplicationSet/web`; empty where no one is known to."""
    auto_synced: bool = False
    """Whether the operation shown is auto-sync's own, of what the spec holds now."""

    @property
    def out_of_sync(self) -> bool:
        """Whether Argo CD reports that something else runs than what it is to bring there."""
        return self.sync_status == "OutOfSync"

    @property
    def problem(self) -> str:
        """Return what people read of the failure; empty where there is none."""
        return self.failure.problem if self.failure is not None else ""

    @property
    def passing(self) -> bool:
        """Whether the failure usually ends by itself within minutes, such as of an Argo CD that is being restarted."""
        return self.failure is not None and self.failure.passing

    def is_rolling_out(self, revision: str | None) -> bool:
        """Return whether nothing but this revision is on its way here, not settled yet, and neither failed nor ill."""
        failed = self.operation_phase in (OperationPhase.FAILED, OperationPhase.ERROR)
        if self.problem or self.settled or failed or self.health in (Health.DEGRADED, Health.MISSING):
            return False
        return all(not found or found == revision for found in (self.written, self.operating))


def revisions_of(observation: Observation) -> tuple[str, ...]:
    """Return the up to three revisions of a deployment: what runs, what is written, and what an operation brings."""
    found = (observation.runs, observation.written, observation.operating)
    return tuple(dict.fromkeys(revision for revision in found if revision))


@dataclass(frozen=True, kw_only=True)
class ReadDeploymentsInput:
    namespace: str
    repository: str
    deployments: tuple[DeploymentSpec, ...]
    refresh: bool = False
    """Ask Argo CD to refresh those whose health is older than their last operation."""


@dataclass(frozen=True, kw_only=True)
class ReadDeploymentsResult:
    observations: tuple[Observation, ...]
    read_at: datetime


@dataclass(frozen=True, kw_only=True)
class DeploymentRuns(Bounded):
    """State of one deployment no more than what it runs, as an Observation does."""

    deployment: str
    component: str
    runs: str | None = None
    failure: BriefFailure | None = None

    @property
    def problem(self) -> str:
        """Return what people read of the failure; empty where there is none."""
        return self.failure.problem if self.failure is not None else ""


@dataclass(frozen=True, kw_only=True)
class WatchDeploymentsInput:
    """Follow the deployments until one differs from `known`, or until `duration` is over, then read again.

    `artifacts` is what the holder of the lane brings: its own write and rollout are no difference until it has settled,
    failed, or was displaced.
    """

    namespace: str
    repository: str
    deployments: tuple[DeploymentSpec, ...]
    known: tuple[Observation, ...]
    duration: timedelta
    artifacts: tuple[Artifact, ...] = ()


class WriteOutcome(StrEnum):
    DONE = "Done"
    ALREADY = "Already"
    """Nothing to do: the value, or our operation, is there."""
    CONFLICT = "Conflict"
    """The compare-and-set was lost or our write is gone: compare again."""
    BUSY = "Busy"
    """Somebody else's operation runs: wait for its end."""
    BLOCKED = "Blocked"
    """A sync window forbids the sync for now; `until` is when it ends, where that is known."""
    HELD = "Held"
    """A person holds the environment: nothing was written; `until` is when the hold ends by itself."""
    AWAITED = "Awaited"
    """A pull request of ours waits to be merged: ask again later."""
    HEAD_MOVED = "HeadMoved"
    """The branch that is to be merged holds others' commits since it was tested."""
    REFUSED = "Refused"
    """Argo CD refuses for a reason that a person must fix; `message` names it."""


@dataclass(frozen=True, kw_only=True)
class UpdateApplicationInput:
    """Write the artifact to one deployment, only if it still holds `expected` (its `written_raw`)."""

    namespace: str
    deployment: DeploymentSpec
    artifact: Artifact
    expected: str
    key: str


@dataclass(frozen=True, kw_only=True)
class SyncApplicationInput:
    """Start one sync of what was written, marked with `key`; refuses when the write is gone or others' work runs."""

    namespace: str
    deployment: DeploymentSpec
    artifact: Artifact
    key: str
    allowed: tuple[str, ...] = ()
    """Revisions that may run before our sync: those that the artifact contains."""
    insist: bool = False
    """Sync also where auto-sync is on: it did not begin by itself."""
    environment: str = ""
    """Environment that the artifact goes to, whose holds are looked at first; empty where none is meant."""


@dataclass(frozen=True, kw_only=True)
class DeliverApplicationInput:
    """Write the artifact to one deployment, only if it still holds `expected`, and start one sync of it."""

    namespace: str
    deployment: DeploymentSpec
    artifact: Artifact
    expected: str
    """As of a write alone, and so are the others of a sync."""
    key: str
    allowed: tuple[str, ...] = ()
    insist: bool = False
    environment: str = ""

    @property
    def write(self) -> UpdateApplicationInput:
        """Return the write alone."""
        return UpdateApplicationInput(
            namespace=self.namespace,
            deployment=self.deployment,
            artifact=self.artifact,
            expected=self.expected,
            key=self.key,
        )

    @property
    def sync(self) -> SyncApplicationInput:
        """Return the sync alone."""
        return SyncApplicationInput(
            namespace=self.namespace,
            deployment=self.deployment,
            artifact=self.artifact,
            key=self.key,
            allowed=self.allowed,
            insist=self.insist,
            environment=self.environment,
        )


@dataclass(frozen=True, kw_only=True)
class WriteResult(Bounded):
    outcome: WriteOutcome
    message: Line = ""
    written_raw: str = ""
    until: datetime | None = None
    """When a sync window ends, as far as that is known."""

    @property
    def stands(self) -> bool:
        """Whether what was asked for is there."""
        return self.outcome in (WriteOutcome.DONE, WriteOutcome.ALREADY)


@dataclass(frozen=True, kw_only=True)
class DeliverApplicationResult:
    """Hold what became of the write, and of the sync where the write stands: its result, or why there is none."""

    written: WriteResult
    synced: WriteResult | None = None
    failure: Failure | None = None
