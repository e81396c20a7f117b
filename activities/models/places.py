"""The two signals between a promotion and a place, each the sender's whole view with a counter."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from activities.models.bounds import Bounded, Line
from activities.models.configuration import EnvironmentView
from activities.models.delivery import Observation, ReadDeploymentsResult
from activities.models.failures import Failure
from activities.models.tracking import Artifact, Timings, TrackerRef
from crds.reasons.vocabulary import Phase


class Role(StrEnum):
    """What a place is to the hop of its member. Only a target's Ready asks for the lane."""

    SOURCE = "source"
    TARGET = "target"
    AHEAD = "ahead"


@dataclass(frozen=True, kw_only=True)
class Counter:
    """Order the signals of one sender: (run start in unix ms, n) for a place, (attempt, n) for a tracker."""

    epoch: int = 0
    n: int = 0

    def as_tuple(self) -> tuple[int, int]:
        """Return the value that orders counters of one sender."""
        return (self.epoch, self.n)


@dataclass(frozen=True, kw_only=True)
class PlaceReading:
    """Bring a place what its joining member has just read of it, so that it answers without reading by itself."""

    environment: EnvironmentView
    deployments: ReadDeploymentsResult


@dataclass(frozen=True, kw_only=True)
class MemberSignal:
    """Send a place the whole view of one tracker."""

    tracker: TrackerRef
    number: int
    workflow_id: str
    counter: Counter
    hop: int
    role: Role
    phase: Phase
    held: bool
    revision: str | None = None
    """The merge commit of the pull request; None before the merge."""
    components: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    """What the hop promotes, once its round has begun."""
    received: Counter | None = None
    """The newest counter received of this place: a place without memory waits until it is named here."""
    takes: bool = False
    """Whether a Ready that is granted the lane in the call takes it with the answer, so that no Holder follows."""
    reading: PlaceReading | None = None
    """What was read of the place as its view was sent: added by the activity that sends it, and kept by no one."""

    @property
    def awaits_answer(self) -> bool:
        """Whether the sender goes on with what the place answers; who holds the lane or leaves does not."""
        return self.role is not Role.AHEAD and self.phase not in (Phase.HOLDER, Phase.ARRIVED, Phase.GONE)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Give the lane to the receiver; `answers` is the member counter on which the place decided."""

    answers: Counter
    hop: int


@dataclass(frozen=True, kw_only=True)
class BlockedBy(Bounded):
    """Whom a Ready member waits for and why."""

    tracker: str
    """Name of the tracker in the way; empty where no single one is."""
    reason: Line
    held: bool = False
    """Whether a person holds that tracker."""


@dataclass(frozen=True, kw_only=True)
class PlaceSignal(Bounded):
    """Send a member the whole view of a place."""

    environment: str
    counter: Counter
    observed: tuple[Observation, ...]
    observed_at: datetime | None
    holder: str = ""
    """Name of the tracker that holds the lane; empty when it is free."""
    grant: Grant | None = None
    blocked_by: BlockedBy | None = None
    failure: Failure | None = None
    """Why the place cannot be observed at all, such as a missing Argo CD instance."""
    moved_by: dict[str, str] | None = None
    """Deployment -> name of the tracker that the place knows to have brought what runs there."""
    asks: bool = False
    """The receiver must answer with its view, `received` naming this counter; phase Gone where it is no member."""

    @property
    def problem(self) -> str:
        """Return what people read of the failure; empty while the place can be observed."""
        return self.failure.named if self.failure is not None else ""


@dataclass(frozen=True, kw_only=True)
class SendViewInput:
    """Send a member's view to a place, which is started where it does not run."""

    namespace: str
    environment: str
    repository: str
    signal: MemberSignal
    timings: Timings


@dataclass(frozen=True, kw_only=True)
class EnvironmentInput:
    """Start (or continue) one EnvironmentWorkflow."""

    installation: str
    namespace: str
    environment: str
    repository: str
    timings: Timings
    history_limit: int = 500
    """Events after which the run continues as new."""
    linger: timedelta = timedelta(minutes=1)
    """How long a place without members stays, per tracker that a restart without memory would have to ask again."""
