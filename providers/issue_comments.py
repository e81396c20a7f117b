"""Comments in the REST shapes of GitHub, which Gitea and Forgejo have alike. Pure.

https://docs.github.com/en/rest/issues/comments and https://docs.gitea.com/api/#tag/issue
"""

from providers.documents import Document, required_text, text
from providers.messages import Request, segment
from providers.models import Comment
from providers.redaction import shortened

COMMENT_LIMIT = 65_536
"""Characters that GitHub takes; the others store more, in MySQL as well."""
_COMMENT_BYTES = 4 * COMMENT_LIMIT


def get_comment(repository: str, comment: str) -> Request:
    return Request(method="GET", path=_path(repository, comment), api="PullRequest", operation="get-comment")


def read_comment(value: Document) -> Comment:
    return Comment(id=required_text(value, "id"), body=text(value, "body", limit_bytes=_COMMENT_BYTES))


def read_author(comment: Document) -> str:
    return text(comment, "user", "login")


def create_comment(repository: str, number: int, body: str) -> Request:
    return Request(
        method="POST",
        path=f"{repository}/issues/{number}/comments",
        json={"body": shortened(body, COMMENT_LIMIT)},
        api="PullRequest",
        operation="create-comment",
    )


def update_comment(repository: str, comment: str, body: str) -> Request:
    return Request(
        method="PATCH",
        path=_path(repository, comment),
        json={"body": shortened(body, COMMENT_LIMIT)},
        api="PullRequest",
        operation="update-comment",
    )


def react(repository: str, comment: str, *, agreed: bool) -> Request:
    """Answer a comment; the same reaction again is answered with the first one.

    https://docs.github.com/en/rest/reactions/reactions#create-reaction-for-an-issue-comment and
    https://docs.gitea.com/api/#tag/issue/operation/issuePostCommentReaction
    """
    return Request(
        method="POST",
        path=f"{_path(repository, comment)}/reactions",
        json={"content": "+1" if agreed else "-1"},
        api="PullRequest",
        operation="create-reaction",
    )


def _path(repository: str, comment: str) -> str:
    return f"{repository}/issues/comments/{segment(comment)}"
