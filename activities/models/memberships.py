"""Steps of a promotion at its places, each one activity: what a member sends, together with what it reads."""

from dataclasses import dataclass

from activities.models.configuration import EnvironmentView, FindPolicyInput, FindPolicyResult
from activities.models.delivery import Observation, ReadDeploymentsInput
from activities.models.drift import CreateDriftMonitorsInput
from activities.models.places import Counter, MemberSignal, PlaceSignal, SendViewInput
from activities.models.revisions import Relation, RevisionPair
from activities.models.tracking import Artifact, Timings


@dataclass(frozen=True, kw_only=True)
class TakeLaneInput:
    """Send a place the view that takes its lane, then read what its deployments run."""

    namespace: str
    repository: str
    view: SendViewInput
    """A holder's, whom the lane was granted; or a Ready that `takes` it, where the place grants it in its answer."""
    read: ReadDeploymentsInput


@dataclass(frozen=True, kw_only=True)
class TakeLaneResult:
    """Answer once the place was sent the view."""

    observations: tuple[Observation, ...] | None = None
    """What the deployments run, read after the view was sent; None where that failed or took too long."""
    taken: bool = True
    """Whether the lane is taken; else the tracker stands in line for it."""
    answer: PlaceSignal | None = None
    """The place's view as the tracker got in line; None where it was there before, or the view follows by signal."""


@dataclass(frozen=True, kw_only=True)
class JoinPlaceInput:
    """Send a place the view with which it is joined, and read its Environment alongside."""

    namespace: str
    repository: str
    view: SendViewInput
    fresh: bool = False
    """Whether the Environment is read from the API server itself."""


@dataclass(frozen=True, kw_only=True)
class JoinPlaceResult:
    """Answer once the place was sent the view."""

    environment: EnvironmentView | None = None
    """None where it could not be read, for whatever reason, or in time: then it is read alone."""
    answer: PlaceSignal | None = None
    """The place's view; None where it follows by signal."""


@dataclass(frozen=True, kw_only=True)
class SendViewsInput:
    """Send a member's views to several places, side by side. One of them at most awaits an answer."""

    namespace: str
    repository: str
    views: tuple[SendViewInput, ...]


@dataclass(frozen=True, kw_only=True)
class SendViewsResult:
    """Answer once each place was sent its view."""

    answer: PlaceSignal | None = None
    """Of the place whose answer is awaited; None where that follows by signal."""


@dataclass(frozen=True, kw_only=True)
class OpenHopInput:
    """Find the policy of a hop, then read its target and join that with a view."""

    namespace: str
    repository: str
    find: FindPolicyInput
    view: MemberSignal
    """As the target is to get it but for `received`, which the target's name decides."""
    timings: Timings
    received: dict[str, Counter] | None = None
    """Environment -> the newest counter that the member has of it."""
    farewells: tuple[SendViewInput, ...] = ()
    """What ends the hop before: views of the places that it was about, one of which awaits an answer at most."""
    artifacts: tuple[Artifact, ...] = ()
    """What the source runs of the change's components: compared with what the target runs, where that answers."""
    watch: CreateDriftMonitorsInput | None = None
    """What is to be watched where the change arrived; None where nothing is."""


@dataclass(frozen=True, kw_only=True)
class OpenHopResult:
    """Answer the policy, and of its target what is known by then; what is not is asked for alone."""

    found: FindPolicyResult
    environment: EnvironmentView | None = None
    """The target; None where it could not be read, for whatever reason, or in time."""
    sent: bool = False
    """Whether the target has the view."""
    answer: PlaceSignal | None = None
    """The target's view; None where it follows by signal."""
    left: bool = False
    """Whether every place of `farewells` has its view."""
    farewell_answer: PlaceSignal | None = None
    """Of the place among them whose answer is awaited; None where that follows by signal."""
    compared: tuple[RevisionPair, ...] = ()
    """What of `artifacts` and the target was compared; what is missing is compared alone."""
    relations: tuple[Relation, ...] = ()
    """In the order of `compared`."""
    watched: bool = False
    """Whether what `watch` names is watched."""
