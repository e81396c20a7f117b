"""Shapes of Gitea and Forgejo for opening and merging pull requests, as pure functions."""

from collections.abc import Mapping

from crds.reasons.vocabulary import MergeMethod
from providers.documents import Document, documents_or_nulls, text
from providers.errors import ProviderBusy, ProviderConflict, ProviderError, ProviderRejected, ProviderUnavailable
from providers.gitea import wire
from providers.issue_comments import COMMENT_LIMIT
from providers.kept_texts import is_kept
from providers.messages import Reply, Request
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.redaction import shortened

_TITLE_LIMIT = 255
_BODY_LIMIT = COMMENT_LIMIT
_BODY_BYTES = 4 * _BODY_LIMIT
_METHODS: Mapping[MergeMethod, str] = {
    MergeMethod.MERGE: "merge",
    MergeMethod.SQUASH: "squash",
    MergeMethod.REBASE: "rebase",
}
# Answered while mergeability is computed, and where a push came in between.
# https://github.com/go-gitea/gitea/blob/main/routers/api/v1/repo/pull.go
_PASSING = ("try again later", "out of date", "being checked")


def list_open(repository: str, page: int) -> Request:
    """Ask for all open pull requests: not every version filters them by branches."""
    query = {"state": "open", "sort": "oldest", "page": str(page), "limit": str(wire.PAGE_SIZE)}
    return Request(method="GET", path=f"{repository}/pulls", query=query, api="PullRequest", operation="list")


def read_open(reply: Reply, head: str, base: str) -> tuple[HostPullRequest, ...]:
    """Keep those between exactly these branches of the repository itself."""
    found = (wire.read_pull(one) for one in documents_or_nulls(reply.value()) if one)
    return tuple(
        one
        for one in found
        if (one.branch, one.base_branch, one.state) == (head, base, ChangeState.OPEN) and not one.from_fork
    )


def create_pull(repository: str, wanted: NewPullRequest) -> Request:
    """Open one; 409 is answered where it is open already, also where somebody just opened it."""
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
        accepts=frozenset({409}),
    )


def update_pull(repository: str, number: int, body: Mapping[str, str]) -> Request:
    return Request(
        method="PATCH", path=f"{repository}/pulls/{number}", json=dict(body), api="PullRequest", operation="update"
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
    """Close one; 412 is answered for a merged one, and where it depends on what is still open."""
    return Request(
        method="PATCH",
        path=f"{repository}/pulls/{number}",
        json={"state": "closed"},
        api="PullRequest",
        operation="close",
        accepts=frozenset({412}),
    )


def merge_pull(repository: str, number: int, merge: Merge) -> Request:
    """Merge exactly one head: 409 for another one and for conflicts, 405 for each reason not to, 404 for a closed one.

    The answer to a merge is empty. https://docs.gitea.com/api/#tag/repository/operation/repoMergePullRequest
    """
    body = {"Do": _METHODS[merge.method], "head_commit_id": merge.head_sha}
    if merge.title:
        body["MergeTitleField"] = merge.title
    if merge.message:
        body["MergeMessageField"] = merge.message
    return Request(
        method="POST",
        path=f"{repository}/pulls/{number}/merge",
        json=body,
        api="PullRequest",
        operation="merge",
        accepts=frozenset({404, 405, 409, 422}),
    )


def judged(pull: Document, merge: Merge, error: ProviderError | None) -> ProviderError | str:
    """Judge a merge by the pull request as it is now: its merge commit where it is merged, else why it is not.

    `error` is what a refusal states. A merged one is looked at first: its head moves on with its branch.
    """
    found = wire.read_pull(pull)
    if found.state is ChangeState.MERGED:
        return found.merge_sha or ProviderUnavailable("the host does not show the merge commit yet")
    if error is None:
        return ProviderUnavailable("the host does not show the merge yet")
    message = str(error)
    if found.state is ChangeState.CLOSED:
        return ProviderRejected(f"it is closed ({message})", status=error.status)
    if found.head_sha != merge.head_sha:
        return ProviderConflict(f"its head is {found.head_sha[:40]}, not {merge.head_sha}", status=409)
    if any(phrase in message.lower() for phrase in _PASSING):
        # Of some versions the first phrases also mean a conflict of the branches: they do not separate the two.
        return ProviderBusy(message, status=error.status)
    return ProviderRejected(message, status=error.status)
