"""What people see of one commit status. Pure."""

from dataclasses import dataclass
from datetime import datetime

from activities.models.commit_statuses import CommitVerdict, PostRecord, PublishPostInput, StatusSlot
from crds.texts.markdown import inline


@dataclass(frozen=True, kw_only=True)
class CommitStatusProgress:
    """Answer the query: the last event, the last post, and why there is none."""

    slot: StatusSlot
    last_event: CommitVerdict | None
    last_post: CommitVerdict | None
    last_error: str
    ignored: int
    """Events that came after newer ones."""
    next_attempt: datetime | None
    pending: bool
    """Whether the last event is yet to be posted."""


def details(progress: CommitStatusProgress) -> str:
    """Return the current details as Markdown."""
    lines = [f"**{inline(progress.slot.title)}**"]
    if progress.last_post is not None:
        post = progress.last_post
        lines.append(f"Shows {post.state} of {post.at:%Y-%m-%d %H:%M:%S} UTC: {inline(post.description)}")
    if progress.last_error:
        lines.append(f"Not posted: {inline(progress.last_error)}")
    if progress.next_attempt is not None:
        lines.append(f"Next attempt at {progress.next_attempt:%H:%M:%S} UTC")
    return "\n\n".join(lines)


def record(slot: StatusSlot, verdict: CommitVerdict, *, at: datetime, error: str = "") -> PublishPostInput:
    """Return what the Provider and the CommitStatus show of one post, or of its failure."""
    return PublishPostInput(
        namespace=slot.namespace,
        provider="" if slot.flux else slot.provider,
        provider_uid=slot.provider_uid,
        subscription=verdict.commit_status,
        record=PostRecord(
            at=at,
            commit=slot.commit,
            context=slot.context,
            state=verdict.state,
            error=error,
            object=verdict.object,
        ),
    )
