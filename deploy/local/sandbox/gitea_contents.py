"""Branches and files."""

import base64
import binascii

from deploy.local.sandbox.gitea_commits import show_commit
from deploy.local.sandbox.gitea_http import Call, not_found, refused
from deploy.local.sandbox.github_commits import blob_sha
from deploy.local.sandbox.replies import Json, Reply


def read_branch(call: Call) -> Reply:
    repository, branch = call.repository(), call.request.match_info["branch"]
    sha = repository.graph.branches.get(branch)
    if sha is None:
        raise not_found()
    message = repository.graph.commits[sha].message
    return Reply(body={"name": branch, "commit": {"id": sha, "message": message}, "protected": False})


def create_branch(call: Call) -> Reply:
    """Begin a branch at a branch or commit."""
    repository, body = call.repository(), call.body
    name, start = str(body.get("new_branch_name") or ""), str(body.get("old_ref_name") or repository.default_branch)
    if not name or " " in name:
        raise refused(422, "[BranchName]: GitRefName")
    sha = repository.graph.resolve(start)
    if sha is None:
        raise refused(404, "The old branch does not exist")
    if name in repository.graph.branches:
        raise refused(409, "The branch already exists.")
    call.sandbox.push(repository, name, sha)
    return Reply(status=201, body={"name": name, "commit": {"id": sha}})


def read_contents(call: Call) -> Reply:
    repository, path = call.repository(), call.request.match_info["path"].strip("/")
    sha = repository.graph.resolve(call.request.query.get("ref") or repository.default_branch)
    if sha is None:
        raise not_found()
    tree = repository.graph.commits[sha].tree
    if path in tree:
        return Reply(body=_show_file(path, tree[path]))
    if not any(name.startswith(f"{path}/") for name in tree):
        raise not_found()
    return Reply(body=[_show_file(name, text) for name, text in tree.items() if name.startswith(f"{path}/")])


def change_files(call: Call) -> Reply:
    """Write several files in one commit; each is locked by the content that it replaces, the branch is not."""
    repository, body = call.repository(), call.body
    branch = str(body.get("branch") or repository.default_branch)
    tip = repository.graph.branches.get(branch)
    if tip is None:
        raise not_found()
    tree = repository.graph.commits[tip].tree
    written: dict[str, str] = {}
    for file in body.get("files") or []:
        path = str(file.get("path") or "")
        _check_lock(file, path, tree.get(path))
        try:
            written[path] = base64.b64decode(str(file.get("content", "")), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise refused(422, "illegal base64 data at input byte 0") from None
    message = str(body.get("message") or "").strip()
    commit = repository.graph.add(parents=[tip], message=message, author=call.account.login, files=written)
    call.sandbox.push(repository, branch, commit.sha)
    shown = {
        "files": [_show_file(path, text) for path, text in written.items()],
        "commit": show_commit(call, repository, commit.sha),
    }
    return Reply(status=201, body=shown)


def _check_lock(file: Json, path: str, there: str | None) -> None:
    match file.get("operation"):
        case "create":
            if there is not None:
                raise refused(422, f"repository file already exists [path: {path}]")
        case "update":
            if there is None:
                raise refused(404, f"object does not exist [id: , rel_path: {path}]")
            given, held = str(file.get("sha") or ""), blob_sha(there)
            if given != held:
                raise refused(422, f"sha does not match [given: {given}, expected: {held}]")
        case other:
            raise refused(422, f"[Operation]: In, not {other}")


def _show_file(path: str, text: str) -> Json:
    return {
        "type": "file",
        "encoding": "base64",
        "size": len(text.encode()),
        "name": path.rpartition("/")[2],
        "path": path,
        "content": base64.b64encode(text.encode()).decode(),
        "sha": blob_sha(text),
    }
