"""Who wrote and may write, at Azure DevOps, as pure functions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from providers.azure_devops import wire
from providers.azure_devops.wire_comments import comment_path, shown_comments
from providers.cursors import REMARK_BYTES, was_edited
from providers.documents import (
    Document,
    at,
    documents_or_nulls,
    flag,
    moment,
    number,
    required_moment,
    required_number,
    required_text,
    text,
    texts,
)
from providers.errors import ProviderMalformed
from providers.messages import Reply, Request, segment
from providers.models import Person, Remark

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONTRIBUTE = 4
_IDENTITIES = 20
GROUPS_ASKED = _IDENTITIES - 1
"""Groups of one question, which is about an account too."""
_GROUP_TYPES = frozenset({"vssgp", "aadgp", "ungrp"})
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

    Raises ProviderMalformed.
    """
    return text(_active(_identities(reply), account), "descriptor")


def _identities(reply: Reply) -> Mapping[str, Document]:
    """Read accounts and groups by their ids.

    A few were asked for, in whose places unknown ones are null: an answer of many is none to that. Raises
    ProviderMalformed.
    """
    listed = at(reply.document(), "value")
    if not isinstance(listed, list) or len(listed) > _IDENTITIES:
        raise ProviderMalformed("the answer's `value` is no list of the few accounts that were asked for")
    return {text(one, "id").lower(): one for one in documents_or_nulls(listed)}


def _active(found: Mapping[str, Document], account: str) -> Document:
    """Return an account; an empty one for what is unknown or no longer active."""
    one = found.get(account.lower(), {})
    return one if at(one, "isActive") is not False else {}


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


def groups_among(reply: Reply) -> tuple[str, ...]:
    """Return the ids of the groups on a page of members, those of Entra too."""
    return tuple(required_text(one, "identity", "id") for one in wire.items_of(reply) if _is_group(one))


def _is_group(member: Document) -> bool:
    """Read what a descriptor begins with, and in its place what servers show.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/core/teams/get-team-members-with-extended-properties#identityref
    """
    kind = text(member, "identity", "descriptor").partition(".")[0]
    return kind in _GROUP_TYPES or flag(member, "identity", "isContainer")


def get_memberships(account: str, groups: Sequence[str]) -> Request:
    """Ask for an account with all groups that it is in, also by other groups, and for some groups.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/ims/identities/read-identities#querymembership
    """
    query = {"identityIds": ",".join((account, *groups)), "queryMembership": "ExpandedUp"}
    return wire.request("GET", "/_apis/identities", "get-membership", query=query)


def is_within(reply: Reply, account: str, groups: Sequence[str]) -> bool:
    """Return whether an account is in one of some groups, also by other groups."""
    found = _identities(reply)
    within = {one.lower() for one in texts(_active(found, account), "memberOf")}
    named = (text(found.get(group.lower(), {}), "descriptor").lower() for group in groups)
    return any(one in within for one in named if one)


def like(repository: str, comment_id: str) -> Request:
    """Like a comment; the same again changes nothing.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-request-comment-likes/create-like
    """
    return wire.request("POST", f"{comment_path(repository, comment_id)}/likes", "create-reaction")
