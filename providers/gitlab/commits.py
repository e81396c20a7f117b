"""Commits and how they stand to each other, in GitLab's REST shapes (https://docs.gitlab.com/api/repositories)."""

from collections.abc import Mapping

from providers.documents import Document, required_text
from providers.gitlab.wire import API, message_in
from providers.messages import Reply, Request, segment
from providers.models import Ancestry

# Whether the common ancestor is the base, and whether it is the head.
_ANCESTRIES: Mapping[tuple[bool, bool], Ancestry] = {
    (True, True): Ancestry.IDENTICAL,
    (True, False): Ancestry.AHEAD,
    (False, True): Ancestry.BEHIND,
    (False, False): Ancestry.DIVERGED,
}


def get_merge_base(project: str, base: str, head: str) -> Request:
    """Ask for the common ancestor, a small answer: comparing lists commits and whole diffs.

    A commit that is unknown is answered with 400, two without a common ancestor with 404.
    https://docs.gitlab.com/api/repositories/#merge-base
    """
    return Request(
        method="GET",
        path=f"{project}/repository/merge_base",
        query={"refs[]": (base, head)},
        api=API,
        operation="compare",
        accepts=frozenset({400, 404}),
    )


def read_ancestry(reply: Reply, base: str, head: str) -> Ancestry | None:
    """Return how head stands to base; None for an answer that is no evidence of them."""
    if reply.ok:
        shared = required_text(reply.document(), "id")
        return _ANCESTRIES[shared.startswith(base), shared.startswith(head)]
    message = message_in(reply).lower()
    if reply.status == 404 and "merge base" in message:
        return Ancestry.DIVERGED
    return Ancestry.UNKNOWN if reply.status == 400 and "could not find" in message else None


def get_commit(project: str, revision: str) -> Request:
    """Read one commit; an abbreviation that is unknown or ambiguous is answered with 404."""
    return Request(
        method="GET",
        path=f"{project}/repository/commits/{segment(revision)}",
        query={"stats": "false"},
        api=API,
        operation="get-commit",
        accepts=frozenset({404}),
    )


def read_commit(value: Document, revision: str) -> str | None:
    """Return the full hash; None for what a branch or tag of the same name was found by."""
    found = required_text(value, "id")
    return found if found.startswith(revision) else None
