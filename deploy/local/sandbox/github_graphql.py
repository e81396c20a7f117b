"""The two queries of GraphQL that adapters ask the GitHub stand-in: whose the credential is, and a commit of files.

Errors have status 200, as at the real host: https://docs.github.com/en/graphql/reference/mutations#createcommitonbranch
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from deploy.local.sandbox.github_http import Call
from deploy.local.sandbox.replies import RefusedError, Reply

_VIEWER = "{viewer{login}}"
_COMMIT = "createCommitOnBranch(input:$input){commit{oid}}"


def answer_query(call: Call) -> Reply:
    """Answer one of the queries that are known; installation tokens may ask both."""
    asked = "".join(str(call.body.get("query", "")).split())
    if asked.removeprefix("query") == _VIEWER:
        return Reply(body={"data": {"viewer": {"login": call.actor}}})
    if asked.startswith("mutation") and _COMMIT in asked:
        return _create_commit(call, (call.body.get("variables") or {}).get("input") or {})
    return _refused(None, "the stand-in answers `viewer { login }` and `createCommitOnBranch` only")


def _create_commit(call: Call, given: Mapping[str, Any]) -> Reply:
    try:
        call.want("contents", "write")
    except RefusedError:
        return _refused("FORBIDDEN", "Resource not accessible by integration")
    named = given.get("branch") or {}
    full_name, branch = str(named.get("repositoryNameWithOwner")), str(named.get("branchName"))
    repository = call.state.repository(full_name)
    if repository is None:
        return _refused("NOT_FOUND", f"Could not resolve to a Repository with the name '{full_name}'.")
    tip, expected = repository.graph.branches.get(branch), str(given.get("expectedHeadOid"))
    if tip is None:
        return _refused("NOT_FOUND", f"No ref found for the branch '{branch}'")
    if tip != expected:
        stale = f'Expected branch to point to "{expected}" but it did not.  Pull and try again.'
        return _refused("STALE_DATA", stale)
    message, additions = given.get("message") or {}, (given.get("fileChanges") or {}).get("additions") or []
    if not message.get("headline"):
        return _refused("UNPROCESSABLE", "A commit message headline is required")
    try:
        files = {str(one["path"]): base64.b64decode(one["contents"], validate=True).decode() for one in additions}
    except (KeyError, binascii.Error, UnicodeDecodeError):
        return _refused("UNPROCESSABLE", "contents is not valid Base64")
    text = "\n\n".join(filter(None, (message["headline"], message.get("body"))))
    commit = repository.graph.add(parents=[tip], message=text, author=call.actor, files=files)
    call.sandbox.push(repository, branch, commit.sha)
    return Reply(body={"data": {"createCommitOnBranch": {"commit": {"oid": commit.sha}}}})


def _refused(kind: str | None, message: str) -> Reply:
    error = {"message": message} | ({"type": kind} if kind else {})
    return Reply(body={"data": {"createCommitOnBranch": None}, "errors": [error]})
