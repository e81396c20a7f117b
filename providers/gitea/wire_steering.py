"""Who labelled, wrote and may write, in the REST shapes of Gitea and Forgejo, as pure functions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from providers.cursors import BEGINNING, REMARK_BYTES, RemarkCursor, was_edited
from providers.documents import (
    Document,
    documents_or_nulls,
    likely_moment,
    moment,
    number,
    required_moment,
    required_number,
    required_text,
    text,
)
from providers.gitea.wire import MEMBERSHIP, PAGE_SIZE
from providers.messages import Reply, Request, segment
from providers.models import LabelEvent, Person, Remark

_WRITERS = frozenset({"write", "admin", "owner"})
_ADDED = "1"


def list_timeline(repository: str, number_: int, since: datetime, page: int) -> Request:
    """Ask for a page of what happened since a moment, oldest first.

    https://docs.gitea.com/api/#tag/issue/operation/issueGetCommentsAndTimeline
    """
    query = {"page": str(page), "limit": str(PAGE_SIZE), "since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    path = f"{repository}/issues/{number_}/timeline"
    return Request(method="GET", path=path, query=query, api="PullRequest", operation="list-events")


@dataclass(frozen=True, kw_only=True)
class TimelinePage:
    """One page of a timeline, as far as it lies behind a cursor."""

    rows: int
    """Of any kind, comments too; a page may have fewer than there are, since the host leaves some out of it."""
    events: tuple[LabelEvent, ...]
    behind: RemarkCursor
    """Where the last row of the page stands."""


def read_timeline(own: str, after: RemarkCursor, reply: Reply) -> TimelinePage:
    """Read a page. The host sends `null` for one that has nothing, and as the total what the page has.

    It also sends it in the place of a row, such as of a mention in a comment that was deleted since.
    """
    rows = documents_or_nulls(reply.value())
    return TimelinePage(rows=len(rows), events=tuple(_label_events(own, after, rows)), behind=_behind(after, rows))


def _behind(at: RemarkCursor, rows: Iterable[Document]) -> RemarkCursor:
    """Move a cursor behind rows of any kind: one that stayed at the last label would read the same comments forever."""
    for row in rows:
        made, newest = likely_moment(row, "created_at"), number(row, "id")
        if made is not None and newest and _comes_after(at, made, newest):
            at = RemarkCursor(since=made, newest=newest)
    return at


def _comes_after(at: RemarkCursor, made: datetime, row_number: int) -> bool:
    """Return whether a row comes behind another one in the host's order; those of one second have their numbers."""
    return (made, row_number) > (at.since, at.newest)


def _label_events(own: str, after: RemarkCursor, rows: Iterable[Document]) -> Iterator[LabelEvent]:
    for row in rows:
        label = text(row, "label", "name")
        if text(row, "type") != "label" or not label:
            continue
        at = required_moment(row, "created_at")
        if not _comes_after(after, at, required_number(row, "id")):
            continue
        by = person(row)
        yield LabelEvent(
            id=required_text(row, "id"),
            label=label,
            # The host stores nothing else of the change: `1` for a label that was put there, nothing for one taken off.
            added=text(row, "body") == _ADDED,
            by=by,
            at=at,
            own=by.name.lower() == own,
        )


def read_changed(reply: Reply) -> datetime:
    """Return when a pull request changed last, as each row of its timeline changes it."""
    return likely_moment(reply.document(), "updated_at") or BEGINNING


def list_reviews(repository: str, number_: int, page: int) -> Request:
    """Ask for a page of reviews, which count the comments on lines of code.

    https://docs.gitea.com/api/#tag/repository/operation/repoListPullReviews
    """
    query = {"page": str(page), "limit": str(PAGE_SIZE)}
    path = f"{repository}/pulls/{number_}/reviews"
    return Request(method="GET", path=path, query=query, api="PullRequest", operation="list-reviews")


def read_code_comments(reply: Reply) -> int:
    """Count the comments on lines of code in a page of reviews."""
    return sum(max(number(row, "comments_count"), 0) for row in documents_or_nulls(reply.value()))


def list_remarks(repository: str, number_: int, since: datetime) -> Request:
    """Ask for all comments that changed since a moment, oldest first, which have no pages."""
    query = {"since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    path = f"{repository}/issues/{number_}/comments"
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


def list_teams(owner: str, page: int) -> Request:
    """Ask for a page of an organization's teams, which its members may; 404 is answered where a person is the owner.

    https://docs.gitea.com/api/#tag/organization/operation/orgListTeams
    """
    return Request(
        method="GET",
        path=f"/orgs/{segment(owner)}/teams",
        query={"page": str(page), "limit": str(PAGE_SIZE)},
        api="PullRequest",
        operation=MEMBERSHIP,
        accepts=frozenset({404}),
    )


def read_team(reply: Reply, name: str) -> int | None:
    """Return the number of a team, whose name has one meaning in any case; None where the page has none."""
    found = (one for one in reply.documents() if text(one, "name").lower() == name.lower())
    return next((required_number(one, "id") for one in found), None)


def get_team_member(team: int, login: str) -> Request:
    """Ask for a member of a team; 404 is answered for none.

    https://docs.gitea.com/api/#tag/organization/operation/orgListTeamMember
    """
    return Request(
        method="GET",
        path=f"/teams/{team}/members/{segment(login)}",
        api="PullRequest",
        operation=MEMBERSHIP,
        accepts=frozenset({404}),
    )


def is_member(reply: Reply, login: str) -> bool:
    return reply.ok and text(reply.document(), "login").lower() == login.lower()
