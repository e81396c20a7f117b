"""Merge requests, their files and labels in GitLab's REST shapes (https://docs.gitlab.com/api/merge_requests)."""

from collections.abc import Mapping, Sequence

from providers.documents import Document, likely_moment, number, required_number, required_text, text, texts
from providers.errors import ProviderRejected, ProviderUnavailable
from providers.gitlab.wire import API, page
from providers.label_looks import default_look
from providers.messages import Reply, Request
from providers.models import ChangeState, HostPullRequest, LabelLook
from providers.redaction import shortened

# Some versions answer 500 beyond 30, and a page of whole diffs is large.
_DIFFS_PER_PAGE = 20
LABEL_LIMIT = 255
"""Characters of a label's name (https://docs.gitlab.com/api/labels)."""
_LABEL_DESCRIPTION_LIMIT = 100
_STATES: Mapping[str, ChangeState] = {
    "opened": ChangeState.OPEN,
    # A merge is under way, and may fail.
    "locked": ChangeState.OPEN,
    "merged": ChangeState.MERGED,
    "closed": ChangeState.CLOSED,
}


def merge_request_path(project: str, iid: int) -> str:
    return f"{project}/merge_requests/{iid}"


def get_merge_request(project: str, iid: int) -> Request:
    return Request(method="GET", path=merge_request_path(project, iid), api=API, operation="get")


def read_merge_request(value: Document) -> HostPullRequest:
    """Read a merge request. Raises ProviderUnavailable where the host has not yet found out its head."""
    iid, message = required_number(value, "iid"), required_text(value, "state")
    head = _head(value)
    if not head:
        raise ProviderUnavailable(f"merge request !{iid} has no commit yet: the host is still preparing it")
    state = _STATES.get(message, ChangeState.CLOSED)
    return HostPullRequest(
        number=iid,
        title=text(value, "title"),
        author=text(value, "author", "username"),
        url=text(value, "web_url"),
        state=state,
        head_sha=head,
        merge_sha=_merged_as(value, head) if state is ChangeState.MERGED else None,
        branch=text(value, "source_branch"),
        base_branch=text(value, "target_branch"),
        labels=read_labels(value),
        merged_at=likely_moment(value, "merged_at") if state is ChangeState.MERGED else None,
        # Null where the fork is gone.
        from_fork=number(value, "source_project_id") != number(value, "target_project_id"),
    )


def has_head(value: Document) -> bool:
    """Return whether the host has found out the head of a merge request."""
    return bool(_head(value))


def _head(value: Document) -> str:
    return text(value, "sha") or text(value, "diff_refs", "head_sha")


def is_open(value: Document) -> bool:
    """Return whether a merge request is open and not just being merged."""
    return required_text(value, "state") == "opened"


def _merged_as(value: Document, head: str) -> str:
    """Return what the target branch got: a merge commit, the squashed commit, or with fast-forward the head itself.

    A squash that is merged has both, and its merge commit is the one on the target branch.
    https://docs.gitlab.com/user/project/merge_requests/methods
    """
    return text(value, "merge_commit_sha") or text(value, "squash_commit_sha") or head


def list_diffs(project: str, iid: int, number_: int) -> Request:
    path = f"{merge_request_path(project, iid)}/diffs"
    return page(path, number_, operation="list-files", size=_DIFFS_PER_PAGE)


def read_paths(reply: Reply) -> tuple[str, ...]:
    """Read changed paths; a rename counts with both."""
    return tuple(
        path
        for file in reply.documents()
        for path in dict.fromkeys((required_text(file, "new_path"), text(file, "old_path")))
        if path
    )


def files_on(reply: Reply) -> int:
    found = reply.value()
    return len(found) if isinstance(found, list) else 0


def lists_all(value: Document, listed: int) -> bool:
    """Return whether so many listed files are all: the host stops at a limit, and its count then ends in a plus.

    https://docs.gitlab.com/administration/diff_limits
    """
    count = text(value, "changes_count")
    return count.isascii() and count.isdigit() and listed >= int(count[:9])


def read_labels(value: Document) -> tuple[str, ...]:
    return texts(value, "labels")


def create_label(project: str, name: str, look: LabelLook | None = None) -> Request:
    """Create a project's label; what exists already, a group's too, and a missing right are left to adding it."""
    look = look or default_look(name)
    return Request(
        method="POST",
        path=f"{project}/labels",
        json={
            "name": name,
            "color": f"#{look.colour}",
            "description": shortened(look.description, _LABEL_DESCRIPTION_LIMIT),
        },
        api=API,
        operation="create-label",
        accepts=frozenset({400, 403, 409}),
    )


def add_labels(project: str, iid: int, names: Sequence[str]) -> Request:
    return _change_labels(project, iid, "add", names)


def remove_label(project: str, iid: int, name: str) -> Request:
    """Remove one label; one that is not there changes nothing."""
    return _change_labels(project, iid, "remove", [name])


def missing_labels(wanted: Sequence[str], value: Document) -> tuple[str, ...]:
    """Return the labels that the host did not add: it leaves out, without notice, those that it may not create."""
    there = frozenset(read_labels(value))
    return tuple(name for name in wanted if name.strip() not in there)


def _change_labels(project: str, iid: int, verb: str, names: Sequence[str]) -> Request:
    """Change labels by difference: the whole list would undo what people change meanwhile."""
    if any("," in name for name in names):
        raise ProviderRejected("GitLab's labels have no comma in their names: rename the label")
    return Request(
        method="PUT",
        path=merge_request_path(project, iid),
        json={f"{verb}_labels": ",".join(names)},
        api=API,
        operation=f"{verb}-labels",
    )
