"""Shapes of Gitea and Forgejo for branches and files, as pure functions."""

import base64
import binascii
from collections.abc import Mapping

from providers.documents import Document, at, number, required_text, text
from providers.errors import ProviderMalformed, ProviderRejected
from providers.gitea import wire
from providers.messages import Reply, Request, segment
from providers.models import BranchCommit, NewCommit

LOG_LIMIT = 100
FILE_LIMIT_BYTES = 1024 * 1024
_MESSAGE_BYTES = 64 * 1024
_NO_FILES = {"dir": "a directory", "symlink": "a symbolic link", "submodule": "a submodule"}


def get_head(repository: str, branch: str) -> Request:
    return Request(
        method="GET",
        path=f"{repository}/branches/{_path(branch)}",
        api="PullRequest",
        operation="get-branch",
        accepts=frozenset({404}),
    )


def read_head(value: Document) -> str:
    return required_text(value, "commit", "id")


def create_branch(repository: str, branch: str, sha: str) -> Request:
    """Begin a branch at a commit; 409 is answered where it exists, wherever it is."""
    return Request(
        method="POST",
        path=f"{repository}/branches",
        json={"new_branch_name": branch, "old_ref_name": sha},
        api="PullRequest",
        operation="create-branch",
    )


def list_commits(repository: str, sha: str, page: int) -> Request:
    query = {"sha": sha, "page": str(page), "limit": str(wire.PAGE_SIZE), **wire.BARE}
    return Request(method="GET", path=f"{repository}/commits", query=query, api="PullRequest", operation="list-commits")


def read_log(reply: Reply) -> tuple[BranchCommit, ...]:
    return tuple(
        BranchCommit(sha=required_text(one, "sha"), message=text(one, "commit", "message", limit_bytes=_MESSAGE_BYTES))
        for one in reply.documents()
    )


def get_file(repository: str, path: str, revision: str) -> Request:
    return Request(
        method="GET",
        path=f"{repository}/contents/{_path(path)}",
        query={"ref": revision},
        api="PullRequest",
        operation="get-file",
        accepts=frozenset({404}),
    )


def read_file(reply: Reply) -> bytes:
    """Decode a file. Raises ProviderRejected for what is none, ProviderMalformed for one that is too large."""
    value = _file(reply)
    if text(value, "encoding") != "base64" or number(value, "size") > FILE_LIMIT_BYTES:
        raise ProviderMalformed(f"the file is larger than {FILE_LIMIT_BYTES} bytes, which is more than is read")
    content = at(value, "content")
    try:
        return base64.b64decode("".join(content.split()) if isinstance(content, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise ProviderMalformed("the answer's `content` is not the Base64 that the API promises") from None


def read_blob(reply: Reply) -> str:
    """Return the hash of a file's content, by which its change is locked."""
    return required_text(_file(reply), "sha")


def create_commit(repository: str, wanted: NewCommit, blobs: Mapping[str, str]) -> Request:
    """Write several files in one commit; `blobs` are the contents that are replaced, by path.

    The host locks each file by its content, not the branch: 422 for one that is another by now.
    https://docs.gitea.com/api/#tag/repository/operation/repoChangeFiles
    """
    files = [
        {
            "operation": "update" if edit.path in blobs else "create",
            "path": edit.path,
            "content": base64.b64encode(edit.content).decode(),
            **({"sha": blobs[edit.path]} if edit.path in blobs else {}),
        }
        for edit in wanted.edits
    ]
    return Request(
        method="POST",
        path=f"{repository}/contents",
        json={"branch": wanted.branch, "message": wanted.message, "files": files},
        api="PullRequest",
        operation="create-commit",
        accepts=frozenset({404, 409, 422, 500}),
    )


def read_new_commit(value: Document) -> str:
    return required_text(value, "commit", "sha")


def _file(reply: Reply) -> object:
    value = reply.value()
    kind = "dir" if isinstance(value, list) else text(value, "type", default="file")
    if kind != "file":
        raise ProviderRejected(f"it is no file but {_NO_FILES.get(kind, 'something else')}")
    return value


def _path(name: str) -> str:
    """Quote a name whose slashes are part of the address."""
    return "/".join(segment(part) for part in name.split("/"))
