"""What people see of a connection's workflow. Pure."""

from dataclasses import dataclass
from datetime import datetime

from activities.models.credential_checks import CheckedResource, CredentialCheckOutcome
from crds.texts.markdown import inline


@dataclass(frozen=True, kw_only=True)
class CredentialCheckProgress:
    """Answer the query: the last outcome, and for which generation."""

    connection: CheckedResource
    generation: int
    outcome: CredentialCheckOutcome | None
    checked_at: datetime | None
    failures: int


def name_of(connection: CheckedResource) -> str:
    """Return how people call the resource."""
    where = f" in {connection.namespace}" if connection.namespace else ""
    return f"{connection.kind}/{connection.name}{where}"


def details(progress: CredentialCheckProgress) -> str:
    """Return the current details as Markdown."""
    title = f"**{name_of(progress.connection)}**"
    outcome, at = progress.outcome, progress.checked_at
    if outcome is None or at is None:
        return f"{title}: not checked yet"
    return f"{title}: {outcome.reason} at {at:%Y-%m-%d %H:%M:%S} UTC\n\n{inline(outcome.message)}"


def worth_publishing(outcome: CredentialCheckOutcome, generation: int) -> tuple[object, ...]:
    """Return what of an outcome deserves a write: a text that differs while all is well does not."""
    text = "" if outcome.accepted else outcome.message
    return (outcome.accepted, outcome.reason, text, outcome.version, generation)
