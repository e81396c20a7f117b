"""Opening, changing and completing pull requests as pure functions."""

from collections.abc import Mapping

from crds.reasons.vocabulary import MergeMethod
from providers.azure_devops.wire import BRANCHES, items_of, read_pull, read_state, request
from providers.documents import Document, text
from providers.errors import ProviderBusy, ProviderConflict, ProviderError, ProviderRejected
from providers.kept_texts import is_kept
from providers.messages import Reply, Request
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.redaction import shortened

# A list of pull requests is read in such pages; of one pair of branches there is one active pull request at most.
OPEN_PAGE = 100
TITLE_LIMIT = 400
DESCRIPTION_LIMIT = 4000
_TEXT_BYTES = 4 * DESCRIPTION_LIMIT
# All options of a completion together are refused beyond 4000 characters.
MESSAGE_LIMIT = 3000
_STRATEGIES: Mapping[MergeMethod, str] = {
    MergeMethod.MERGE: "noFastForward",
    MergeMethod.SQUASH: "squash",
    MergeMethod.REBASE: "rebase",
}
_COMPUTING = frozenset({"notSet", "queued"})
_FAILED: Mapping[str, str] = {
    "conflicts": "its branches conflict",
    "rejectedByPolicy": "a policy of the target branch refuses it",
    "failure": "the host could not merge it",
}


def list_open(repository: str, head: str, base: str, skip: int) -> Request:
    query = {
        "searchCriteria.status": "active",
        "searchCriteria.sourceRefName": f"{BRANCHES}{head}",
        "searchCriteria.targetRefName": f"{BRANCHES}{base}",
        "$top": str(OPEN_PAGE),
        "$skip": str(skip),
    }
    return request("GET", f"{repository}/pullrequests", "list", query=query)


def read_open(reply: Reply, head: str, base: str, web: str) -> tuple[HostPullRequest, ...]:
    """Read the pull requests of a page that are between these branches of the repository itself."""
    found = (read_pull(one, web) for one in items_of(reply))
    return tuple(
        one
        for one in found
        if one.state is ChangeState.OPEN and not one.from_fork and (one.branch, one.base_branch) == (head, base)
    )


def create_pull(repository: str, wanted: NewPullRequest) -> Request:
    """Open a pull request; 409 means that there is an active one between these branches."""
    body = {
        "sourceRefName": f"{BRANCHES}{wanted.head}",
        "targetRefName": f"{BRANCHES}{wanted.base}",
        **_texts(wanted.title, wanted.body),
    }
    return request("POST", f"{repository}/pullrequests", "create", json=body, accepts=frozenset({409}))


def differences(pull: Document, title: str | None, body: str | None) -> Mapping[str, str]:
    """Return what of title and description is not so already."""
    wanted = _texts(title, body)
    return {key: value for key, value in wanted.items() if not is_kept(text(pull, key, limit_bytes=_TEXT_BYTES), value)}


def update_pull(repository: str, number: int, wanted: Mapping[str, str]) -> Request:
    return request("PATCH", f"{repository}/pullrequests/{number}", "update", json=dict(wanted))


def abandon_pull(repository: str, number: int) -> Request:
    return request("PATCH", f"{repository}/pullrequests/{number}", "close", json={"status": "abandoned"})


def complete_pull(repository: str, number: int, merge: Merge) -> Request:
    """Begin to complete: the answer usually comes before the merge is done.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-requests/update
    """
    options: dict[str, object] = {"mergeStrategy": _STRATEGIES[merge.method], "deleteSourceBranch": False}
    message = "\n\n".join(part for part in (merge.title, merge.message) if part)
    if message:
        options["mergeCommitMessage"] = shortened(message, MESSAGE_LIMIT)
    body = {
        "status": "completed",
        "lastMergeSourceCommit": {"commitId": merge.head_sha},
        "completionOptions": options,
    }
    return request("PATCH", f"{repository}/pullrequests/{number}", "merge", json=body)


def merged_as(pull: Document) -> str:
    """Return the merge commit of a pull request that is completed; empty of any other."""
    return text(pull, "lastMergeCommit", "commitId") if read_state(pull) is ChangeState.MERGED else ""


def hindrance(pull: Document, merge: Merge) -> ProviderError | None:
    """Return why a pull request cannot be completed as it stands; None where it may be."""
    if read_state(pull) is ChangeState.CLOSED:
        return ProviderRejected("the pull request was abandoned")
    if text(pull, "lastMergeSourceCommit", "commitId").lower() != merge.head_sha.lower():
        return ProviderConflict("the pull request has another head than the one that was tested")
    if (failed := _FAILED.get(text(pull, "mergeStatus"))) is not None:
        why = text(pull, "mergeFailureMessage")
        return ProviderRejected(f"the pull request cannot be merged: {failed}" + (f" ({why})" if why else ""))
    return None


def is_computing(pull: Document) -> bool:
    """Return whether the host is still finding out, in the background, whether it can merge, or is merging."""
    return text(pull, "mergeStatus") in _COMPUTING


def still_computing() -> ProviderBusy:
    return ProviderBusy("the host is still merging the pull request, or computing whether it may be merged")


def _texts(title: str | None, body: str | None) -> dict[str, str]:
    """Return title and description within the host's limits, as far as they are given."""
    found = {"title": None if title is None else shortened(title, TITLE_LIMIT)}
    found["description"] = None if body is None else shortened(body, DESCRIPTION_LIMIT)
    return {key: value for key, value in found.items() if value is not None}
