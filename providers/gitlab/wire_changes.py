"""Opening, changing and merging merge requests in GitLab's REST shapes, as pure functions.

https://docs.gitlab.com/api/merge_requests
"""

from collections.abc import Mapping

from crds.reasons.vocabulary import MergeMethod
from providers.documents import Document, required_text, text
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.gitlab.merge_requests import merge_request_path, read_merge_request
from providers.gitlab.notes import with_commands, without_commands
from providers.gitlab.wire import API, page
from providers.kept_texts import is_kept
from providers.messages import Reply, Request
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.redaction import shortened

_TITLE_LIMIT = 255
# https://docs.gitlab.com/administration/instance_limits/#size-of-comments-and-descriptions-of-issues-merge-requests-and-epics
_DESCRIPTION_LIMIT = 1_000_000
_DESCRIPTION_BYTES = 4 * _DESCRIPTION_LIMIT
_LOCKED = "locked"
# https://docs.gitlab.com/api/merge_requests/#merge-status
_COMPUTING = frozenset({"checking", "unchecked", "preparing", "approvals_syncing", "ci_still_running"})
# What a project's setting makes of a merge: https://docs.gitlab.com/user/project/merge_requests/methods
_METHODS: Mapping[str, MergeMethod] = {
    "merge": MergeMethod.MERGE,
    "rebase_merge": MergeMethod.MERGE,
    "ff": MergeMethod.REBASE,
}


def list_open(project: str, head: str, base: str, number: int) -> Request:
    """Ask for open merge requests between two branches, oldest first."""
    return page(
        f"{project}/merge_requests",
        number,
        operation="list",
        state="opened",
        source_branch=head,
        target_branch=base,
        order_by="created_at",
        sort="asc",
    )


def read_open(reply: Reply, head: str, base: str) -> tuple[HostPullRequest, ...]:
    """Keep those between exactly these branches of the project itself, whatever the host filtered."""
    found = (read_merge_request(one) for one in reply.documents())
    return tuple(
        one
        for one in found
        if (one.branch, one.base_branch, one.state) == (head, base, ChangeState.OPEN) and not one.from_fork
    )


def create_merge_request(project: str, wanted: NewPullRequest) -> Request:
    """Open one; 409 is answered where one is open already. The host opens one that would merge nothing, too."""
    return Request(
        method="POST",
        path=f"{project}/merge_requests",
        json={
            "source_branch": wanted.head,
            "target_branch": wanted.base,
            "title": shortened(wanted.title, _TITLE_LIMIT),
            "description": _description(wanted.body),
            # A branch that is proposed again and again is not to go with the first merge.
            "remove_source_branch": False,
        },
        api=API,
        operation="create",
        accepts=frozenset({409}),
    )


def read_created(value: Document, head_sha: str) -> HostPullRequest:
    """Read a new merge request, whose head the host may not show yet."""
    return read_merge_request({**value, "sha": text(value, "sha") or head_sha})


def differences(value: Document, title: str | None, body: str | None) -> dict[str, str]:
    """Return the fields to send. The host keeps a description without blanks at its end, and with its own line ends."""
    wanted: dict[str, str] = {}
    if title is not None and not is_kept(text(value, "title"), fit := shortened(title, _TITLE_LIMIT)):
        wanted["title"] = fit
    there = with_commands(text(value, "description", limit_bytes=_DESCRIPTION_BYTES))
    if body is not None and not is_kept(there, shortened(body, _DESCRIPTION_LIMIT)):
        wanted["description"] = _description(body)
    return wanted


def update_merge_request(project: str, iid: int, body: Mapping[str, str], *, operation: str = "update") -> Request:
    path = merge_request_path(project, iid)
    return Request(method="PUT", path=path, json=dict(body), api=API, operation=operation)


def close_merge_request(project: str, iid: int) -> Request:
    return update_merge_request(project, iid, {"state_event": "close"}, operation="close")


def refused_method(project: Document, method: MergeMethod) -> ProviderError | None:
    """Return why the project does not merge in this way, which its settings decide; None where it does or is silent."""
    setting, squash = text(project, "merge_method"), text(project, "squash_option")
    if method is MergeMethod.SQUASH:
        return ProviderRejected("the project's settings do not allow to squash commits") if squash == "never" else None
    if squash == "always":
        return ProviderRejected(f"the project's settings squash every merge: `{method.value}` is not allowed")
    if setting in _METHODS and _METHODS[setting] is not method:
        text_ = f"the project's merge method is `{setting}`, which merges by `{_METHODS[setting].value}`"
        return ProviderRejected(f"{text_} and not by `{method.value}`")
    return None


def merge(project: str, iid: int, value: Document, wanted: Merge) -> Request:
    """Merge exactly one head.

    409 is answered for another head, 401 for a missing right, 405 where it is not mergeable and 422 where merging was
    tried in vain; 406 stood for the latter before version 13.
    """
    squash = wanted.method is MergeMethod.SQUASH
    body: dict[str, object] = {"sha": wanted.head_sha, "squash": squash}
    # An empty one would be refused.
    if message := _message(value, wanted):
        body["squash_commit_message" if squash else "merge_commit_message"] = message
    return Request(
        method="PUT",
        path=f"{merge_request_path(project, iid)}/merge",
        json=body,
        api=API,
        operation="merge",
        accepts=frozenset({401, 405, 406, 409, 422}),
    )


def outcome(value: Document, wanted: Merge, error: ProviderError | None = None) -> ProviderError | str | None:
    """Judge a merge request before or after a merge: its merge commit, why it is not merged, or None to go on.

    A merge that was refused is judged by what the merge request shows then: the refusal's text is the same for what
    passes and for what lasts.
    """
    found = read_merge_request(value)
    if found.head_sha != wanted.head_sha:
        return ProviderConflict(f"its head is {found.head_sha[:40]}, not {wanted.head_sha}", status=409)
    if found.state is ChangeState.MERGED:
        return found.merge_sha
    if found.state is ChangeState.CLOSED:
        return ProviderRejected("the merge request is closed")
    if is_merging(value):
        return None
    status = text(value, "detailed_merge_status")
    if status in _COMPUTING:
        return ProviderBusy(f"the host is still computing whether it may be merged ({status})")
    return _refused(error, status) if error is not None else None


def is_merging(value: Document) -> bool:
    """Return whether a merge is under way at the host."""
    return required_text(value, "state") == _LOCKED


def _refused(error: ProviderError, status: str) -> ProviderError:
    message = f"{error}{f' ({status})' if status else ''}"
    if error.status == 401:
        # The credential is accepted: its user may not merge.
        return ProviderUnauthorized(f"{message}; merging needs the right to merge into the target branch", status=403)
    if error.status == 409:
        return ProviderBusy(message, status=409)
    return ProviderRejected(message, status=error.status)


def _message(value: Document, wanted: Merge) -> str:
    """Return the whole message of the commit; the host writes its own where none is wanted."""
    if not wanted.title and not wanted.message:
        return ""
    default = f"Merge branch '{text(value, 'source_branch')}' into '{text(value, 'target_branch')}'"
    title = wanted.title or (text(value, "title") if wanted.method is MergeMethod.SQUASH else default)
    return "\n\n".join(filter(None, (title, wanted.message)))


def _description(body: str) -> str:
    return shortened(without_commands(body), _DESCRIPTION_LIMIT)
