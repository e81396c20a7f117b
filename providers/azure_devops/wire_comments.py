"""Comments of pull requests as threads, as pure functions."""

from collections.abc import Iterator

from providers.azure_devops.wire import items_of, request
from providers.documents import Document, documents, flag, number, required_number, required_text, text
from providers.errors import ProviderNotFound
from providers.messages import Reply, Request
from providers.models import Comment
from providers.redaction import shortened

COMMENT_LIMIT = 65_536
_COMMENT_BYTES = 4 * COMMENT_LIMIT


def list_threads(repository: str, number_: int) -> Request:
    """Ask for all threads with all their comments: the host lists them without pages."""
    return request("GET", f"{repository}/pullRequests/{number_}/threads", "list-comments")


def shown_comments(reply: Reply) -> Iterator[tuple[Document, Document]]:
    """Yield each thread with each of its comments; what the host wrote, and what was deleted, is passed over."""
    for thread in items_of(reply):
        if not flag(thread, "isDeleted"):
            for comment in documents(thread, "comments"):
                if not flag(comment, "isDeleted") and text(comment, "commentType") != "system":
                    yield thread, comment


def read_comments_of(account: str, number_: int, reply: Reply) -> tuple[Comment, ...]:
    """Read what one account wrote, oldest first."""
    found = sorted(
        (
            required_number(thread, "id"),
            required_number(comment, "id"),
            text(comment, "content", limit_bytes=_COMMENT_BYTES),
        )
        for thread, comment in shown_comments(reply)
        if text(comment, "author", "id").lower() == account.lower()
    )
    return tuple(Comment(id=f"{number_}/{thread}/{one}", body=body) for thread, one, body in found)


def get_comment(repository: str, comment_id: str) -> Request:
    return request("GET", comment_path(repository, comment_id), "get-comment")


def read_comment(value: Document, comment_id: str) -> Comment:
    """Read one comment. Raises ProviderNotFound for a deleted one, which the host still shows without its text."""
    if flag(value, "isDeleted"):
        raise ProviderNotFound(f"comment `{comment_id}` was deleted")
    return Comment(id=comment_id, body=text(value, "content", limit_bytes=_COMMENT_BYTES))


def create_thread(repository: str, number_: int, body: str) -> Request:
    """Begin a thread with one comment.

    It has no status: an active one keeps a pull request from being completed where a policy wants comments resolved.
    https://learn.microsoft.com/en-us/azure/devops/repos/git/branch-policies#check-for-comment-resolution
    """
    comment = {"parentCommentId": 0, "content": shortened(body, COMMENT_LIMIT), "commentType": "text"}
    path = f"{repository}/pullRequests/{number_}/threads"
    return request("POST", path, "create-comment", json={"comments": [comment]})


def read_thread(value: Document, number_: int) -> Comment:
    """Read the first comment of a thread that was just begun."""
    comments = documents(value, "comments")
    first = comments[0] if comments else {}
    identifier = f"{number_}/{required_text(value, 'id')}/{number(first, 'id', default=1)}"
    return Comment(id=identifier, body=text(first, "content", limit_bytes=_COMMENT_BYTES))


def update_comment(repository: str, comment_id: str, body: str) -> Request:
    content = {"content": shortened(body, COMMENT_LIMIT)}
    return request("PATCH", comment_path(repository, comment_id), "update-comment", json=content)


def comment_path(repository: str, comment_id: str) -> str:
    """Return the path of a comment, which its pull request and thread are parts of."""
    parts = comment_id.split("/")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ProviderNotFound(f"`{comment_id}` is no comment of this host")
    pull, thread, comment = parts
    return f"{repository}/pullRequests/{pull}/threads/{thread}/comments/{comment}"
