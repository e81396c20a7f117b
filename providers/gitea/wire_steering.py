"""Who labelled, wrote and may write, in the REST shapes of Gitea and Forgejo, as pure functions."""

from collections.abc import Iterator
from datetime import datetime

from providers.cursors import REMARK_BYTES, was_edited
from providers.documents import Document, moment, required_moment, required_number, required_text, text
from providers.gitea.wire import PAGE_SIZE
from providers.messages import Reply, Request, segment
from providers.models import LabelEvent, Person, Remark

_WRITERS = frozenset({"write", "admin", "owner"})
_ADDED = "1"


def list_timeline(repository: str, number: int, since: datetime, page: int) -> Request:
    """Ask for a page of what happened since a moment, oldest first.

    https://docs.gitea.com/api/#tag/issue/operation/issueGetCommentsAndTimeline
    """
    query = {"page": str(page), "limit": str(PAGE_SIZE), "since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    path = f"{repository}/issues/{number}/timeline"
    return Request(method="GET", path=path, query=query, api="PullRequest", operation="list-events")


def read_label_events(own: str, after: int, reply: Reply) -> tuple[LabelEvent, ...]:
    """Return the events of labels after one."""
    return tuple(_label_events(own, after, reply.documents()))


def _label_events(own: str, after: int, rows: tuple[Document, ...]) -> Iterator[LabelEvent]:
    for row in rows:
        label = text(row, "label", "name")
        if text(row, "type") != "label" or not label or required_number(row, "id") <= after:
            continue
        by = person(row)
        yield LabelEvent(
            id=required_text(row, "id"),
            label=label,
            # The host stores nothing else of the change: `1` for a label that was put there, nothing for one taken off.
            added=text(row, "body") == _ADDED,
            by=by,
            at=required_moment(row, "created_at"),
            own=by.name.lower() == own,
        )


def list_remarks(repository: str, number: int, since: datetime) -> Request:
    """Ask for all comments that changed since a moment, oldest first, which have no pages."""
    query = {"since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    path = f"{repository}/issues/{number}/comments"
    return Request(method="GET", path=path, query=query, api="PullRequest", operation="list-comments")


def read_remarks(own: str, reply: Reply) -> tuple[Remark, ...]:
    return tuple(_remark(own, row) for row in reply.documents())


def _remark(own: str, row: Document) -> Remark:
    by = person(row)
    at = required_moment(row, "created_at")
    return Remark(
        id=required_text(row, "id"),
        body=text(row, "body", limit_bytes=REMARK_BYTES),
        by=by,
        at=at,
        own=by.name.lower() == own,
        edited=was_edited(at, moment(row, "updated_at")),
    )


def person(row: Document) -> Person:
    name = text(row, "user", "login")
    return Person(id=name, name=name)


def get_permission(repository: str, login: str) -> Request:
    """Ask for somebody's right, which an administrator of the repository may; 404 is answered for an unknown name.

    https://docs.gitea.com/api/#tag/repository/operation/repoGetRepoPermissions
    """
    return Request(
        method="GET",
        path=f"{repository}/collaborators/{segment(login)}/permission",
        api="PullRequest",
        operation="get-permission",
        accepts=frozenset({404}),
    )


def may_write(reply: Reply) -> bool:
    return reply.ok and text(reply.document(), "permission") in _WRITERS


def react(repository: str, comment: str, *, agreed: bool) -> Request:
    """Answer a comment; the same reaction again is answered with the first one.

    https://docs.gitea.com/api/#tag/issue/operation/issuePostCommentReaction
    """
    return Request(
        method="POST",
        path=f"{repository}/issues/comments/{segment(comment)}/reactions",
        json={"content": "+1" if agreed else "-1"},
        api="PullRequest",
        operation="create-reaction",
    )
