"""Pull requests of Bitbucket Cloud that are opened, changed, merged and declined, as pure functions.

https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/
"""

from collections.abc import Mapping

from crds.reasons.vocabulary import MergeMethod
from providers.bitbucket_cloud import wire
from providers.documents import Document, document, documents, flag, required_text, text
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.kept_texts import is_kept
from providers.messages import Reply, Request
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.redaction import shortened

_PAGE_SIZE = 50
_TITLE_LIMIT = 255
# The host takes more than a million characters; its page does not get better by them.
_BODY_LIMIT = 65_536
_BODY_BYTES = 4 * _BODY_LIMIT
# Of the 128 KiB that a merge commit's message may have.
_MESSAGE_LIMIT = 32_768
# People are added to a pull request one by one.
_REVIEWERS_LIMIT = 1000

_METHODS: Mapping[MergeMethod, str] = {
    MergeMethod.MERGE: "merge_commit",
    MergeMethod.SQUASH: "squash",
    MergeMethod.REBASE: "rebase_fast_forward",
}


def list_open(repository: str, head: str, base: str) -> Request:
    """Ask for open pull requests between two branches; https://developer.atlassian.com/cloud/bitbucket/rest/intro/#filtering."""
    wanted = f'source.branch.name={quoted(head)} AND destination.branch.name={quoted(base)} AND state="OPEN"'
    return Request(
        method="GET",
        path=f"{repository}/pullrequests",
        query={"q": wanted, "pagelen": str(_PAGE_SIZE)},
        api="PullRequest",
        operation="list",
    )


def read_open(reply: Reply, head: str, base: str) -> tuple[HostPullRequest, ...]:
    """Read open pull requests between two branches of the repository itself."""
    found = (wire.read_pull(value) for value in wire.values(reply, limit=_PAGE_SIZE))
    return tuple(
        pull
        for pull in found
        if pull.state is ChangeState.OPEN and not pull.from_fork and (pull.branch, pull.base_branch) == (head, base)
    )


def create_pull(repository: str, wanted: NewPullRequest) -> Request:
    return Request(
        method="POST",
        path=f"{repository}/pullrequests",
        json={
            "title": shortened(wanted.title, _TITLE_LIMIT),
            "description": shortened(wanted.body, _BODY_LIMIT),
            "source": {"branch": {"name": wanted.head}},
            "destination": {"branch": {"name": wanted.base}},
        },
        api="PullRequest",
        operation="create",
        accepts=frozenset({400, 409}),
    )


def differences(pull: Document, title: str | None, body: str | None) -> Document | None:
    """Return the fields to send, None where all is so already; reviewers that are not sent back are taken off."""
    shown = text(pull, "title"), text(pull, "description", limit_bytes=_BODY_BYTES)
    wanted = (
        shown[0] if title is None else shortened(title, _TITLE_LIMIT),
        shown[1] if body is None else shortened(body, _BODY_LIMIT),
    )
    if all(map(is_kept, shown, wanted)):
        return None
    return {
        "title": wanted[0],
        "description": wanted[1],
        "reviewers": [
            {"uuid": required_text(one, "uuid")} for one in documents(pull, "reviewers", limit=_REVIEWERS_LIMIT)
        ],
        "close_source_branch": flag(pull, "close_source_branch"),
    }


def update_pull(repository: str, number: int, body: Document) -> Request:
    return Request(
        method="PUT", path=f"{repository}/pullrequests/{number}", json=body, api="PullRequest", operation="update"
    )


def merge_pull(repository: str, number: int, merge: Merge) -> Request:
    """Merge what the branch is at; the host takes no expected head. A slow merge is answered with 202 and a task."""
    body: dict[str, object] = {
        "type": "pullrequest_merge_parameters",
        "merge_strategy": _METHODS[merge.method],
        "close_source_branch": False,
    }
    if message := "\n\n".join(filter(None, (merge.title, merge.message))):
        body["message"] = shortened(message, _MESSAGE_LIMIT)
    return Request(
        method="POST",
        path=f"{repository}/pullrequests/{number}/merge",
        json=body,
        api="PullRequest",
        operation="merge",
    )


def merge_task(repository: str, number: int) -> Request:
    """Ask what became of a merge in the background; its own address comes from the host."""
    path = f"{repository}/pullrequests/{number}/merge/task-status"
    return Request(method="GET", path=path, api="PullRequest", operation="merge-status")


def read_task(reply: Reply) -> Document | None:
    """Read a merge's task: the merged pull request, or None while it goes on."""
    value = reply.document()
    status = required_text(value, "task_status")
    if status == "PENDING":
        return None
    if status != "SUCCESS":
        raise ProviderRejected(f"the merge ended as {status[:40]}", status=reply.status)
    return document(value, "merge_result")


def judged(pull: HostPullRequest, merge: Merge, error: ProviderError | None) -> ProviderError | str | None:
    """Judge a merge by the pull request as it is: its merge commit where it is merged, else why it may not be.

    None where nothing is in the way and there was no error. The head of what was merged is looked at as well, since
    the host takes no expected head.
    """
    if not wire.is_same_commit(pull.head_sha, merge.head_sha):
        done = "it was merged at" if pull.state is ChangeState.MERGED else "its head is"
        return ProviderConflict(f"{done} {pull.head_sha}, not {merge.head_sha}", status=409)
    if pull.state is ChangeState.MERGED:
        return pull.merge_sha or ProviderUnavailable("the host does not show the merge commit yet")
    if pull.state is ChangeState.CLOSED:
        return ProviderRejected("it is declined or superseded")
    # One of the branches moved while it merged, which was not the pull request's own.
    return ProviderBusy(str(error), status=409) if isinstance(error, ProviderConflict) else error


def decline_pull(repository: str, number: int) -> Request:
    return Request(
        method="POST",
        path=f"{repository}/pullrequests/{number}/decline",
        api="PullRequest",
        operation="close",
        accepts=frozenset({400, 409}),
    )


def quoted(name: str) -> str:
    """Quote a text for the host's query language. Raises ProviderMalformed for what it cannot hold."""
    if not name.isprintable():
        raise ProviderMalformed("a branch's name holds a character that cannot be asked for")
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
