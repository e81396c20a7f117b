"""The values that resources and workflows have in common: what is declared with them, decided by them and shown."""

from enum import StrEnum


class State(StrEnum):
    """State of the promotion."""

    PENDING = "Pending"
    AWAITING_MERGE = "AwaitingMerge"
    AWAITING_SYNC = "AwaitingSync"
    SYNCED = "Synced"
    AWAITING_POLICY = "AwaitingPolicy"
    TESTING = "Testing"
    TESTS_FAILED = "TestsFailed"
    READY_TO_PROMOTE = "ReadyToPromote"
    HELD = "Held"
    PROMOTING = "Promoting"
    PROMOTION_FAILED = "PromotionFailed"
    COMPLETED = "Completed"
    CLOSED = "Closed"
    ABORTED = "Aborted"

    @property
    def terminal(self) -> bool:
        """Whether only a new attempt leaves this state."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({State.COMPLETED, State.CLOSED, State.ABORTED})


class Waiting(StrEnum):
    """The kinds of waiting."""

    MERGE = "Merge"
    SYNC = "Sync"
    POLICY = "Policy"
    VERDICT = "Verdict"
    RETEST = "Retest"
    PROMOTE_COMMAND = "PromoteCommand"
    LANE = "Lane"
    TARGET = "Target"
    RELEASE = "Release"
    DELIVERY = "Delivery"
    RETRY = "Retry"
    REFERENCE = "Reference"


class Phase(StrEnum):
    """What a member wants of a place."""

    WORKING = "Working"
    READY = "Ready"
    HOLDER = "Holder"
    FAILED = "Failed"
    ARRIVED = "Arrived"
    GONE = "Gone"


class Health(StrEnum):
    """Health as Argo CD names it; only HEALTHY counts as arrived."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"
    MISSING = "Missing"
    UNKNOWN = "Unknown"


class Drift(StrEnum):
    """How an application differs from what was promoted to it; of several, the first one here is shown."""

    APPLICATION_MISSING = "ApplicationMissing"
    """Argo CD has no such application any more: create it again, or delete the monitor."""
    REVISION_MOVED = "RevisionMoved"
    """The application runs, or wants, a revision that does not contain the promoted one."""
    ARTIFACT_CHANGED = "ArtifactChanged"
    """The application runs an image whose revision does not contain the promoted one."""
    PARAMETERS_CHANGED = "ParametersChanged"
    """Helm parameters or Kustomize images of the application changed since the promotion."""
    OUT_OF_SYNC = "OutOfSync"
    """The live state differs from the application's sources."""
    UNHEALTHY = "Unhealthy"
    """Argo CD shows the application as Degraded or Missing."""
    UNKNOWN = "Unknown"
    """Pilotage does not know whether the change is in place; the message has the reason."""


class MergeMethod(StrEnum):
    """How a pull request is merged."""

    MERGE = "Merge"
    """A merge commit."""
    SQUASH = "Squash"
    """One commit of all its changes."""
    REBASE = "Rebase"
    """Its commits on top of the branch."""
