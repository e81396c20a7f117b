"""Commits and their statuses."""

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.gitea_http import Call, failed, not_found, show_user
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.replies import Json, Reply

# The worst one is the combined state; an unknown one counts as pending.
_ORDER = ("error", "failure", "warning", "pending", "success")


def list_commits(call: Call) -> Reply:
    """List what a commit contains, newest first, without what `not` contains; an unknown `not` is an inner error."""
    repository, query = call.repository(), call.request.query
    tip = repository.graph.resolve(query.get("sha") or repository.default_branch)
    if tip is None:
        raise not_found()
    contained = repository.graph.contained_in(tip)
    if excluded := query.get("not"):
        other = repository.graph.resolve(excluded)
        if other is None:
            raise failed()
        contained -= repository.graph.contained_in(other)
    newest_first = [sha for sha in reversed(repository.graph.commits) if sha in contained]
    page, headers = call.paged(newest_first)
    return Reply(body=[show_commit(call, repository, sha) for sha in page], headers=headers)


def read_commit(call: Call) -> Reply:
    repository = call.repository()
    sha = repository.graph.resolve(call.request.match_info["sha"])
    if sha is None:
        raise not_found()
    return Reply(body=show_commit(call, repository, sha))


def combined_status(call: Call) -> Reply:
    """Show the newest status of each context, in no order that means anything."""
    repository = call.repository()
    sha = repository.graph.resolve(call.request.match_info["ref"])
    if sha is None:
        raise not_found()
    newest = list({row["context"]: row for row in repository.statuses.get(sha, [])}.values())
    states = {row["state"] if row["state"] in _ORDER else "pending" for row in newest}
    page, headers = call.paged(sorted(newest, key=lambda row: str(row["context"])))
    return Reply(
        headers=headers,
        body={
            "state": next((state for state in _ORDER if state in states), ""),
            "sha": sha,
            "total_count": len(newest),
            "statuses": [_show_status(call, row) for row in page],
        },
    )


def create_status(call: Call) -> Reply:
    """Append a status: any state is accepted, any text is kept whole, an unknown commit is an inner error."""
    repository, body = call.repository(), call.body
    sha = call.request.match_info["sha"]
    if sha not in repository.graph.commits:
        raise failed()
    now = timestamp(call.state.clock.now())
    row: Json = {
        "id": call.state.next_number(),
        "state": str(body.get("state") or ""),
        "context": str(body.get("context") or "default"),
        "description": str(body.get("description") or ""),
        "target_url": str(body.get("target_url") or ""),
        "created_at": now,
        "updated_at": now,
    }
    repository.statuses.setdefault(sha, []).append(row)
    return Reply(status=201, body=_show_status(call, row))


def _show_status(call: Call, row: Json) -> Json:
    """Show a status, whose own state is called `status`."""
    shown = {name: value for name, value in row.items() if name != "state"}
    return {**shown, "status": row["state"], "creator": show_user(call, call.account.login)}


def show_commit(call: Call, repository: Repository, sha: str) -> Json:
    commit = repository.graph.commits[sha]
    return {
        "sha": sha,
        "url": f"{call.api_url}/repos/{repository.full_name}/git/commits/{sha}",
        "html_url": f"{call.web_url}/{repository.full_name}/commit/{sha}",
        "commit": {"message": commit.message, "author": {"name": commit.author}},
        "parents": [{"sha": parent} for parent in commit.parents],
    }
