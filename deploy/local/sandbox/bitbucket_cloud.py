"""Repositories, commits, statuses, branches and files of the Bitbucket Cloud stand-in, and its routes."""

from aiohttp import web

from deploy.local.sandbox import bitbucket_cloud_pulls as pulls
from deploy.local.sandbox.bitbucket_cloud_http import AT_ROOT, PREFIX, Action, Call, endpoint, not_found, refused
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.replies import Json, Reply

_KEY_LIMIT = 40
_TEXT_LIMIT = 255
_STATES = {"INPROGRESS": "pending", "SUCCESSFUL": "success", "FAILED": "failure", "STOPPED": "error"}
_FORM_FIELDS = frozenset({"message", "branch", "parents", "author", "files"})


def read_user(call: Call) -> Reply:
    """Show the account of a person's token; access tokens have none."""
    if not call.is_person:
        raise refused(403, "This API is not accessible by this authentication mechanism")
    return Reply(body=pulls.show_user(call.account.login))


def read_repository(call: Call) -> Reply:
    call.want("repository")
    repository = call.repository()
    return Reply(
        body={
            "type": "repository",
            "full_name": repository.full_name,
            "name": repository.name,
            "slug": repository.name.lower(),
            "is_private": True,
            "mainbranch": {"type": "branch", "name": repository.default_branch},
        }
    )


def list_permissions(call: Call) -> Reply:
    """List the people's rights, of which some may be asked for; only an administrator may."""
    call.want("repository:admin")
    wanted = call.request.query.get("q", "")
    people = call.repository().collaborators
    found = [login for login in people if not wanted or f'"{pulls.show_user(login)["uuid"]}"' in wanted]
    return call.paged(
        found,
        lambda login: {"type": "repository_permission", "permission": people[login], "user": pulls.show_user(login)},
    )


def read_commit(call: Call) -> Reply:
    call.want("repository")
    repository = call.repository()
    return Reply(body=_show_commit(repository, _resolve(repository, call.request.match_info["revision"])))


def merge_base(call: Call) -> Reply:
    call.want("repository")
    repository = call.repository()
    one, separator, other = call.request.match_info["spec"].partition("..")
    if not separator:
        raise refused(400, "Invalid revspec")
    comparison = repository.graph.compare(_resolve(repository, one), _resolve(repository, other))
    if comparison is None:
        raise not_found("Merge base")
    return Reply(body=_show_commit(repository, comparison.merge_base))


def list_statuses(call: Call) -> Reply:
    call.want("repository")
    repository = call.repository()
    sha = _resolve(repository, call.request.match_info["revision"])
    return call.paged(repository.statuses.get(sha, []), lambda row: row["shown"])


def set_status(call: Call) -> Reply:
    """Set a status; one with the same key is overwritten."""
    call.want("repository")
    repository, body = call.repository(), call.body
    sha = _resolve(repository, call.request.match_info["revision"])
    key, state, name = str(body.get("key") or ""), body.get("state"), str(body.get("name") or "")
    for field, value, limit in (("key", key, _KEY_LIMIT), ("name", name, _TEXT_LIMIT)):
        if len(value) > limit:
            raise refused(400, f"{field}: Ensure this value has at most {limit} characters (it has {len(value)}).")
    for field in ("key", "state", "url"):
        if not body.get(field):
            raise refused(400, f"{field}: This field is required.")
    if state not in _STATES:
        raise refused(400, f"state: '{state}' is not a valid state")
    now = timestamp(call.state.clock.now())
    shown: Json = {
        "type": "build",
        "key": key,
        "state": state,
        "name": name,
        "description": body.get("description") or "",
        "url": body["url"],
        "created_on": now,
        "updated_on": now,
    }
    rows = repository.statuses.setdefault(sha, [])
    # With the names of the shared state, in which tests and people see the statuses of every host.
    row = {"context": name or key, "state": _STATES[state], "description": shown["description"], "shown": shown}
    position = next((n for n, there in enumerate(rows) if there["shown"]["key"] == key), None)
    if position is None:
        rows.append(row)
    else:
        rows[position] = row
    return Reply(status=201, body=shown)


def read_branch(call: Call) -> Reply:
    call.want("repository")
    repository, branch = call.repository(), call.request.match_info["branch"]
    sha = repository.graph.branches.get(branch)
    if sha is None:
        raise not_found("Branch")
    return Reply(body={"type": "branch", "name": branch, "target": _show_commit(repository, sha)})


def list_commits(call: Call) -> Reply:
    """List the commits of what `include` names, the newest first."""
    call.want("repository")
    repository = call.repository()
    sha = _resolve(repository, call.request.query.get("include") or repository.default_branch)
    contained = repository.graph.contained_in(sha)
    found = [known for known in reversed(repository.graph.commits) if known in contained]
    return call.paged(found, lambda known: _show_commit(repository, known))


def read_source(call: Call) -> Reply:
    """Read a file as it is, and a folder as a page of what is in it."""
    call.want("repository")
    repository, path = call.repository(), call.request.match_info["path"]
    tree = repository.graph.commits[_resolve(repository, call.request.match_info["revision"])].tree
    if path in tree:
        kind = "application/json" if path.endswith(".json") else "text/plain"
        return Reply(body=tree[path], content_type=kind)
    folder = f"{path.rstrip('/')}/" if path else ""
    inside = sorted(name for name in tree if name.startswith(folder))
    if not inside:
        raise not_found("No such file or directory: " + path)
    return call.paged(inside, lambda name: {"type": "commit_file", "path": name})


def write_source(call: Call) -> Reply:
    """Make one commit of the files that a form names; `parents` must be what the branch is at, or where it begins."""
    call.want("repository:write")
    repository, body = call.repository(), call.body
    branch = str(body.get("branch") or repository.default_branch)
    parent = body.get("parents")
    tip = repository.graph.branches.get(branch) or repository.graph.resolve(str(parent or repository.default_branch))
    if parent not in (None, tip):
        raise refused(409, "The branch is not at the given parent.")
    files = {name.lstrip("/"): str(text) for name, text in body.items() if name not in _FORM_FIELDS}
    before = repository.graph.commits[tip].tree if tip else {}
    if not files or all(before.get(path) == text for path, text in files.items()):
        raise refused(400, "No changes were made.")
    commit = repository.graph.add(
        parents=[tip] if tip else [], message=str(body.get("message", "")), author=call.account.login, files=files
    )
    repository.graph.branches[branch] = commit.sha
    for pull in repository.pulls.values():
        if pull.state == "open" and pull.head_ref == branch:
            pull.head_sha = commit.sha
    place = f"{call.api_url}/repositories/{repository.full_name}/commit/{commit.sha}"
    return Reply(status=201, headers={"Location": place})


def _resolve(repository: Repository, name: str) -> str:
    sha = repository.graph.resolve(name)
    if sha is None:
        raise not_found(f"Commit {name}")
    return sha


def _show_commit(repository: Repository, sha: str) -> Json:
    commit = repository.graph.commits[sha]
    return {
        "type": "commit",
        "hash": sha,
        "message": commit.message,
        "author": {"type": "author", "raw": commit.author},
        "parents": [{"type": "commit", "hash": parent} for parent in commit.parents],
    }


_ROUTES: tuple[tuple[str, str, Action], ...] = (
    ("GET", "", read_repository),
    *pulls.ROUTES,
    ("GET", "/commit/{revision}", read_commit),
    ("GET", "/commit/{revision}/statuses", list_statuses),
    ("POST", "/commit/{revision}/statuses/build", set_status),
    ("GET", "/merge-base/{spec:.+}", merge_base),
    ("GET", "/refs/branches/{branch:.+}", read_branch),
    ("GET", "/commits", list_commits),
    ("GET", "/src/{revision}/{path:.*}", read_source),
    ("POST", "/src", write_source),
)


def add_routes(app: web.Application) -> None:
    app.router.add_route("GET", f"{PREFIX}/user", endpoint(read_user))
    permissions = f"{PREFIX}/workspaces/{{workspace}}/permissions/repositories/{{repo}}"
    app.router.add_route("GET", permissions, endpoint(list_permissions))
    for method, path, action in _ROUTES:
        for prefix in (PREFIX, AT_ROOT):
            app.router.add_route(method, f"{prefix}/repositories/{{workspace}}/{{repo}}{path}", endpoint(action))
