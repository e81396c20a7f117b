"""Branches and files in GitLab's REST shapes, as pure functions.

https://docs.gitlab.com/api/branches, https://docs.gitlab.com/api/repository_files, https://docs.gitlab.com/api/commits
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from providers.documents import Document, at, required_text, text
from providers.errors import ProviderConflict, ProviderError, ProviderMalformed
from providers.gitlab.wire import API, PAGE_SIZE, message_in, page
from providers.messages import Reply, Request, segment
from providers.models import BranchCommit, FileEdit, NewCommit

FILE_LIMIT_BYTES = 1024 * 1024
_MESSAGE_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class FileState:
    """A file as it is before it is written."""

    content: bytes
    last_commit: str
    """The newest commit that changed it, which the host compares when it is written."""


def get_branch(project: str, branch: str) -> Request:
    return Request(
        method="GET",
        path=f"{project}/repository/branches/{segment(branch)}",
        api=API,
        operation="get-branch",
        accepts=frozenset({404}),
    )


def read_head(value: Document) -> str:
    return required_text(value, "commit", "id")


def list_commits(project: str, branch: str, limit: int) -> Request:
    return page(
        f"{project}/repository/commits",
        1,
        operation="list-commits",
        size=min(limit, PAGE_SIZE),
        # By its short name a tag of that name would be meant.
        ref_name=f"refs/heads/{branch}",
    )


def read_log(reply: Reply) -> tuple[BranchCommit, ...]:
    return tuple(
        BranchCommit(sha=required_text(one, "id"), message=text(one, "message", limit_bytes=_MESSAGE_BYTES))
        for one in reply.documents()
    )


def get_content(project: str, path: str, revision: str) -> Request:
    """Ask for a file as it is."""
    return _file(project, path, revision, "/raw")


def get_file(project: str, path: str, revision: str) -> Request:
    """Ask for a file with the commit that changed it last."""
    return _file(project, path, revision, "")


def misses_file(reply: Reply) -> bool:
    """Separate a missing file from a missing commit or project; all are 404."""
    return "file not found" in message_in(reply).lower()


def read_content(reply: Reply) -> bytes:
    return _bounded(reply.body)


def read_file(value: Document) -> FileState:
    encoded = at(value, "content")
    if not isinstance(encoded, str) or text(value, "encoding") != "base64":
        raise ProviderMalformed("the answer's `content` is no file in Base64")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ProviderMalformed("the answer's `content` is no Base64") from None
    return FileState(content=_bounded(content), last_commit=required_text(value, "last_commit_id"))


def create_commit(project: str, wanted: NewCommit, changes: Sequence[tuple[FileEdit, FileState | None]]) -> Request:
    """Write several files in one commit; the host compares each file's last commit and refuses one that exists."""
    return Request(
        method="POST",
        path=f"{project}/repository/commits",
        json={
            "branch": wanted.branch,
            # Refused where the branch exists.
            **({"start_sha": wanted.expected_head} if wanted.begins else {}),
            "commit_message": wanted.message,
            "actions": [
                {
                    "action": "create" if there is None else "update",
                    "file_path": edit.path,
                    "encoding": "base64",
                    "content": base64.b64encode(edit.content).decode(),
                    **({} if there is None else {"last_commit_id": there.last_commit}),
                }
                for edit, there in changes
            ],
        },
        api=API,
        operation="create-commit",
        accepts=frozenset({400}),
    )


def read_commit_id(value: Document) -> str:
    return required_text(value, "id")


def refused_commit(error: ProviderError) -> ProviderError:
    """Return what a 400 means: the text alone shows files that changed meanwhile, or exist by now."""
    message = str(error).lower()
    if any(phrase in message for phrase in ("has changed since", "already exists", "doesn't exist", "does not exist")):
        return ProviderConflict(str(error), status=error.status)
    return error


def _file(project: str, path: str, revision: str, form: str) -> Request:
    return Request(
        method="GET",
        path=f"{project}/repository/files/{segment(path)}{form}",
        query={"ref": revision},
        api=API,
        operation="get-file",
        accepts=frozenset({404}),
    )


def _bounded(content: bytes) -> bytes:
    if len(content) > FILE_LIMIT_BYTES:
        raise ProviderMalformed(f"the file is larger than {FILE_LIMIT_BYTES} bytes")
    return content
