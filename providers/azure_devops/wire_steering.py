"""Who wrote and may write, at Azure DevOps, as pure functions."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from providers.azure_devops import wire
from providers.azure_devops.wire_comments import comment_path, shown_comments
from providers.cursors import REMARK_BYTES, was_edited
from providers.documents import Document, at, documents_or_nulls, moment, number, required_moment, required_number, text
from providers.errors import ProviderMalformed
from providers.messages import Reply, Request, segment
from providers.models import Person, Remark

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONTRIBUTE = 4
_IDENTITIES = 20
MEMBERS_PAGE = 100


def read_remarks(pull: int, own: str, reply: Reply) -> tuple[Remark, ...]:
    """Read all comments of all threads."""
    return tuple(_remark(pull, own, thread, comment) for thread, comment in shown_comments(reply))


def _remark(pull: int, own: str, thread: Document, comment: Document) -> Remark:
    author, made = text(comment, "author", "id").lower(), required_moment(comment, "publishedDate")
    return Remark(
        id=f"{pull}/{required_number(thread, 'id')}/{required_number(comment, 'id')}",
        body=text(comment, "content", limit_bytes=REMARK_BYTES),
        by=Person(id=author, name=text(comment, "author", "uniqueName") or text(comment, "author", "displayName")),
        at=made,
        own=author == own,
        edited=was_edited(made, moment(comment, "lastContentUpdatedDate")),
        # Comments are numbered within their thread, and a thread goes on after others have begun.
        order=(made - _EPOCH) // timedelta(microseconds=1),
    )


def get_identity(account: str) -> Request:
    """Ask how the host's lists of permissions name an account.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/ims/identities/read-identities
    """
    query = {"identityIds": account, "queryMembership": "None"}
    return wire.request("GET", "/_apis/identities", "get-permission", query=query)


def read_descriptor(reply: Reply, account: str) -> str:
    """Return the name of an account in lists of permissions; empty for one that is unknown or no longer active.

    One account was asked for, in whose place an unknown one is null: an answer of many is none to it. Raises
    ProviderMalformed.
    """
    listed = at(reply.document(), "value")
    if not isinstance(listed, list) or len(listed) > _IDENTITIES:
        raise ProviderMalformed("the answer's `value` is no list of the one account that was asked for")
    found = (one for one in documents_or_nulls(listed) if text(one, "id").lower() == account.lower())
    return next((text(one, "descriptor") for one in found if at(one, "isActive") is not False), "")


def get_permissions(repository: Document, descriptor: str) -> Request:
    """Ask what an account may do in a repository, also by its groups, and by what project and organization allow.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/security/access-control-lists/query
    """
    query = {
        "token": wire.security_token(repository),
        "descriptors": descriptor,
        "includeExtendedInfo": "true",
        "recurse": "false",
    }
    return wire.request("GET", f"/_apis/accesscontrollists/{wire.GIT_PERMISSIONS}", "get-permission", query=query)


def may_write(reply: Reply, descriptor: str) -> bool:
    """Return whether an account holds *Contribute*, whatever gives it."""
    for one in wire.items_of(reply):
        entries = at(one, "acesDictionary")
        for entry in entries.values() if isinstance(entries, Mapping) else ():
            if text(entry, "descriptor").lower() == descriptor.lower():
                allowed, denied = (number(entry, "extendedInfo", f"effective{way}") for way in ("Allow", "Deny"))
                return bool(allowed & ~denied & _CONTRIBUTE)
    return False


def list_members(project: str, team: str, skip: int) -> Request:
    """Ask for a page of a team's members; 404 is answered for a team that the project does not have.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/core/teams/get-team-members-with-extended-properties
    """
    path = f"/_apis/projects/{segment(project)}/teams/{segment(team)}/members"
    query = {"$top": str(MEMBERS_PAGE), "$skip": str(skip)}
    return wire.request("GET", path, "get-membership", query=query, accepts=frozenset({404}))


def is_among(reply: Reply, account: str) -> bool:
    """Return whether a page of members has an account; of a group in the team it does not show who is in that."""
    return any(text(one, "identity", "id").lower() == account.lower() for one in wire.items_of(reply))


def like(repository: str, comment_id: str) -> Request:
    """Like a comment; the same again changes nothing.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-request-comment-likes/create-like
    """
    return wire.request("POST", f"{comment_path(repository, comment_id)}/likes", "create-reaction")
