"""Pull requests of Bitbucket Data Center that are opened, changed, merged and declined, as pure functions.

https://developer.atlassian.com/server/bitbucket/rest/latest/api-group-pull-requests/
"""

from collections.abc import Mapping

from crds.reasons.vocabulary import MergeMethod
from providers.bitbucket_data_center import wire
from providers.documents import Document, document, documents, required_text, text
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.kept_texts import is_kept
from providers.messages import Reply, Request
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.redaction import shortened

_TITLE_LIMIT = 255
_BODY_LIMIT = 32_767
_BODY_BYTES = 4 * _BODY_LIMIT
_MESSAGE_LIMIT = 32_767
# People are added to a pull request one by one.
_REVIEWERS_LIMIT = 1000
_NOTHING_NEW = "EmptyPullRequestException"
_OUT_OF_DATE = "PullRequestOutOfDateException"

_METHODS: Mapping[MergeMethod, str] = {
    MergeMethod.MERGE: "no-ff",
    MergeMethod.SQUASH: "squash",
    MergeMethod.REBASE: "rebase-ff-only",
}


def list_open(repository: str, head: str) -> Request:
    """Ask for open pull requests from a branch; the other side cannot be asked for in the same call."""
    return Request(
        method="GET",
        path=f"{repository}/pull-requests",
        query={"state": "OPEN", "direction": "OUTGOING", "at": wire.ref(head), "order": "OLDEST"},
        api="PullRequest",
        operation="list",
    )


def read_open(reply: Reply, head: str, base: str) -> tuple[HostPullRequest, ...]:
    """Read open pull requests between two branches of the repository itself."""
    found = (wire.read_pull(value) for value in wire.values(reply, limit=wire.PAGE_SIZE))
    return tuple(
        pull
        for pull in found
        if pull.state is ChangeState.OPEN and not pull.from_fork and (pull.branch, pull.base_branch) == (head, base)
    )


def create_pull(repository: str, project: str, slug: str, wanted: NewPullRequest) -> Request:
    own = {"slug": slug, "project": {"key": project}}
    return Request(
        method="POST",
        path=f"{repository}/pull-requests",
        json={
            "title": shortened(wanted.title, _TITLE_LIMIT),
            "description": shortened(wanted.body, _BODY_LIMIT),
            "fromRef": {"id": wire.ref(wanted.head), "repository": own},
            "toRef": {"id": wire.ref(wanted.base), "repository": own},
        },
        api="PullRequest",
        operation="create",
        accepts=frozenset({409}),
    )


def refused_creation(error: ProviderError, reply: Reply) -> ProviderError:
    """Return what a 409 means, other than a duplicate: nothing to merge, or something that a person must change."""
    kind = ProviderConflict if _NOTHING_NEW in wire.exceptions(reply) else ProviderRejected
    return kind(str(error), status=error.status)


def differences(pull: Document, title: str | None, body: str | None) -> Document | None:
    """Return what to send, None where all is so already; reviewers that are not sent back are taken off."""
    shown = text(pull, "title"), text(pull, "description", limit_bytes=_BODY_BYTES)
    wanted = (
        shown[0] if title is None else shortened(title, _TITLE_LIMIT),
        shown[1] if body is None else shortened(body, _BODY_LIMIT),
    )
    if all(map(is_kept, shown, wanted)):
        return None
    reviewers = documents(pull, "reviewers", limit=_REVIEWERS_LIMIT)
    return {
        "version": wire.read_version(pull),
        "title": wanted[0],
        "description": wanted[1],
        "reviewers": [{"user": {"name": required_text(one, "user", "name")}} for one in reviewers],
    }


def update_pull(repository: str, number: int, body: Document) -> Request:
    return Request(
        method="PUT", path=f"{repository}/pull-requests/{number}", json=body, api="PullRequest", operation="update"
    )


def merge_pull(repository: str, number: int, merge: Merge, version: int) -> Request:
    """Merge what was read: a push makes a new version, and another one than the newest is answered with 409."""
    body: dict[str, object] = {"version": version, "strategyId": _METHODS[merge.method]}
    if message := "\n\n".join(filter(None, (merge.title, merge.message))):
        # Without a subject of its own the server begins the message with one that it makes.
        body |= {"message": shortened(message, _MESSAGE_LIMIT), "autoSubject": not merge.title}
    return Request(
        method="POST",
        path=f"{repository}/pull-requests/{number}/merge",
        query={"version": str(version)},
        json=body,
        api="PullRequest",
        operation="merge",
        accepts=frozenset({409}),
    )


def refused_merge(error: ProviderError, reply: Reply) -> ProviderError:
    """Return what a 409 means: something else was changed meanwhile, or a conflict or a merge check forbids it."""
    kind = ProviderBusy if _OUT_OF_DATE in wire.exceptions(reply) else ProviderRejected
    return kind(str(error), status=error.status)


def judged(pull: HostPullRequest, merge: Merge, error: ProviderError | None) -> ProviderError | str | None:
    """Judge a merge by the pull request as it is: its merge commit where it is merged, else why it may not be.

    None where nothing is in the way and there was no error.
    """
    if pull.head_sha != merge.head_sha:
        return ProviderConflict(f"its head is {pull.head_sha}, not {merge.head_sha}", status=409)
    if pull.state is ChangeState.MERGED:
        return pull.merge_sha or ProviderUnavailable("the host does not show the merge commit yet")
    if pull.state is ChangeState.CLOSED:
        return ProviderRejected("it is declined")
    return error


def decline_pull(repository: str, number: int, version: int) -> Request:
    return Request(
        method="POST",
        path=f"{repository}/pull-requests/{number}/decline",
        query={"version": str(version)},
        json={"version": version},
        api="PullRequest",
        operation="close",
        accepts=frozenset({409}),
    )


def read_pull(reply: Reply) -> tuple[HostPullRequest, int]:
    """Read a pull request with its version."""
    value = document(reply.value())
    return wire.read_pull(value), wire.read_version(value)
