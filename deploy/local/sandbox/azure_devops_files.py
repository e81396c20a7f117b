"""Branches and files of the Azure DevOps stand-in."""

import base64
import binascii
from typing import Any

from deploy.local.sandbox.azure_devops_commits import known, show_commit
from deploy.local.sandbox.azure_devops_http import Call, invalid, listed, refused
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.replies import Json, Reply

_BRANCHES = "refs/heads/"
_REFS_ON_A_PAGE = 2
_NOTHING = "0" * 40


def list_refs(call: Call) -> Reply:
    """List branches whose names begin with a filter, in order; a token in a header leads to the next page."""
    wanted = f"refs/{call.request.query.get('filter', '')}"
    branches = call.repository().graph.branches
    found = sorted(name for name in (f"{_BRANCHES}{branch}" for branch in branches) if name.startswith(wanted))
    begun = [name for name in found if name >= call.request.query.get("continuationToken", "")]
    page, rest = begun[:_REFS_ON_A_PAGE], begun[_REFS_ON_A_PAGE:]
    shown = [{"name": name, "objectId": branches[name.removeprefix(_BRANCHES)]} for name in page]
    return listed(shown, x_ms_continuationtoken=rest[0]) if rest else listed(shown)


def read_item(call: Call) -> Reply:
    """Return a file at a commit: its bytes, or what the host knows of it."""
    repository, query = call.repository(), call.request.query
    sha, path = known(repository, query.get("versionDescriptor.version", "")), query.get("path", "")
    text = repository.graph.commits[sha].tree.get(path.removeprefix("/"))
    if text is None:
        message = f"TF401174: The item '{path}' could not be found in the repository at version {sha}"
        raise refused(404, message, "GitItemNotFoundException")
    if query.get("$format") == "octetStream":
        return Reply(body=text.encode(), content_type="application/octet-stream")
    return Reply(body={"gitObjectType": "blob", "commitId": sha, "path": path})


def update_refs(call: Call) -> Reply:
    """Create branches; the answer is 200 even where one is refused, and shows that."""
    call.want("GenericContribute")
    repository = call.repository()
    results: list[Json] = []
    for update in call.body if isinstance(call.body, list) else []:
        name = str(update.get("name", ""))
        branch, head = name.removeprefix(_BRANCHES), known(repository, str(update.get("newObjectId", "")))
        begins = update.get("oldObjectId") == _NOTHING and branch not in repository.graph.branches
        if begins:
            repository.graph.branches[branch] = head
        status = "succeeded" if begins else "staleOldObjectId"
        results.append({**update, "success": begins, "updateStatus": status})
    return listed(results)


def push(call: Call) -> Reply:
    """Write files in one commit on top of the head that the client knows."""
    call.want("GenericContribute")
    repository = call.repository()
    update, commit = _only(call.body.get("refUpdates")), _only(call.body.get("commits"))
    branch = str(update.get("name", "")).removeprefix(_BRANCHES)
    tip = repository.graph.branches.get(branch)
    if tip is None:
        raise invalid("The branch does not exist.")
    if update.get("oldObjectId") != tip:
        message = f"TF401028: The reference '{_BRANCHES}{branch}' has already been updated by another client"
        raise refused(409, message, "GitReferenceStaleException")
    files = dict(_change(repository, tip, change) for change in commit.get("changes") or [])
    made = repository.graph.add(parents=[tip], message=str(commit.get("comment", "")), author=call.actor, files=files)
    repository.graph.branches[branch] = made.sha
    moved = {"name": f"{_BRANCHES}{branch}", "oldObjectId": tip, "newObjectId": made.sha}
    body: Json = {"pushId": 1, "commits": [show_commit(repository, made.sha)], "refUpdates": [moved]}
    return Reply(status=201, body=body)


def _change(repository: Repository, tip: str, change: Json) -> tuple[str, str]:
    """Read a file to write. A new one must be added, and one that is there must be edited."""
    path = str((change.get("item") or {}).get("path", "")).removeprefix("/")
    exists = path in repository.graph.commits[tip].tree
    if change.get("changeType") != ("edit" if exists else "add"):
        raise invalid(f"TF401027: The path '/{path}' cannot be changed so.", "GitArgumentException")
    content = change.get("newContent") or {}
    text = str(content.get("content", ""))
    if content.get("contentType") == "base64encoded":
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise invalid("The content is not valid Base64.") from None
    return path, text


def _only(found: Any) -> Json:
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        raise invalid("Exactly one is expected.")
    return found[0]
