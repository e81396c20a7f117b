"""Who wrote and may write, at Bitbucket Cloud, as pure functions."""

from providers.bitbucket_cloud import wire
from providers.bitbucket_cloud.wire_changes import quoted
from providers.cursors import REMARK_BYTES, was_edited
from providers.documents import Document, flag, moment, required_moment, required_text, text
from providers.messages import Reply, Request, segment
from providers.models import Person, Remark

_WRITERS = frozenset({"write", "admin"})


def list_newest(repository: str, number: int, page: int) -> Request:
    """Ask for a page of comments, newest first.

    https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/#api-repositories-workspace-repo-slug-pullrequests-pull-request-id-comments-get
    """
    return Request(
        method="GET",
        path=f"{repository}/pullrequests/{number}/comments",
        query={"sort": "-created_on", "pagelen": str(wire.PAGE_SIZE), "page": str(page)},
        api="PullRequest",
        operation="list-comments",
    )


def read_remarks(pull: str, own: str, reply: Reply) -> tuple[Remark, ...]:
    """Read the comments of a page; deleted ones, which stay in the list without their text, are passed over."""
    return tuple(_remark(pull, own, one) for one in wire.values(reply) if not flag(one, "deleted"))


def _remark(pull: str, own: str, value: Document) -> Remark:
    author, at = wire.read_comment_author(value), required_moment(value, "created_on")
    return Remark(
        id=f"{pull}:{required_text(value, 'id')}",
        body=text(value, "content", "raw", limit_bytes=REMARK_BYTES),
        by=Person(id=author, name=text(value, "user", "nickname") or text(value, "user", "display_name") or author),
        at=at,
        own=bool(own) and author == own,
        edited=was_edited(at, moment(value, "updated_on")),
    )


def get_permission(full_name: str, uuid: str) -> Request:
    """Ask for the highest right that somebody has, however they have it, which an administrator of the repository may.

    https://developer.atlassian.com/cloud/bitbucket/rest/api-group-workspaces/#api-workspaces-workspace-permissions-repositories-repo-slug-get
    """
    workspace, _, repository = full_name.partition("/")
    return Request(
        method="GET",
        path=f"/workspaces/{segment(workspace)}/permissions/repositories/{segment(repository)}",
        query={"q": f"user.uuid={quoted(uuid)}"},
        api="PullRequest",
        operation="get-permission",
    )


def may_write(reply: Reply, uuid: str) -> bool:
    found = (one for one in wire.values(reply) if text(one, "user", "uuid") == uuid)
    return any(text(one, "permission") in _WRITERS for one in found)
