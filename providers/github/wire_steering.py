"""Who labelled, wrote and may write, in GitHub's REST shapes, as pure functions."""

from collections.abc import Iterator
from datetime import datetime

from providers.cursors import REMARK_BYTES, was_edited
from providers.documents import Document, moment, required_moment, required_number, required_text, text
from providers.github.wire import PAGE_SIZE
from providers.messages import Reply, Request, segment
from providers.models import LabelEvent, Person, Remark

_CHANGES = {"labeled": True, "unlabeled": False}
_WRITERS = frozenset({"admin", "maintain", "write"})


def list_events(repository: str, number: int, page: int) -> Request:
    """Ask for a page of what happened, oldest first; there is no way to ask for what is new.

    https://docs.github.com/en/rest/issues/events#list-issue-events
    """
    query = {"per_page": str(PAGE_SIZE), "page": str(page)}
    path = f"{repository}/issues/{number}/events"
    return Request(method="GET", path=path, query=query, api="PullRequest", operation="list-events")


def read_label_events(own: str, after: int, reply: Reply) -> tuple[tuple[LabelEvent, ...], int]:
    """Return the events of labels after one, and the newest event there is, or `after`."""
    rows = reply.documents()
    newest = max([after, *(required_number(row, "id") for row in rows)])
    return tuple(_label_events(own, after, rows)), newest


def _label_events(own: str, after: int, rows: tuple[Document, ...]) -> Iterator[LabelEvent]:
    for row in rows:
        added = _CHANGES.get(text(row, "event"))
        if added is None or required_number(row, "id") <= after:
            continue
        # Null for an account that is gone.
        by = person(row, "actor")
        yield LabelEvent(
            id=required_text(row, "id"),
            label=required_text(row, "label", "name"),
            added=added,
            by=by,
            at=required_moment(row, "created_at"),
            own=by.name.lower() == own,
        )


def list_remarks(repository: str, number: int, since: datetime, page: int) -> Request:
    """Ask for the comments that changed since a moment, oldest first.

    https://docs.github.com/en/rest/issues/comments#list-issue-comments
    """
    query = {"per_page": str(PAGE_SIZE), "page": str(page), "since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    path = f"{repository}/issues/{number}/comments"
    return Request(method="GET", path=path, query=query, api="PullRequest", operation="list-comments")


def read_remarks(own: str, reply: Reply) -> tuple[Remark, ...]:
    return tuple(_remark(own, row) for row in reply.documents())


def _remark(own: str, row: Document) -> Remark:
    by = person(row, "user")
    at = required_moment(row, "created_at")
    return Remark(
        id=required_text(row, "id"),
        body=text(row, "body", limit_bytes=REMARK_BYTES),
        by=by,
        at=at,
        own=by.name.lower() == own,
        edited=was_edited(at, moment(row, "updated_at")),
    )


def person(row: Document, *path: str) -> Person:
    name = text(row, *path, "login")
    return Person(id=name, name=name)


def get_permission(repository: str, login: str) -> Request:
    """Ask for somebody's right; 404 is answered for a name that is no user's.

    https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
    """
    return Request(
        method="GET",
        path=f"{repository}/collaborators/{segment(login)}/permission",
        api="PullRequest",
        operation="get-permission",
        accepts=frozenset({404}),
    )


def may_write(reply: Reply) -> bool:
    """Return whether the right is to write; the role `maintain` is shown as `write`."""
    return reply.ok and text(reply.document(), "permission") in _WRITERS


def get_membership(owner: str, team: str, login: str) -> Request:
    """Ask for a membership of a team of the repository's organization; 404 is answered for none.

    https://docs.github.com/en/rest/teams/members#get-team-membership-for-a-user
    """
    return Request(
        method="GET",
        path=f"/orgs/{segment(owner)}/teams/{segment(team)}/memberships/{segment(login)}",
        api="PullRequest",
        operation="get-membership",
        accepts=frozenset({404}),
    )


def is_member(reply: Reply) -> bool:
    """Return whether the membership counts: one that was not accepted yet is `pending`."""
    return reply.ok and text(reply.document(), "state") == "active"
