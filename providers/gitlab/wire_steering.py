"""Who labelled, wrote and may write, in GitLab's REST shapes, as pure functions."""

from collections.abc import Iterator, Mapping, Sequence

from providers.cursors import REMARK_BYTES, was_edited
from providers.documents import (
    Document,
    at,
    flag,
    moment,
    number,
    required_moment,
    required_number,
    required_text,
    text,
)
from providers.gitlab.merge_requests import merge_request_path
from providers.gitlab.notes import iid_of, with_commands
from providers.gitlab.wire import API, page
from providers.messages import Reply, Request, segment
from providers.models import LabelEvent, Person, Remark

DEVELOPER = 30
"""https://docs.gitlab.com/api/access_requests/#valid-access-levels"""
EDITS_ASKED = 20
"""Notes of one question: what a query may hold is bounded by the host."""
_CHANGES = {"add": True, "remove": False}


def list_label_events(project: str, iid: int, number_: int) -> Request:
    """Ask for a page of what happened to labels, oldest first.

    https://docs.gitlab.com/api/resource_label_events/#merge-requests
    """
    return page(f"{merge_request_path(project, iid)}/resource_label_events", number_, operation="list-events")


def read_label_events(own: str, after: int, reply: Reply) -> tuple[tuple[LabelEvent, ...], int]:
    """Return the events after one, and the newest event there is, or `after`; the label may be gone by now."""
    rows = reply.documents()
    newest = max([after, *(required_number(row, "id") for row in rows)])
    return tuple(_label_events(own, after, rows)), newest


def _label_events(own: str, after: int, rows: tuple[Document, ...]) -> Iterator[LabelEvent]:
    for row in rows:
        added, label = _CHANGES.get(text(row, "action")), text(row, "label", "name")
        if added is None or not label or required_number(row, "id") <= after:
            continue
        by = person(row, "user")
        yield LabelEvent(
            id=required_text(row, "id"),
            label=label,
            added=added,
            by=by,
            at=required_moment(row, "created_at"),
            own=by.id == own,
        )


def list_newest_notes(project: str, iid: int, number_: int) -> Request:
    """Ask for a page of notes, newest first: there is no way to ask for what is new."""
    path = f"{merge_request_path(project, iid)}/notes"
    return page(path, number_, operation="list-comments", sort="desc", order_by="created_at")


def read_remarks(iid: int, own: str, reply: Reply) -> tuple[Remark, ...]:
    """Read what people wrote; what the host itself wrote is left out."""
    return tuple(_remark(iid, own, row) for row in reply.documents() if not flag(row, "system"))


def _remark(iid: int, own: str, row: Document) -> Remark:
    by = person(row, "author")
    at = required_moment(row, "created_at")
    return Remark(
        id=f"{iid}:{required_text(row, 'id')}",
        body=with_commands(text(row, "body", limit_bytes=REMARK_BYTES)),
        by=by,
        at=at,
        own=by.id == own,
        edited=was_edited(at, moment(row, "updated_at")),
    )


def ask_edits(notes: Sequence[str]) -> Request:
    """Ask when the texts of notes were changed: what REST calls their update is a reaction to them as well.

    https://docs.gitlab.com/api/graphql/reference/#note
    """
    asked = " ".join(f'{_alias(note)}: note(id: "gid://gitlab/Note/{note}") {{ lastEditedAt }}' for note in notes)
    return Request(
        method="POST",
        path="/graphql",
        json={"query": f"query {{ {asked} }}"},
        api=API,
        operation="list-edits",
        accepts=frozenset({400, 401, 403, 404, 422}),
    )


def read_unedited(reply: Reply, notes: Sequence[str]) -> frozenset[str]:
    """Return the notes whose texts are as they were written; an answer without that proves nothing."""
    shown = {note: at(reply.document(), "data", _alias(note)) for note in notes} if reply.ok else {}
    return frozenset(
        note for note, one in shown.items() if isinstance(one, Mapping) and one.get("lastEditedAt", "") is None
    )


def _alias(note: str) -> str:
    return f"n{note}"


def person(row: Document, *path: str) -> Person:
    return Person(id=text(row, *path, "id"), name=text(row, *path, "username"))


def get_member(project: str, user: str) -> Request:
    """Ask for somebody's role, whatever gives it; 404 is answered for none.

    https://docs.gitlab.com/api/members/#retrieve-a-member-of-a-group-or-project-including-inherited-and-invited-members
    """
    return _member(f"{project}/members/all/{segment(user)}", "get-permission")


def get_group_member(group: str, user: str) -> Request:
    return _member(f"/groups/{segment(group)}/members/all/{segment(user)}", "get-membership")


def _member(path: str, operation: str) -> Request:
    return Request(method="GET", path=path, api=API, operation=operation, accepts=frozenset({404}))


def access_level(reply: Reply) -> int:
    """Return a member's level; 0 for none, and for a user who is blocked or only invited."""
    if not reply.ok:
        return 0
    value = reply.document()
    return number(value, "access_level") if text(value, "state", default="active") == "active" else 0


def award(project: str, comment: str, *, agreed: bool) -> Request:
    """Answer a note; 404 is answered where the same emoji is there, and where the note is gone.

    https://docs.gitlab.com/api/emoji_reactions/#add-a-new-emoji-reaction-to-a-comment
    """
    note = comment.partition(":")[2]
    return Request(
        method="POST",
        path=f"{merge_request_path(project, iid_of(comment))}/notes/{segment(note)}/award_emoji",
        json={"name": "thumbsup" if agreed else "thumbsdown"},
        api=API,
        operation="create-reaction",
        accepts=frozenset({404}),
    )
