"""Steps of a promotion at its places, each one activity: what a member sends, together with what it reads."""

from dataclasses import dataclass

from activities.models.delivery import Observation, ReadDeploymentsInput
from activities.models.places import PlaceSignal, TellEnvironmentInput


@dataclass(frozen=True, kw_only=True)
class TakeLaneInput:
    """Send a place that its grant is taken, then read what its deployments run."""

    namespace: str
    view: TellEnvironmentInput
    read: ReadDeploymentsInput


@dataclass(frozen=True, kw_only=True)
class TakeLaneResult:
    """Answer once the place was sent the view."""

    observations: tuple[Observation, ...] | None = None
    """What the deployments run, read after the view was sent; None where that failed or took too long."""


@dataclass(frozen=True, kw_only=True)
class SendViewsInput:
    """Send a member's views to several places, side by side. One of them at most awaits an answer."""

    namespace: str
    views: tuple[TellEnvironmentInput, ...]


@dataclass(frozen=True, kw_only=True)
class SendViewsResult:
    """Answer once each place was sent its view."""

    answer: PlaceSignal | None = None
    """Of the place whose answer is awaited; None where that follows by signal."""
