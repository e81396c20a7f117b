"""GitHub's shapes for branches and files, as pure functions: REST for reads, GraphQL for a commit of several files."""

import base64
import binascii
from collections.abc import Mapping
from datetime import timedelta

from providers.documents import Document, at, document, number, required_text, text
from providers.errors import (
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.messages import Reply, Request, segment
from providers.models import BranchCommit, NewCommit

LOG_LIMIT = 100
FILE_LIMIT_BYTES = 1024 * 1024
_MESSAGE_BYTES = 64 * 1024
_ERRORS_READ = 10
_UNNAMED_WAIT = timedelta(minutes=1)
_NO_FILES = {"dir": "a directory", "symlink": "a symbolic link", "submodule": "a submodule"}
_CREATE_COMMIT = (
    "mutation ($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }"
)
# https://docs.github.com/en/graphql/guides/using-graphql-clients and answers of the API.
_KINDS: Mapping[str, type[ProviderError]] = {
    "STALE_DATA": ProviderConflict,
    "NOT_FOUND": ProviderNotFound,
    "FORBIDDEN": ProviderUnauthorized,
    "INSUFFICIENT_SCOPES": ProviderUnauthorized,
    "RATE_LIMITED": ProviderRateLimited,
    "RATE_LIMIT": ProviderRateLimited,
}


def get_head(repository: str, branch: str) -> Request:
    """Ask for one branch; 409 is answered by a repository without any commit."""
    return Request(
        method="GET",
        path=f"{repository}/git/ref/heads/{_path(branch)}",
        api="PullRequest",
        operation="get-branch",
        accepts=frozenset({404, 409}),
    )


def read_head(value: Document) -> str:
    return required_text(value, "object", "sha")


def list_commits(repository: str, branch: str, limit: int) -> Request:
    query = {"sha": f"refs/heads/{branch}", "per_page": str(min(limit, LOG_LIMIT))}
    return Request(
        method="GET",
        path=f"{repository}/commits",
        query=query,
        api="PullRequest",
        operation="list-commits",
        accepts=frozenset({409}),
    )


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
    """Decode a file. Raises ProviderRejected for what is none, ProviderMalformed for one that is too large to be sent.

    Of more than 1 MB the host sends no content: https://docs.github.com/en/rest/repos/contents
    """
    value = reply.value()
    kind = "dir" if isinstance(value, list) else text(value, "type")
    if kind != "file":
        raise ProviderRejected(f"it is no file but {_NO_FILES.get(kind, 'something else')}")
    if text(value, "encoding") != "base64" or number(value, "size") > FILE_LIMIT_BYTES:
        raise ProviderMalformed(f"the file is larger than {FILE_LIMIT_BYTES} bytes, which is more than is read")
    content = at(value, "content")
    try:
        return base64.b64decode("".join(content.split()) if isinstance(content, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise ProviderMalformed("the answer's `content` is not the Base64 that the API promises") from None


def knows_no_commit(message: str) -> bool:
    """Separate an unknown commit from a missing file; both are 404."""
    return "no commit found for the ref" in message.lower()


def create_branch(repository: str, branch: str, sha: str) -> Request:
    """Begin a branch; 422 is answered where it exists, and for a commit that does not."""
    return Request(
        method="POST",
        path=f"{repository}/git/refs",
        json={"ref": f"refs/heads/{branch}", "sha": sha},
        api="PullRequest",
        operation="create-branch",
        accepts=frozenset({422}),
    )


def exists_already(message: str) -> bool:
    """Separate a branch that exists from other reasons of a 422."""
    return "reference already exists" in message.lower()


def create_commit(full_name: str, wanted: NewCommit) -> Request:
    """Write several files in one commit, only on top of the expected head; the host signs it for an App.

    https://docs.github.com/en/graphql/reference/mutations#createcommitonbranch
    """
    headline, _, body = wanted.message.partition("\n")
    given = {
        "branch": {"repositoryNameWithOwner": full_name, "branchName": wanted.branch},
        "expectedHeadOid": wanted.expected_head,
        "message": {"headline": headline, "body": body.lstrip("\n")},
        "fileChanges": {
            "additions": [
                {"path": edit.path, "contents": base64.b64encode(edit.content).decode()} for edit in wanted.edits
            ]
        },
    }
    return Request(
        method="POST",
        path="/graphql",
        json={"query": _CREATE_COMMIT, "variables": {"input": given}},
        api="PullRequest",
        operation="create-commit",
    )


def read_new_commit(reply: Reply) -> str:
    """Return the commit. Raises what the errors mean: they come with status 200."""
    value = reply.document()
    errors = at(value, "errors")
    if isinstance(errors, list) and errors:
        raise _error([document(one) for one in errors[:_ERRORS_READ] if isinstance(one, Mapping)])
    return required_text(value, "data", "createCommitOnBranch", "commit", "oid")


def _error(errors: list[Document]) -> ProviderError:
    message = "; ".join(text(one, "message") for one in errors) or "an error without a text"
    kinds = [_KINDS[kind] for one in errors if (kind := text(one, "type")) in _KINDS]
    if kinds and kinds[0] is ProviderRateLimited:
        return ProviderRateLimited(message, retry_after=_UNNAMED_WAIT)
    if kinds:
        return kinds[0](message, status=403 if kinds[0] is ProviderUnauthorized else None)
    # Timeouts of the host itself begin so, and only they do.
    if message.lower().startswith("something went wrong"):
        return ProviderUnavailable(message)
    return ProviderRejected(message)


def _path(name: str) -> str:
    """Quote a name whose slashes are part of the address."""
    return "/".join(segment(part) for part in name.split("/"))
