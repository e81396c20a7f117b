"""Who wrote and may write, at Bitbucket Data Center, as pure functions."""

from providers.bitbucket_data_center import wire
from providers.cursors import REMARK_BYTES, was_edited
from providers.documents import Document, document, documents, required_number, text
from providers.errors import ProviderMalformed
from providers.messages import Reply, Request, segment
from providers.models import Person, Remark
from providers.pull_request_lists import at_milliseconds

_REACTIONS = "/comment-likes/latest"


def read_remarks(pull: str, own: str, reply: Reply) -> tuple[Remark, ...]:
    """Read the comments on a page of activities; an answer stands within what it answers, and may be newer by far."""
    shown = [document(one, "comment") for one in wire.values(reply) if text(one, "action") == "COMMENTED"]
    found: list[Remark] = []
    while shown:
        comment = shown.pop()
        found.append(_remark(pull, own, comment))
        shown += documents(comment, "comments")
    return tuple(found)


def _remark(pull: str, own: str, value: Document) -> Remark:
    name, at = wire.read_comment_author(value), at_milliseconds(value, "createdDate")
    if at is None:
        raise ProviderMalformed("the answer's `createdDate` is missing")
    return Remark(
        id=f"{pull}:{required_number(value, 'id')}",
        body=text(value, "text", limit_bytes=REMARK_BYTES),
        by=Person(id=name, name=name),
        at=at,
        own=bool(own) and name.lower() == own,
        edited=was_edited(at, at_milliseconds(value, "updatedDate")),
    )


def list_writers(project: str, slug: str, name: str) -> Request:
    """Ask for the people with a name like this who may write, whatever gives them the right.

    https://developer.atlassian.com/server/bitbucket/rest/latest/api-group-system-maintenance/#api-api-latest-users-get
    """
    return Request(
        method="GET",
        path="/api/latest/users",
        query={
            "filter": name,
            "permission": "REPO_WRITE",
            "permission.projectKey": project,
            "permission.repositorySlug": slug,
        },
        api="PullRequest",
        operation="get-permission",
    )


def is_among(reply: Reply, name: str) -> bool:
    return any(text(one, "name").lower() == name.lower() for one in wire.values(reply))


def list_members(group: str, name: str) -> Request:
    """Ask for the members of a group with a name like this; 404 is answered for a group that the server does not have.

    https://developer.atlassian.com/server/bitbucket/rest/latest/api-group-permission-management/#api-api-latest-admin-groups-more-members-get
    """
    return Request(
        method="GET",
        path=f"{wire.API}/admin/groups/more-members",
        query={"context": group, "filter": name},
        api="PullRequest",
        operation=wire.MEMBERSHIP,
        accepts=frozenset({404}),
    )


def react(repository: str, comment_id: str, *, agreed: bool) -> Request:
    """Answer a comment; the same reaction again changes nothing. Servers that have no reactions answer 404.

    https://developer.atlassian.com/server/bitbucket/rest/latest/api-group-pull-requests/
    """
    pull, _, comment = comment_id.partition(":")
    place = f"{repository.removeprefix(wire.API)}/pull-requests/{segment(pull)}/comments/{segment(comment)}"
    return Request(
        method="PUT",
        path=f"{_REACTIONS}{place}/reactions/{'thumbsup' if agreed else 'thumbsdown'}",
        api="PullRequest",
        operation="create-reaction",
        accepts=frozenset({404}),
    )
