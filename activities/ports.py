"""What activities need of the process that runs them: connections to named resources, and a way to reach places."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from activities.models.commit_statuses import CommitVerdict, StatusSlot
from activities.models.event_sinks import PromotionEvent, SinkRef
from activities.models.places import PlaceSignal, SendViewInput
from activities.models.pull_requests_news import PullRequestNews
from activities.models.reconciliations import Reconciliation
from activities.models.state_labels import PREFIX
from activities.models.tracking import RepositoryView, TrackerRef
from crds.v1alpha1.environment_status import EnvironmentHold
from crds.v1alpha1.event_sink import EventSinkSpec
from crds.v1alpha1.git_repository import RepositoryMode, Show
from providers.ports import Checkable, Deployments, EventReceiver, ScmHost, TestRuns


class MissingReason(StrEnum):
    """Name what is wrong with what is declared."""

    NOT_FOUND = "NotFound"
    INVALID = "Invalid"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 -- a cause, no secret
    NO_KEY = "NoKey"
    NO_CONSENT = "NoConsent"
    FORBIDDEN = "Forbidden"
    """Pilotage itself may not read it."""
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    REPOSITORY_NOT_ALLOWED = "RepositoryNotAllowed"
    NOTHING_DEPLOYED = "NothingDeployed"
    NOTHING_SELECTED = "NothingSelected"
    TOO_LARGE = "TooLarge"
    REFUSED = "Refused"
    """The server that a resource names refuses what it is asked."""
    NOT_APPLIED = "NotApplied"
    """It stands in a file, and not in the cluster yet."""


class ReferenceMissing(Exception):
    """A named resource, Secret or key is missing or unusable; the message names what to fix.

    `what` is the object meant, such as `Secret/jenkins-token`; `fields` are paths with their messages, where a
    validation failed.
    """

    def __init__(self, what: str, reason: MissingReason, message: str, *, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{what}: {message}")
        self.what = what
        self.reason = reason
        self.message = message
        self.fields = fields


class PlaceSilent(Exception):
    """The workflow of a place gives no answer, so that what it knows is unknown."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A GitRepository with its open host."""

    view: RepositoryView
    host: ScmHost
    show: Show = field(default_factory=Show)
    """What is written on its pull requests."""
    label_prefix: str = PREFIX
    """What the labels of states and environments begin with."""
    mode: RepositoryMode = RepositoryMode.ACT
    """Whether anything is written at all."""


@dataclass(frozen=True, kw_only=True)
class PostingProvider:
    """A Provider of commit statuses with the open statuses of its repository."""

    uid: str
    suspended: bool
    timeout: timedelta
    """How long one call may take."""
    host: ScmHost


@dataclass(frozen=True, kw_only=True)
class OpenSink:
    """An EventSink with its open receiver."""

    uid: str
    spec: EventSinkSpec
    receiver: EventReceiver


class ResourceOpener(Protocol):
    """Open what resources name. Each activity reads resources and Secrets itself, so that a rotated one counts at once.

    Every method raises ReferenceMissing for what a person must provide, and crds.api.ports.ApiError when the Kubernetes
    API does not answer: an outage is never taken for "not found".
    """

    async def repository(self, namespace: str, name: str) -> Repository:
        """Open a GitRepository at its host."""
        ...

    async def repository_check(self, namespace: str, name: str) -> Checkable:
        """Open a GitRepository to be checked, also where Pilotage uses no more than its CI."""
        ...

    async def provider_check(self, namespace: str, name: str) -> Checkable:
        """Open the host of an ScmProvider to be checked, or with no namespace that of a ClusterScmProvider."""
        ...

    async def observed(self, namespace: str, named: str) -> str:
        """Return the GitRepository of that name, or of that name at its host, where it has `mode: Observe`; else empty.

        Asked before each write and each trigger: the mode may have become another one since a hop began.
        """
        ...

    async def held(self, namespace: str, environment: str) -> EnvironmentHold | None:
        """Return an environment's hold that lasts longest, as the API server has it now; None where there is none.

        Asked before each write, by the promotion that has the lane.
        """
        ...

    async def ci_runs(self, namespace: str, runner: str) -> TestRuns:
        """Open a TestRunner."""
        ...

    async def deployments(self, namespace: str, instance: str) -> Deployments:
        """Open an ArgoCDInstance."""
        ...

    async def reconciliations(self, namespace: str, environment: str, repository: str) -> tuple[Reconciliation, ...]:
        """Return what events of Flux reported of a place's Kustomizations. Raises PlaceSilent where nothing answers."""
        ...


class NewsReceivers(Protocol):
    """Reach PromotionWorkflows with what a list showed."""

    async def send_news(self, attempt: TrackerRef, news: PullRequestNews) -> bool:
        """Signal news to the workflow of a tracker's attempt; False where it does not run."""
        ...


class PostingOpener(Protocol):
    """Open Providers of commit statuses, as ResourceOpener opens what promotions name."""

    async def posting_provider(self, namespace: str, name: str, *, flux: bool = False) -> PostingProvider:
        """Open a Provider; with `flux` one of Flux's own group."""
        ...


class SinkOpener(Protocol):
    """Open EventSinks, as ResourceOpener opens what promotions name."""

    async def event_sink(self, namespace: str, name: str) -> OpenSink:
        """Open an EventSink; nothing is sent yet."""
        ...


class EventSinkWorkflows(Protocol):
    """Reach EventSinkWorkflows."""

    async def send(self, sink: SinkRef, events: Sequence[PromotionEvent]) -> None:
        """Signal events, starting the workflow if it does not run. Raises WorkflowsUnavailable."""
        ...


class CommitStatusWorkflows(Protocol):
    """Reach CommitStatusWorkflows."""

    async def others(self, slot: StatusSlot, *, limit: int) -> tuple[str, ...]:
        """Return the other commits of a slot's context that had events lately, newest first."""
        ...

    async def signal(self, slot: StatusSlot, verdict: CommitVerdict) -> None:
        """Signal a verdict, starting the workflow if it does not run. Raises WorkflowsUnavailable."""
        ...


class Places(Protocol):
    """Reach EnvironmentWorkflows."""

    async def send(self, request: SendViewInput) -> PlaceSignal | None:
        """Signal the place with a member's view, starting its workflow if it does not run."""
        ...
