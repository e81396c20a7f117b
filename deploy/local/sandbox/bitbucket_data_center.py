"""Repositories, commits and statuses of the Bitbucket Data Center stand-in, and its routes."""

from aiohttp import web

from deploy.local.sandbox import bitbucket_data_center_pulls as pulls
from deploy.local.sandbox.bitbucket_data_center_http import PREFIX, Action, Call, endpoint, not_found, refused
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.replies import Json, Reply

_KEY_LIMIT = 255
_URL_LIMIT = 450
_STATUSES_PAGE = 100
_STATES = {
    "INPROGRESS": "pending",
    "SUCCESSFUL": "success",
    "FAILED": "failure",
    "CANCELLED": "error",
    "UNKNOWN": "error",
}


def list_projects(call: Call) -> Reply:
    keys = sorted({repository.owner.upper() for repository in call.state.repositories.values()})
    return call.paged(keys, lambda key: {"key": key, "name": key, "type": "NORMAL"})


def list_users(call: Call) -> Reply:
    """List the people whose names hold a text and who may write to a repository."""
    query = call.request.query
    if query.get("permission") != "REPO_WRITE":
        raise refused(400, "validation.ArgumentValidationException", "permission: this stand-in knows REPO_WRITE only")
    place = f"{query.get('permission.projectKey')}/{query.get('permission.repositorySlug')}"
    repository = call.state.repository(place)
    if repository is None:
        raise refused(400, "validation.ArgumentValidationException", f"permission: there is no repository {place}")
    wanted = query.get("filter", "").lower()
    writers = [login for login, right in repository.collaborators.items() if right in ("write", "admin")]
    return call.paged([login for login in writers if wanted in login.lower()], pulls.show_user)


def list_members(call: Call) -> Reply:
    """List the people of a group of the server whose names hold a text."""
    group, wanted = call.request.query.get("context", ""), call.request.query.get("filter", "").lower()
    if group not in call.state.teams:
        raise not_found("group.NoSuchGroupException", f"Group '{group}'")
    return call.paged([login for login in call.state.teams[group] if wanted in login.lower()], pulls.show_user)


def read_repository(call: Call) -> Reply:
    repository = call.repository()
    return Reply(
        body={
            "id": repository.identifier,
            "slug": repository.name,
            "name": repository.name,
            "project": {"key": repository.owner.upper()},
            "archived": False,
        }
    )


def read_commit(call: Call) -> Reply:
    repository = call.repository()
    return Reply(body=_show_commit(repository, _resolve(repository, call.request.match_info["revision"])))


def compare_commits(call: Call) -> Reply:
    """List the commits that `from` has and `to` has not."""
    repository, query = call.repository(), call.request.query
    ours = repository.graph.contained_in(_resolve(repository, query.get("from", "")))
    theirs = repository.graph.contained_in(_resolve(repository, query.get("to", "")))
    found = [sha for sha in reversed(repository.graph.commits) if sha in ours - theirs]
    return call.paged(found, lambda sha: _show_commit(repository, sha))


def set_status(call: Call) -> Reply:
    """Set a status; one with the same key is overwritten."""
    repository, body = call.repository(), call.body
    sha = _resolve(repository, call.request.match_info["revision"])
    key, url, state, name = (str(body.get(field) or "") for field in ("key", "url", "state", "name"))
    problems = {
        "key": not key.strip() or len(key) > _KEY_LIMIT,
        "name": len(name) > _KEY_LIMIT,
        "description": len(str(body.get("description") or "")) > _KEY_LIMIT,
        "url": not url.strip() or len(url) > _URL_LIMIT,
        "state": state not in _STATES,
    }
    for field, wrong in problems.items():
        if wrong:
            raise refused(400, "validation.ArgumentValidationException", f"{field} is missing or too long")
    shown: Json = {"key": key, "state": state, "name": name, "url": url, "description": body.get("description") or ""}
    shown["dateAdded"] = int(call.state.clock.now() * 1000)
    rows = repository.statuses.setdefault(sha, [])
    # With the names of the shared state, in which tests and people see the statuses of every host.
    row = {"context": name or key, "state": _STATES[state], "description": shown["description"], "shown": shown}
    position = next((n for n, there in enumerate(rows) if there["shown"]["key"] == key), None)
    if position is None:
        rows.append(row)
    else:
        rows[position] = row
    return Reply(status=204)


def list_statuses(call: Call) -> Reply:
    """List the statuses of a commit, whichever repositories have it."""
    sha = call.request.match_info["revision"]
    known = [row for repository in call.state.repositories.values() for row in repository.statuses.get(sha, [])]
    # Another host's stand-in may have the same commit.
    rows = [row for row in known if "shown" in row]
    return call.paged(rows, lambda row: row["shown"], most=_STATUSES_PAGE)


def _resolve(repository: Repository, name: str) -> str:
    sha = repository.graph.resolve(name)
    if sha is None:
        raise not_found("commit.NoSuchCommitException", f"Commit '{name}'")
    return sha


def _show_commit(repository: Repository, sha: str) -> Json:
    commit = repository.graph.commits[sha]
    return {
        "id": sha,
        "displayId": sha[:11],
        "message": commit.message,
        "author": {"name": commit.author},
        "parents": [{"id": parent, "displayId": parent[:11]} for parent in commit.parents],
    }


_ROUTES: tuple[tuple[str, str, Action], ...] = (
    ("GET", "", read_repository),
    *pulls.ROUTES,
    ("GET", "/commits/{revision}", read_commit),
    ("POST", "/commits/{revision}/builds", set_status),
    ("GET", "/compare/commits", compare_commits),
)


def add_routes(app: web.Application) -> None:
    app.router.add_route("GET", f"{PREFIX}/api/latest/projects", endpoint(list_projects))
    app.router.add_route("GET", f"{PREFIX}/api/latest/users", endpoint(list_users))
    app.router.add_route("GET", f"{PREFIX}/api/latest/admin/groups/more-members", endpoint(list_members))
    comment = "/projects/{project}/repos/{repo}/pull-requests/{number}/comments/{comment}"
    reactions = f"{PREFIX}/comment-likes/latest{comment}/reactions/{{emoticon}}"
    app.router.add_route("PUT", reactions, endpoint(pulls.react))
    app.router.add_route("GET", f"{PREFIX}/build-status/latest/commits/{{revision}}", endpoint(list_statuses))
    for method, path, action in _ROUTES:
        place = f"{PREFIX}/api/latest/projects/{{project}}/repos/{{repo}}{path}"
        app.router.add_route(method, place, endpoint(action))
