"""GitHub's REST shapes for opening and merging pull requests, as pure functions.

https://docs.github.com/en/rest/pulls/pulls
"""

from collections.abc import Mapping

from crds.reasons.vocabulary import MergeMethod
from providers.documents import Document, at, flag, required_text, text
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.github import wire
from providers.issue_comments import COMMENT_LIMIT
from providers.kept_texts import is_kept
from providers.messages import Reply, Request
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.redaction import shortened

_TITLE_LIMIT = 256
_ERRORS_READ = 10
_BODY_LIMIT = COMMENT_LIMIT
_BODY_BYTES = 4 * _BODY_LIMIT
_METHODS: Mapping[MergeMethod, str] = {
    MergeMethod.MERGE: "merge",
    MergeMethod.SQUASH: "squash",
    MergeMethod.REBASE: "rebase",
}


def list_open(repository: str, owner: str, head: str, base: str, page: int) -> Request:
    """Ask for open pull requests; a `head` without its owner is ignored by the host."""
    query = {
        "state": "open",
        "head": f"{owner}:{head}",
        "base": base,
        "sort": "created",
        "direction": "asc",
        "per_page": str(wire.PAGE_SIZE),
        "page": str(page),
    }
    return Request(method="GET", path=f"{repository}/pulls", query=query, api="PullRequest", operation="list")


def read_open(reply: Reply, head: str, base: str) -> tuple[HostPullRequest, ...]:
    """Keep those between exactly these branches of the repository itself, whatever the host filtered."""
    found = (wire.read_pull(one) for one in reply.documents())
    return tuple(
        one
        for one in found
        if (one.branch, one.base_branch, one.state) == (head, base, ChangeState.OPEN) and not one.from_fork
    )


def create_pull(repository: str, wanted: NewPullRequest) -> Request:
    """Open one; 422 is answered where it is open already, where nothing differs, and for branches that do not exist."""
    return Request(
        method="POST",
        path=f"{repository}/pulls",
        json={
            "title": shortened(wanted.title, _TITLE_LIMIT),
            "body": shortened(wanted.body, _BODY_LIMIT),
            "head": wanted.head,
            "base": wanted.base,
        },
        api="PullRequest",
        operation="create",
        accepts=frozenset({422}),
    )


def refused_creation(error: ProviderError, reply: Reply) -> ProviderError:
    """Return what a 422 means where none is listed as open: the documented `errors` name a field or hold a message."""
    fields = {at(one, "field") for one in _listed(reply)}
    message = str(error).lower()
    if "already exists" in message:
        # The list lags behind.
        return ProviderUnavailable(str(error), status=error.status)
    if "no commits between" in message:
        return ProviderConflict(str(error), status=error.status)
    if fields & {"head", "base"}:
        return ProviderNotFound(str(error), status=error.status)
    return error


def _listed(reply: Reply) -> list[object]:
    """Return the first of the errors; an answer that is no JSON has none."""
    try:
        found = at(reply.value(), "errors")
    except ProviderMalformed:
        return []
    return found[:_ERRORS_READ] if isinstance(found, list) else []


def update_pull(repository: str, number: int, body: Mapping[str, str], *, operation: str = "update") -> Request:
    return Request(
        method="PATCH", path=f"{repository}/pulls/{number}", json=dict(body), api="PullRequest", operation=operation
    )


def differences(pull: Document, title: str | None, body: str | None) -> dict[str, str]:
    """Return the fields to send."""
    wanted: dict[str, str] = {}
    if title is not None and not is_kept(text(pull, "title"), fit := shortened(title, _TITLE_LIMIT)):
        wanted["title"] = fit
    there = text(pull, "body", limit_bytes=_BODY_BYTES)
    if body is not None and not is_kept(there, fit := shortened(body, _BODY_LIMIT)):
        wanted["body"] = fit
    return wanted


def close_pull(repository: str, number: int) -> Request:
    return update_pull(repository, number, {"state": "closed"}, operation="close")


def merge_pull(repository: str, number: int, merge: Merge) -> Request:
    """Merge exactly one head; 409 is answered for another one, 405 for each reason not to.

    https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request
    """
    body = {"sha": merge.head_sha, "merge_method": _METHODS[merge.method]}
    if merge.title:
        body["commit_title"] = merge.title
    if merge.message:
        body["commit_message"] = merge.message
    return Request(
        method="PUT",
        path=f"{repository}/pulls/{number}/merge",
        json=body,
        api="PullRequest",
        operation="merge",
        accepts=frozenset({405, 409}),
    )


def read_merge(reply: Reply) -> str:
    return required_text(reply.document(), "sha")


def unmerged(pull: Document, merge: Merge, error: ProviderError) -> ProviderError | str:
    """Judge a refused merge by the pull request as it is now: its merge commit where it is merged, else why it is not.

    405 is answered for what passes (mergeability is still being computed, the base branch moved meanwhile) and for what
    does not; the text alone separates some of them.
    """
    found, message = wire.read_pull(pull), str(error)
    if found.head_sha != merge.head_sha:
        return ProviderConflict(f"its head is {found.head_sha[:40]}, not {merge.head_sha}", status=409)
    if found.state is ChangeState.MERGED:
        return found.merge_sha or ProviderUnavailable("the host does not show the merge commit yet")
    if found.state is ChangeState.CLOSED:
        return ProviderRejected(f"it is closed ({message})", status=error.status)
    computing = at(pull, "mergeable") is None and not flag(pull, "draft")
    passing = "base branch was modified" in message.lower() or "merge already in progress" in message.lower()
    if computing or passing or error.status == 409:
        return ProviderBusy(message, status=error.status)
    return ProviderRejected(message, status=error.status)
