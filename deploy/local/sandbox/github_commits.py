"""Commits of the GitHub stand-in: comparison, statuses, branches and files."""

import base64
import binascii
import hashlib
from typing import Any

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.commits import Commit
from deploy.local.sandbox.github_http import Call, not_found, refused
from deploy.local.sandbox.github_pulls import show_user
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.replies import Json, Reply

_STATES = ("error", "failure", "pending", "success")
_DESCRIPTION_LIMIT = 140
_WORKFLOWS = ".github/workflows/"
_STATUSES_PER_CONTEXT = 1000
_COMPARED_FILES_LIMIT = 300


def compare(call: Call) -> Reply:
    call.want("contents")
    repository = call.repository()
    base_name, separator, head_name = call.request.match_info["spec"].partition("...")
    base, head = _resolve(repository, base_name), _resolve(repository, head_name)
    comparison = repository.graph.compare(base, head) if separator else None
    if comparison is None:
        raise refused(404, f"No common ancestor between {base_name} and {head_name}.") if separator else not_found()
    page, headers = call.paged(comparison.commits)
    changed = repository.graph.changed_between(comparison.merge_base, head)
    return Reply(
        headers=headers,
        body={
            "url": str(call.request.url),
            "html_url": f"{call.web_url}/{repository.full_name}/compare/{base_name}...{head_name}",
            "base_commit": _show_commit(call, repository, base),
            "merge_base_commit": _show_commit(call, repository, comparison.merge_base),
            "status": comparison.status,
            "ahead_by": comparison.ahead_by,
            "behind_by": comparison.behind_by,
            "total_commits": comparison.ahead_by,
            "commits": [_show_commit(call, repository, commit.sha) for commit in page],
            "files": [
                {"filename": path, "status": status, "additions": 1, "deletions": 0, "changes": 1}
                for path, status in list(changed.items())[:_COMPARED_FILES_LIMIT]
            ],
        },
    )


def read_commit(call: Call) -> Reply:
    call.want("contents")
    repository = call.repository()
    return Reply(body=_show_commit(call, repository, _resolve(repository, call.request.match_info["ref"])))


def list_commits(call: Call) -> Reply:
    """List a branch's commits along first parents, newest first."""
    call.want("contents")
    repository = call.repository()
    graph = repository.graph
    if not graph.commits:
        raise refused(409, "Git Repository is empty.")
    sha: str | None = _resolve(repository, call.request.query.get("sha") or repository.default_branch)
    found: list[str] = []
    while sha is not None:
        found.append(sha)
        sha = next(iter(graph.commits[sha].parents), None)
    page, headers = call.paged(found)
    return Reply(headers=headers, body=[_show_commit(call, repository, one) for one in page])


def create_status(call: Call) -> Reply:
    call.want("statuses", "write")
    repository, body = call.repository(), call.body
    sha = call.request.match_info["sha"]
    if sha not in repository.graph.commits:
        raise refused(422, f"No commit found for SHA: {sha}")
    context, description, target = body.get("context") or "default", body.get("description"), body.get("target_url")
    problem = _status_problem(body.get("state"), description, target)
    rows = repository.statuses.setdefault(sha, [])
    if problem is None and sum(row["context"].lower() == context.lower() for row in rows) >= _STATUSES_PER_CONTEXT:
        problem = {"code": "custom", "message": "This SHA and context has reached the maximum number of statuses."}
    if problem is not None:
        raise refused(422, "Validation Failed", errors=[{"resource": "Status", **problem}])
    now, number = timestamp(call.state.clock.now()), call.state.next_number()
    row: Json = {
        "id": number,
        "url": f"{call.api_url}/repos/{repository.full_name}/statuses/{sha}",
        "state": body["state"],
        "description": description,
        "target_url": target,
        "context": context,
        "created_at": now,
        "updated_at": now,
        "creator": show_user(call, call.actor),
    }
    rows.append(row)
    return Reply(status=201, body=row, headers={"Location": row["url"]})


def list_statuses(call: Call) -> Reply:
    call.want("statuses")
    repository = call.repository()
    sha = _resolve(repository, call.request.match_info["ref"])
    page, headers = call.paged(list(reversed(repository.statuses.get(sha, []))))
    return Reply(body=list(page), headers=headers)


def combined_status(call: Call) -> Reply:
    call.want("statuses")
    repository = call.repository()
    sha = _resolve(repository, call.request.match_info["ref"])
    newest = list({row["context"].lower(): row for row in repository.statuses.get(sha, [])}.values())
    states = {row["state"] for row in newest}
    unfailed = "success" if states == {"success"} else "pending"
    state = "failure" if states & {"error", "failure"} else unfailed
    page, headers = call.paged(newest)
    return Reply(
        headers=headers,
        body={
            "state": state,
            "sha": sha,
            "total_count": len(newest),
            "statuses": list(page),
            "repository": {"full_name": repository.full_name},
        },
    )


def read_branch_head(call: Call) -> Reply:
    call.want("contents")
    repository, branch = call.repository(), call.request.match_info["branch"]
    sha = repository.graph.branches.get(branch)
    if sha is None:
        raise not_found()
    return Reply(body=_show_ref(call, repository, branch, sha))


def read_branch(call: Call) -> Reply:
    call.want("contents")
    repository, branch = call.repository(), call.request.match_info["branch"]
    sha = repository.graph.branches.get(branch)
    if sha is None:
        raise refused(404, "Branch not found")
    return Reply(body={"name": branch, "commit": _show_commit(call, repository, sha), "protected": False})


def create_ref(call: Call) -> Reply:
    call.want("contents", "write")
    repository = call.repository()
    ref, sha = str(call.body.get("ref", "")), str(call.body.get("sha", ""))
    branch = ref.removeprefix("refs/heads/")
    if not ref.startswith("refs/heads/") or not branch:
        raise refused(422, "Reference name must start with 'refs/'.")
    if sha not in repository.graph.commits:
        raise refused(422, "Object does not exist")
    if branch in repository.graph.branches:
        raise refused(422, "Reference already exists")
    repository.graph.branches[branch] = sha
    return Reply(status=201, body=_show_ref(call, repository, branch, sha))


def read_contents(call: Call) -> Reply:
    call.want("contents")
    repository, path = call.repository(), call.request.match_info["path"].strip("/")
    ref = call.request.query.get("ref") or repository.default_branch
    sha = repository.graph.resolve(ref)
    if sha is None:
        raise refused(404, f"No commit found for the ref {ref}")
    tree = repository.graph.commits[sha].tree
    text = tree.get(path)
    if text is None and path.startswith(_WORKFLOWS) and (name := path.removeprefix(_WORKFLOWS)) in repository.workflows:
        text = repository.workflows[name].text()
    if text is not None and "raw" in call.request.headers.get("Accept", ""):
        return Reply(body=text, content_type="application/vnd.github.raw+json; charset=utf-8")
    if text is not None:
        return Reply(body=_show_file(call, repository, path, text))
    below = sorted(
        {name[len(path) :].lstrip("/").partition("/")[0] for name in tree if not path or name.startswith(f"{path}/")}
    )
    if not below:
        raise not_found()
    base = f"{path}/" if path else ""
    return Reply(
        body=[{"type": "file" if base + name in tree else "dir", "name": name, "path": base + name} for name in below]
    )


def write_contents(call: Call) -> Reply:
    """Create or update one file; an update wants the blob sha it replaces (422 without, 409 for another one)."""
    call.want("contents", "write")
    repository, body, path = call.repository(), call.body, call.request.match_info["path"].strip("/")
    branch = str(body.get("branch") or repository.default_branch)
    tip = repository.graph.branches.get(branch)
    if tip is None:
        raise refused(404, f"Branch {branch} not found")
    existing, given = repository.graph.commits[tip].tree.get(path), body.get("sha")
    if existing is not None and not given:
        raise refused(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if given and (existing is None or given != blob_sha(existing)):
        raise refused(409, f"{path} does not match {given}")
    try:
        text = base64.b64decode(str(body.get("content", "")), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise refused(422, "content is not valid Base64") from None
    commit = repository.graph.add(
        parents=[tip], message=str(body.get("message", "")), author=call.actor, files={path: text}
    )
    call.sandbox.push(repository, branch, commit.sha)
    shown = {
        "content": _show_file(call, repository, path, text),
        "commit": _show_commit(call, repository, commit.sha)["commit"] | {"sha": commit.sha},
    }
    return Reply(status=200 if existing is not None else 201, body=shown)


def blob_sha(text: str) -> str:
    """Hash a file as git does."""
    raw = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest()


def _resolve(repository: Repository, name: str) -> str:
    sha = repository.graph.resolve(name.rpartition(":")[2])
    if sha is None:
        raise not_found()
    return sha


def _show_ref(call: Call, repository: Repository, branch: str, sha: str) -> Json:
    return {
        "ref": f"refs/heads/{branch}",
        "url": f"{call.api_url}/repos/{repository.full_name}/git/refs/heads/{branch}",
        "object": {
            "type": "commit",
            "sha": sha,
            "url": f"{call.api_url}/repos/{repository.full_name}/git/commits/{sha}",
        },
    }


def _show_commit(call: Call, repository: Repository, sha: str) -> Json:
    commit: Commit = repository.graph.commits[sha]
    return {
        "sha": sha,
        "url": f"{call.api_url}/repos/{repository.full_name}/commits/{sha}",
        "html_url": f"{call.web_url}/{repository.full_name}/commit/{sha}",
        "commit": {"message": commit.message, "author": {"name": commit.author}},
        "author": show_user(call, commit.author),
        "parents": [{"sha": parent} for parent in commit.parents],
    }


def _show_file(call: Call, repository: Repository, path: str, text: str) -> Json:
    return {
        "type": "file",
        "encoding": "base64",
        "size": len(text.encode()),
        "name": path.rpartition("/")[2],
        "path": path,
        "content": base64.encodebytes(text.encode()).decode(),
        "sha": blob_sha(text),
        "html_url": f"{call.web_url}/{repository.full_name}/blob/{repository.default_branch}/{path}",
    }


def _status_problem(state: Any, description: Any, target: Any) -> Json | None:
    if state not in _STATES:
        return {"field": "state", "code": "custom", "message": "state is not included in the list"}
    if description is not None and len(str(description)) > _DESCRIPTION_LIMIT:
        return {
            "field": "description",
            "code": "custom",
            "message": "description is too long (maximum is 140 characters)",
        }
    if target is not None and not str(target).startswith(("http://", "https://")):
        return {"field": "target_url", "code": "custom", "message": "target_url must use http(s) scheme"}
    return None
