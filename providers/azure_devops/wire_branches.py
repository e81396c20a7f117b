"""Branches, commits and files as pure functions."""

import base64
from collections.abc import Iterable
from dataclasses import replace

from providers.azure_devops.wire import BRANCHES, items_of, request
from providers.documents import Document, documents, flag, required_text, text
from providers.errors import ProviderConflict, ProviderError, ProviderMalformed, ProviderRejected
from providers.messages import Reply, Request, segment
from providers.models import BranchCommit, FileEdit, NewCommit

FILE_LIMIT_BYTES = 1024 * 1024
MESSAGE_LIMIT_BYTES = 64 * 1024
_LOG_LIMIT = 100
_CONTINUATION = "x-ms-continuationtoken"
_TOKEN_CHARACTERS = 1000
_NOTHING = "0" * 40
"""In the place of the commit that a branch was at before it began."""
_STALE = frozenset({"staleOldObjectId", "forcePushRequired"})


def list_refs(repository: str, branch: str, continuation: str) -> Request:
    """Ask for the branches whose names begin so: there is no call for one."""
    query = {"filter": f"heads/{branch}", **({"continuationToken": continuation} if continuation else {})}
    return request("GET", f"{repository}/refs", "get-branch", query=query)


def read_head(reply: Reply, branch: str) -> str | None:
    """Return the commit of the branch of this very name; None where the page has none."""
    for ref in items_of(reply):
        if required_text(ref, "name") == f"{BRANCHES}{branch}":
            return required_text(ref, "objectId")
    return None


def continuation(reply: Reply) -> str:
    """Return what asks for the next page; empty on the last one."""
    found = reply.headers.get(_CONTINUATION, "").strip()
    if len(found) > _TOKEN_CHARACTERS:
        raise ProviderMalformed(f"the answer's `{_CONTINUATION}` is longer than {_TOKEN_CHARACTERS} characters")
    return found


def list_log(repository: str, branch: str, limit: int) -> Request:
    query = {
        "searchCriteria.itemVersion.version": branch,
        "searchCriteria.itemVersion.versionType": "branch",
        "searchCriteria.$top": str(min(limit, _LOG_LIMIT)),
    }
    return request("GET", f"{repository}/commits", "list-commits", query=query)


def read_log(reply: Reply) -> tuple[BranchCommit, ...]:
    """Read commits as the list shows them; see `cut_commits`."""
    return tuple(read_commit(one) for one in items_of(reply))


def cut_commits(reply: Reply) -> frozenset[str]:
    """Return the commits of a list whose messages it cut."""
    return frozenset(required_text(one, "commitId") for one in items_of(reply) if flag(one, "commentTruncated"))


def get_commit(repository: str, sha: str) -> Request:
    return request("GET", f"{repository}/commits/{segment(sha)}", "get-commit")


def find_commit(repository: str, sha: str) -> Request:
    """Ask for a commit by its whole hash, on whichever branch; 404 is answered for one that is not there."""
    return replace(get_commit(repository, sha), accepts=frozenset({404}))


def read_commit(value: Document) -> BranchCommit:
    message = text(value, "comment", limit_bytes=MESSAGE_LIMIT_BYTES)
    return BranchCommit(sha=required_text(value, "commitId"), message=message)


def get_file(repository: str, path: str, revision: str) -> Request:
    """Ask for a file's bytes as they are."""
    query = {**_file(path, revision), "$format": "octetStream"}
    found = request("GET", f"{repository}/items", "get-contents", query=query, accepts=frozenset({404}))
    return replace(found, headers={"Accept": "application/octet-stream"})


def find_file(repository: str, path: str, revision: str) -> Request:
    """Ask whether a file is there, without its content."""
    query = {**_file(path, revision), "$format": "json"}
    return request("GET", f"{repository}/items", "get-contents", query=query, accepts=frozenset({404}))


def _file(path: str, revision: str) -> dict[str, str]:
    return {
        "path": f"/{path}",
        "versionDescriptor.version": revision,
        "versionDescriptor.versionType": "commit",
    }


def read_file(reply: Reply) -> bytes:
    if len(reply.body) > FILE_LIMIT_BYTES:
        raise ProviderMalformed(f"the file is larger than {FILE_LIMIT_BYTES} bytes", status=reply.status)
    return reply.body


def push(repository: str, wanted: NewCommit, existing: frozenset[str]) -> Request:
    """Write files in one commit on top of a head; each is marked as new, or as one that is there.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pushes/create
    """
    body = {
        "refUpdates": [{"name": f"{BRANCHES}{wanted.branch}", "oldObjectId": wanted.expected_head}],
        "commits": [
            {"comment": wanted.message, "changes": [_change(edit, edit.path in existing) for edit in wanted.edits]}
        ],
    }
    return request("POST", f"{repository}/pushes", "create-commit", json=body)


def _change(edit: FileEdit, exists: bool) -> dict[str, object]:
    content = {"content": base64.b64encode(edit.content).decode("ascii"), "contentType": "base64encoded"}
    return {"changeType": "edit" if exists else "add", "item": {"path": f"/{edit.path}"}, "newContent": content}


def read_push(value: Document) -> str:
    """Return the commit that was pushed. Raises for a branch that was not moved, which is answered with success too.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/git/refs/update-refs#gitrefupdatestatus
    """
    _prove_moved(documents(value, "refUpdates"))
    commits = documents(value, "commits")
    return required_text(commits[0] if commits else {}, "commitId")


def create_branch(repository: str, branch: str, head: str) -> Request:
    """Begin a branch, which must not exist, at a commit.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/git/refs/update-refs
    """
    update = {"name": f"{BRANCHES}{branch}", "oldObjectId": _NOTHING, "newObjectId": head}
    return request("POST", f"{repository}/refs", "create-branch", json=[update])


def read_created_branch(value: Document) -> str:
    """Return where the branch began. Raises as `read_push` does."""
    updates = documents(value, "value")
    _prove_moved(updates)
    return required_text(updates[0] if updates else {}, "newObjectId")


def _prove_moved(updates: Iterable[Document]) -> None:
    for update in updates:
        status = text(update, "updateStatus", default="succeeded")
        if status != "succeeded" or update.get("success") is False:
            raise _refused_update(status, text(update, "customMessage"))


def _refused_update(status: str, why: str) -> ProviderError:
    message = f"the branch was not moved: {status}" + (f" ({why})" if why else "")
    return ProviderConflict(message) if status in _STALE else ProviderRejected(message)
