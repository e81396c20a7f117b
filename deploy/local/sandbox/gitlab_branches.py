"""Branches and files of the GitLab stand-in.

Source: GitLab's REST documentation, pages "Branches API", "Repository files API" and "Commits API".
"""

import base64
import binascii

from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.gitlab_ci import read_config
from deploy.local.sandbox.gitlab_commits import show_commit
from deploy.local.sandbox.gitlab_http import Call
from deploy.local.sandbox.gitlab_rights import refused, require_role
from deploy.local.sandbox.replies import Json, Reply

_ACTIONS = ("create", "update", "delete")


def read_branch(call: Call) -> Reply:
    require_role(call.user, "reporter")
    repository, branch = call.repository(), call.request.match_info["branch"]
    sha = repository.graph.branches.get(branch)
    if sha is None:
        raise refused(404, "404 Branch Not Found")
    return Reply(body={"name": branch, "commit": show_commit(call, repository, sha), "protected": False})


def list_commits(call: Call) -> Reply:
    """List a ref's commits, newest first."""
    require_role(call.user, "reporter")
    repository = call.repository()
    sha = repository.graph.resolve(call.request.query.get("ref_name") or repository.default_branch)
    if sha is None:
        raise refused(404, "404 Commit Not Found")
    contained = repository.graph.contained_in(sha)
    newest_first = [one for one in reversed(repository.graph.commits) if one in contained]
    page, headers = call.paged(newest_first)
    return Reply(body=[show_commit(call, repository, one) for one in page], headers=headers)


def read_raw(call: Call) -> Reply:
    """Read a file as it is; the CI file of a project that only has pipelines is the CI's."""
    repository = call.sandbox.github.repository(call.project().path)
    path, ref = call.request.match_info["path"], call.request.query.get("ref", "HEAD")
    sha = repository.graph.resolve(ref) if repository is not None else None
    if repository is not None and sha is not None and path in repository.graph.commits[sha].tree:
        require_role(call.user, "reporter")
        return Reply(body=repository.graph.commits[sha].tree[path], content_type="text/plain")
    return read_config(call)


def read_file(call: Call) -> Reply:
    require_role(call.user, "reporter")
    repository, path = call.repository(), call.request.match_info["path"]
    sha = repository.graph.resolve(call.request.query.get("ref", "HEAD"))
    if sha is None:
        raise refused(404, "404 Commit Not Found")
    if path not in repository.graph.commits[sha].tree:
        raise refused(404, "404 File Not Found")
    text = repository.graph.commits[sha].tree[path]
    return Reply(
        body={
            "file_name": path.rpartition("/")[2],
            "file_path": path,
            "size": len(text.encode()),
            "encoding": "base64",
            "content": base64.b64encode(text.encode()).decode(),
            "ref": call.request.query.get("ref"),
            "commit_id": sha,
            "last_commit_id": _last_commit(repository, sha, path),
        }
    )


def create_commit(call: Call) -> Reply:
    """Write several files in one commit; a file's last commit is compared where one is named."""
    require_role(call.user, "developer")
    repository, body = call.repository(), call.body
    branch, actions = str(body.get("branch") or ""), body.get("actions")
    if not branch or not body.get("commit_message") or not isinstance(actions, list):
        raise refused(400, "branch is missing, commit_message is missing, actions is missing", key="error")
    tip, start = repository.graph.branches.get(branch), body.get("start_sha")
    if start and tip is not None:
        text = f"A branch called '{branch}' already exists. Switch to that branch in order to make changes"
        raise refused(400, text)
    tip = start if start in repository.graph.commits else tip
    if tip is None:
        raise refused(400, "You can only create or edit files when you are on a branch")
    files = dict(_written(repository, tip, action) for action in actions)
    if all(repository.graph.commits[tip].tree.get(path) == text for path, text in files.items()):
        raise refused(400, "No changes to commit")
    message = str(body["commit_message"])
    commit = repository.graph.add(parents=[tip], message=message, author=call.actor, files=files)
    call.sandbox.push(repository, branch, commit.sha)
    return Reply(status=201, body=show_commit(call, repository, commit.sha))


def _written(repository: Repository, tip: str, action: Json) -> tuple[str, str | None]:
    kind, path = action.get("action"), str(action.get("file_path") or "")
    if kind not in _ACTIONS or not path:
        raise refused(400, "actions[0][action] does not have a valid value", key="error")
    is_there = path in repository.graph.commits[tip].tree
    if kind == "create" and is_there:
        raise refused(400, "A file with this name already exists")
    if kind != "create" and not is_there:
        raise refused(400, "A file with this name doesn't exist")
    known = action.get("last_commit_id")
    if known and known != _last_commit(repository, tip, path):
        raise refused(
            400,
            "You are attempting to update a file that has changed since you started editing it.",
        )
    if kind == "delete":
        return path, None
    content = str(action.get("content") or "")
    if action.get("encoding") != "base64":
        return path, content
    try:
        return path, base64.b64decode(content, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise refused(400, "content is invalid", key="error") from None


def _last_commit(repository: Repository, tip: str, path: str) -> str:
    """Return the newest commit below a tip that changed a file."""
    contained = repository.graph.contained_in(tip)
    changed = [one.sha for one in repository.graph.commits.values() if one.sha in contained and path in one.changed]
    return changed[-1] if changed else tip
