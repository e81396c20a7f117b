"""What a check of a resource's credential asks and answers."""

from dataclasses import dataclass, field
from datetime import timedelta

from activities.models.bounds import Bounded, Short, Text
from activities.models.tracking import Timings


@dataclass(frozen=True, kw_only=True)
class CheckedResource:
    """Name one resource that declares a connection; the uid sets a recreated one apart from its predecessor."""

    kind: str
    namespace: str
    """Empty for a cluster-scoped kind."""
    name: str
    uid: str


@dataclass(frozen=True, kw_only=True)
class CredentialCheckOutcome(Bounded):
    """State whether the credential was proved, and if not, what to fix."""

    accepted: bool | None = None
    """None where the host gave no verdict."""
    reason: str = "Unavailable"
    message: Text = ""
    version: Short = ""
    """What the server calls itself; empty where it does not answer that."""


@dataclass(frozen=True, kw_only=True)
class CredentialCheckInput:
    """Start (or continue) one CredentialCheckWorkflow."""

    installation: str
    connection: CheckedResource
    timings: Timings = field(default_factory=Timings)
    generation: int = 0
    """The newest generation that was known when the run started."""
    failures: int = 0
    """How many checks in a row had failed when the previous run ended."""
    history_limit: int = 200
    """Events after which the run continues as new."""


@dataclass(frozen=True, kw_only=True)
class CheckConnectionInput:
    """Prove one connection by one cheap call."""

    connection: CheckedResource


@dataclass(frozen=True, kw_only=True)
class CheckConnectionResult:
    """Hold the outcome for the generation that was read; `gone` where there is no such resource any more."""

    gone: bool = False
    generation: int = 0
    outcome: CredentialCheckOutcome = field(default_factory=CredentialCheckOutcome)
    retry_after: timedelta | None = None
    """How long the host asks us to wait."""


@dataclass(frozen=True, kw_only=True)
class PublishConnectionInput:
    """Write one outcome as the resource's condition."""

    connection: CheckedResource
    generation: int
    outcome: CredentialCheckOutcome
