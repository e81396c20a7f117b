"""Notes of merge requests in GitLab's REST shapes (https://docs.gitlab.com/api/notes)."""

import re
from dataclasses import replace

from providers.documents import Document, flag, required_text, text
from providers.errors import ProviderNotFound
from providers.gitlab.merge_requests import merge_request_path
from providers.gitlab.wire import API, page
from providers.messages import Reply, Request, segment
from providers.models import Comment
from providers.redaction import shortened

NOTE_LIMIT = 1_000_000
"""Characters (https://docs.gitlab.com/administration/instance_limits/#size-of-comments-and-descriptions-of-issues-merge-requests-and-epics)."""
_NOTE_BYTES = 4 * NOTE_LIMIT
# A line that begins with a slash is a command to the host: https://docs.gitlab.com/user/project/quick_actions
_COMMAND = re.compile(r"^([ \t]*)(\\*)/", re.MULTILINE)
_ESCAPED = re.compile(r"^([ \t]*)\\(\\*)/", re.MULTILINE)


def list_notes(project: str, iid: int, number: int) -> Request:
    path = f"{merge_request_path(project, iid)}/notes"
    return page(path, number, operation="list-comments", sort="asc", order_by="created_at")


def read_notes_of(iid: int, own: str | None, reply: Reply) -> tuple[Comment, ...]:
    """Read the notes of one user; of all users where the id is not known. What the host itself wrote is left out."""
    return tuple(
        replace(read_note(iid, note), account_known=own is not None)
        for note in reply.documents()
        if not flag(note, "system") and own in (None, text(note, "author", "id"))
    )


def read_note(iid: int, value: Document) -> Comment:
    """Read a note. Its id names its merge request too, without which the host finds no note."""
    body = with_commands(text(value, "body", limit_bytes=_NOTE_BYTES))
    return Comment(id=f"{iid}:{required_text(value, 'id')}", body=body)


def iid_of(comment: str) -> int:
    """Return the merge request of a comment. Raises ProviderNotFound for an id that is not one of GitLab's."""
    iid = comment.partition(":")[0]
    if not (iid.isascii() and iid.isdigit()):
        raise ProviderNotFound("the comment was not made at GitLab", status=404)
    return int(iid)


def get_note(project: str, comment: str) -> Request:
    return Request(method="GET", path=_path(project, comment), api=API, operation="get-comment")


def create_note(project: str, iid: int, body: str) -> Request:
    return Request(
        method="POST",
        path=f"{merge_request_path(project, iid)}/notes",
        json={"body": _sendable(body)},
        api=API,
        operation="create-comment",
    )


def update_note(project: str, comment: str, body: str) -> Request:
    return Request(
        method="PUT",
        path=_path(project, comment),
        json={"body": _sendable(body)},
        api=API,
        operation="update-comment",
    )


def without_commands(text_: str) -> str:
    """Escape what the host would take for a command at the beginning of a line."""
    return _COMMAND.sub(r"\1\\\2/", text_)


def with_commands(text_: str) -> str:
    """Undo `without_commands`."""
    return _ESCAPED.sub(r"\1\2/", text_)


def _sendable(body: str) -> str:
    return shortened(without_commands(body), NOTE_LIMIT)


def _path(project: str, comment: str) -> str:
    note = comment.partition(":")[2]
    return f"{merge_request_path(project, iid_of(comment))}/notes/{segment(note)}"
