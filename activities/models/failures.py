"""Failures as values: what an attempt failed of, as workflows decide on it, keep it and show it."""

from dataclasses import dataclass
from datetime import timedelta

from activities.models.bounds import Bounded, Line, Short, Text
from crds.reasons.problems import FailureKind

PASSING = frozenset(
    {
        FailureKind.BUSY,
        FailureKind.RATE_LIMITED,
        FailureKind.UNAVAILABLE,
        FailureKind.BLOCKED,
        FailureKind.API_UNAVAILABLE,
        FailureKind.EXPIRED,
    }
)
_FIXABLE = frozenset(
    {
        FailureKind.UNAUTHORIZED,
        FailureKind.NOT_FOUND,
        FailureKind.MISCONFIGURED,
        FailureKind.REJECTED,
        FailureKind.REFERENCE_MISSING,
        FailureKind.INVALID_PARAMETERS,
        FailureKind.API_FORBIDDEN,
    }
)
_BEGAN_NOTHING = frozenset(
    {
        FailureKind.BUSY,
        FailureKind.RATE_LIMITED,
        FailureKind.UNAUTHORIZED,
        FailureKind.NOT_FOUND,
        FailureKind.MISCONFIGURED,
        FailureKind.REJECTED,
        FailureKind.REFERENCE_MISSING,
        FailureKind.INVALID_PARAMETERS,
    }
)
_OURS = frozenset({FailureKind.EXPIRED, FailureKind.API_UNAVAILABLE, FailureKind.API_INVALID})


@dataclass(frozen=True, kw_only=True)
class Failure(Bounded):
    """State what an attempt failed of. The message is bounded and without credentials."""

    kind: FailureKind
    message: Text
    object: Short = ""
    """The object meant, such as `TestRunner/jenkins` or `Secret/jenkins-token`; empty where only the caller knows."""
    through: Short = ""
    """The resource whose host was asked for the object, such as `GitRepository/web` for a pull request of it; empty
    where that is the object itself."""
    retry_after: timedelta | None = None
    """How long the host, or our own bound, asks us to wait."""
    began: bool | None = None
    """Of a trigger, over all its attempts: True = one may have begun a run, False = none has, None = see the kind."""

    @property
    def passing(self) -> bool:
        """Whether it usually ends by itself within minutes; no one has done anything wrong."""
        return self.kind in PASSING

    @property
    def asks_to_wait(self) -> bool:
        """Whether it is a request for quiet: the host's own, or ours on its behalf."""
        return self.kind in (FailureKind.BUSY, FailureKind.RATE_LIMITED)

    @property
    def fixable(self) -> bool:
        """Whether it stays until a person fixes something, so that one refusal is proof enough."""
        return self.kind in _FIXABLE

    @property
    def began_nothing(self) -> bool:
        """Whether an attempt that failed of it cannot have begun anything; after any other one a run may go on."""
        return self.kind in _BEGAN_NOTHING

    @property
    def ours(self) -> bool:
        """Whether it is no evidence of the system that was to be called, nor of what is declared."""
        return self.kind in _OURS

    @property
    def text(self) -> str:
        """Return what people read."""
        # These are complete sentences of ours.
        if self.kind in (FailureKind.REFERENCE_MISSING, FailureKind.UNREPORTED, FailureKind.UNEXPECTED):
            return self.message
        return f"{self.kind}: {self.message}"

    @property
    def named(self) -> str:
        """Return what people read, with the object in front."""
        return f"{self.object}: {self.text}" if self.object else self.text

    @property
    def wait(self) -> timedelta:
        """Return how long to wait at least; zero where nothing was asked."""
        return self.retry_after or timedelta(0)

    def brief(self) -> "BriefFailure":
        """Return it with a message of which a value may hold many; how long to wait differs from read to read."""
        return BriefFailure(kind=self.kind, message=self.message, object=self.object, through=self.through)

    @property
    def surely_unsent(self) -> bool:
        """Whether no attempt of a trigger can have begun a run."""
        return self.began_nothing if self.began is None else not self.began


@dataclass(frozen=True, kw_only=True)
class BriefFailure(Failure):
    """State it of one of many, such as a deployment."""

    message: Line

    @property
    def problem(self) -> str:
        """Return what people read where the object is named already, except of one that is missing."""
        named = self.kind in (FailureKind.REFERENCE_MISSING, FailureKind.UNREPORTED)
        return self.named if named else self.message
