"""Commit statuses of Flux events: what is to be posted, where, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from activities.models import budgets
from activities.models.bounds import Bounded, Last, Line, Link, Short, Text
from activities.models.reconciliations import FLUX_CLOCK
from activities.models.tracking import Timings
from crds.texts.plain import short_revision

PENDING = "pending"
CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of a cluster may be from ours."""


@dataclass(frozen=True, kw_only=True)
class StatusSlot:
    """One context of one commit, and the Provider through which it is posted: what one workflow is for."""

    namespace: str
    provider: str
    provider_uid: str
    """Sets a Provider that was made again apart from the one before it."""
    flux: bool = False
    """Whether it is a Provider of Flux's own API group."""
    repository: str
    """Host and full name, such as `github.com/acme/web`."""
    commit: str
    context: str

    @property
    def short_commit(self) -> str:
        """How people write the commit."""
        return short_revision(self.commit)

    @property
    def title(self) -> str:
        """How people call the slot."""
        return f"{self.repository}@{self.short_commit} {self.context}"


@dataclass(frozen=True, kw_only=True)
class CommitVerdict(Bounded):
    """What one event means for a commit. Sent as a signal."""

    at: datetime
    """When it happened, by the clock of the cluster that sent the event."""
    state: str
    """`pending`, `success`, `failure` or `error`."""
    description: Text
    target_url: Link = ""
    subscription: str = ""
    """Who asked for it, such as `CommitStatus/flux-system/webapp`."""
    commit_status: str = ""
    """Name of the CommitStatus that asked; empty where that is an Alert of Flux."""
    object: Line = ""
    """The event's object, such as `Kustomization/flux-system/webapp`."""
    closes_superseded: bool = False
    over_pending: bool = False
    """Whether it may replace `pending` alone: a newer commit was reconciled before this one."""
    received: datetime | None = None
    """When its workflow received it; None before that."""

    def is_older(self, other: "CommitVerdict") -> bool:
        """Return whether it happened before another one, which was received earlier.

        Events of one clock compare by it, however wrong it is. A clock that was put right has events behind those that
        it had stamped with times to come: of these it counts when they were received. What ended has begun before:
        of one object `pending` is the older one within a second, whichever came first.
        """
        if other.received is not None and other.is_ahead and not self.is_ahead:
            return self.at < other.received - CLOCK_SKEW
        begins = self.state == PENDING and other.state != PENDING and self.object == other.object
        return self.at < other.at + (FLUX_CLOCK if begins else timedelta(0))

    @property
    def is_ahead(self) -> bool:
        """Whether it happened at a time that was yet to come when it was received."""
        return self.received is not None and self.at > self.received + CLOCK_SKEW

    def posts_the_same(self, other: "CommitVerdict | None") -> bool:
        """Return whether people would see no difference."""
        return other is not None and (self.state, self.description, self.target_url) == (
            other.state,
            other.description,
            other.target_url,
        )


@dataclass(frozen=True, kw_only=True)
class CommitStatusInput(Bounded):
    """Start (or continue) one CommitStatusWorkflow."""

    installation: str
    slot: StatusSlot
    timings: Timings = field(default_factory=Timings)
    wanted: CommitVerdict | None = None
    posted: CommitVerdict | None = None
    """What the host shows for certain; None where a run does not know."""
    fresh: bool = True
    """Whether nothing was posted yet."""
    tried: Annotated[tuple[CommitVerdict, ...], Last(budgets.POSTS_TRIED)] = ()
    """Posts of which no answer came, where nothing was posted before them; the newest few."""
    refused_since: datetime | None = None
    failures: int = 0
    not_before: datetime | None = None
    poked: bool = False
    """Whether it was poked since the last post began."""
    unpublished: "PublishPostInput | None" = None
    history_limit: int = 1000
    """Events after which the run continues as new."""


class PostOutcome(StrEnum):
    """What became of one post."""

    POSTED = "Posted"
    UNCHANGED = "Unchanged"
    """The host shows the same already."""
    OVERTAKEN = "Overtaken"
    """The host shows something newer, or nothing that may be replaced."""
    SUSPENDED = "Suspended"
    """The Provider is suspended: it is never posted later."""
    GONE = "Gone"
    """The Provider does not exist any more, or was made again."""


@dataclass(frozen=True, kw_only=True)
class PostCommitStatusInput(Bounded):
    """Post one status."""

    namespace: str
    slot: StatusSlot
    verdict: CommitVerdict
    look_first: bool
    """Whether what the host shows is unknown, and is to be read before anything is written."""
    fresh: bool = False
    """Whether it is unknown because nothing was posted yet by who asks: then what the host took after the event counts
    as newer. Where an answer was lost, it may be the very post whose answer that was."""
    tried: Annotated[tuple[CommitVerdict, ...], Last(budgets.POSTS_TRIED)] = ()
    """Posts of which no answer came, where nothing was posted before them: what the host shows and is none of these it
    took from another one, and counts as newer too."""


@dataclass(frozen=True, kw_only=True)
class PostCommitStatusResult:
    """What became of it."""

    outcome: PostOutcome
    handed_on: bool = False
    """Whether the workflow of a Provider that was made again posts it."""


@dataclass(frozen=True, kw_only=True)
class CloseSupersededInput:
    """Close what other commits still show as pending in the same context."""

    installation: str
    namespace: str
    slot: StatusSlot
    at: datetime
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True, kw_only=True)
class PostRecord(Bounded):
    """What was posted last, or why something was not, for the status of a Provider and of who asked."""

    at: datetime
    commit: Short = ""
    context: Line = ""
    state: Short = ""
    error: Text = ""
    """Empty for a success."""
    object: Line = ""


@dataclass(frozen=True, kw_only=True)
class PublishPostInput:
    """Write a record to the status of a Provider, and of the CommitStatus that asked."""

    namespace: str
    provider: str = ""
    """Empty where it is no Provider of ours."""
    provider_uid: str = ""
    subscription: str = ""
    """Name of the CommitStatus that asked; empty where none did."""
    record: PostRecord


@dataclass(frozen=True, kw_only=True)
class SubscriptionFault(Bounded):
    """Why an event that a CommitStatus takes gives no status. Sent as a signal."""

    at: datetime
    message: Text
    object: Line = ""


@dataclass(frozen=True, kw_only=True)
class SubscriptionFaultInput:
    """Start (or continue) the workflow that shows faults of one CommitStatus."""

    installation: str
    namespace: str
    name: str
    timings: Timings = field(default_factory=Timings)
    newest: SubscriptionFault | None = None
    """The fault that is to be shown next."""
    history_limit: int = 500
    """Events after which the run continues as new."""
