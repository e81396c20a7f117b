"""Branches and files of Bitbucket Cloud as pure functions.

https://developer.atlassian.com/cloud/bitbucket/rest/api-group-source/
"""

import re

from providers.bitbucket_cloud import wire
from providers.documents import Document, at, required_text, text
from providers.errors import ProviderMalformed, ProviderRejected
from providers.messages import Reply, Request, segment
from providers.models import BranchCommit, NewCommit

FILE_LIMIT_BYTES = 1024 * 1024
_MESSAGE_BYTES = 64 * 1024
_LOG_LIMIT = 100
_HASH = re.compile(r"[0-9a-f]{40}")
# What a form's field cannot be named without being changed on the way.
_UNNAMED = re.compile(r'[\x00-\x1f\x7f"\\]')


def get_head(repository: str, branch: str) -> Request:
    return Request(
        method="GET",
        path=f"{repository}/refs/branches/{segment(branch)}",
        api="PullRequest",
        operation="get-branch",
        accepts=frozenset({404}),
    )


def read_head(value: Document) -> str:
    return required_text(value, "target", "hash")


def list_commits(repository: str, head: str, limit: int) -> Request:
    """Ask for the newest commits up to a branch's head: its name may be a tag's as well."""
    return Request(
        method="GET",
        path=f"{repository}/commits",
        query={"include": head, "pagelen": str(min(limit, _LOG_LIMIT))},
        api="PullRequest",
        operation="list-commits",
    )


def read_log(reply: Reply) -> tuple[BranchCommit, ...]:
    return tuple(
        BranchCommit(sha=required_text(one, "hash"), message=text(one, "message", limit_bytes=_MESSAGE_BYTES))
        for one in wire.values(reply)
    )


def get_file(repository: str, path: str, revision: str) -> Request:
    return Request(
        method="GET",
        path=f"{repository}/src/{segment(revision)}/{_path(path)}",
        api="PullRequest",
        operation="get-file",
        # A file comes as it is, whatever it is.
        headers={"Accept": "*/*"},
        accepts=frozenset({404}),
    )


def read_file(reply: Reply) -> bytes:
    """Return a file's bytes, which come as they are; a folder comes as a page of what is in it.

    Raises ProviderRejected for a folder, and ProviderMalformed for a file that is larger than is read.
    """
    if len(reply.body) > FILE_LIMIT_BYTES:
        raise ProviderMalformed(f"the file is larger than {FILE_LIMIT_BYTES} bytes, which is more than is read")
    if "json" in reply.headers.get("content-type", "") and _is_folder(reply):
        raise ProviderRejected("it is no file but a folder")
    return reply.body


def _is_folder(reply: Reply) -> bool:
    try:
        value = reply.value()
    except ProviderMalformed:
        return False
    inside = at(value, "values")
    return (
        isinstance(inside, list)
        and at(value, "pagelen") is not None
        and bool(inside)
        and all(str(at(one, "type")).startswith("commit_") for one in inside)
    )


def create_commit(repository: str, wanted: NewCommit) -> Request:
    """Write several files in one commit; `parents` must be what the branch is at, or where a new one begins.

    A leading slash keeps a file's path apart from the fields of the form. Raises ProviderRejected for a path that a
    form cannot name.
    """
    parts = {
        "branch": wanted.branch.encode(),
        "message": wanted.message.encode(),
        "parents": wanted.expected_head.encode(),
    }
    for edit in wanted.edits:
        if _UNNAMED.search(edit.path):
            raise ProviderRejected("a file's path holds a character that the host cannot be sent")
        parts[f"/{edit.path.lstrip('/')}"] = edit.content
    return Request(
        method="POST",
        path=f"{repository}/src",
        parts=parts,
        api="PullRequest",
        operation="create-commit",
        accepts=frozenset({400, 409}),
    )


def read_new_commit(reply: Reply) -> str | None:
    """Return the commit that an answer names, by its address; None where it names none."""
    named = reply.headers.get("location", "").rstrip("/").rpartition("/")[2].lower()
    return named if _HASH.fullmatch(named) else None


def _path(name: str) -> str:
    """Quote a name whose slashes are part of the address."""
    return "/".join(segment(part) for part in name.strip("/").split("/"))
