"""What people see of a repository's workflow. Pure."""

from dataclasses import dataclass
from datetime import datetime

from activities.models.failures import BriefFailure, Failure
from activities.models.repository_sync import RepositoryRef, SyncRepositoryResult
from crds.texts.markdown import inline
from crds.texts.plain import counted


@dataclass(frozen=True, kw_only=True)
class RepositorySyncProgress:
    """Answer the query: what the last look found, and why one failed."""

    repository: RepositoryRef
    looked_at: datetime | None
    looks: int
    """Looks of this run."""
    last: SyncRepositoryResult | None
    failure: Failure | None
    unremoved: tuple[BriefFailure, ...] = ()
    """Why trackers that ended long ago are still there."""


def name_of(repository: RepositoryRef) -> str:
    """Return how people call the repository."""
    return f"GitRepository/{repository.name} in {repository.namespace}"


def details(progress: RepositorySyncProgress) -> str:
    """Return the current details as Markdown."""
    title = f"**{name_of(progress.repository)}**"
    if progress.looked_at is None:
        return f"{title}: not looked at yet"
    lines = [f"{title}: looked at {progress.looked_at:%Y-%m-%d %H:%M:%S} UTC"]
    last = progress.last
    if progress.failure is not None:
        lines.append(f"the last look failed: {inline(progress.failure.text)}")
    elif last is not None and last.unchanged:
        lines.append("nothing has changed")
    elif last is not None:
        lines.append(
            f"{counted(last.listed, 'pull request')} listed, news sent to {counted(last.signalled, 'tracker')}"
        )
    lines += [f"to be tried again: {inline(one.named)}" for one in (last.failures if last is not None else ())]
    lines += [f"not removed: {inline(one.named)}" for one in progress.unremoved]
    if last is not None and last.made:
        lines.append(f"trackers made: {inline(', '.join(last.made))}")
    if last is not None and last.discovered is not None and not last.discovered.complete:
        lines.append(f"{last.discovered.reason}: {inline(last.discovered.message)}")
    return "\n\n".join(lines)
