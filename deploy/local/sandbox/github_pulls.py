"""Pull requests of the GitHub stand-in: read, list, create, change, merge."""

from typing import Any

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_http import Call, not_found, refused
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.replies import Json, RefusedError, Reply

_SORT_FIELDS = {"created": "created_at", "updated": "updated_at", "popularity": "number", "long-running": "created_at"}


def show_pull(call: Call, repository: Repository, pull: Pull, *, listed: bool = False) -> Json:
    """Render a pull request; list items are without what only a single read computes."""
    api, page = f"{call.api_url}/repos/{repository.full_name}", f"{call.web_url}/{repository.full_name}"
    merged = pull.merged_at is not None
    shown: Json = {
        "id": repository.identifier * 100_000 + pull.number,
        "number": pull.number,
        "url": f"{api}/pulls/{pull.number}",
        "html_url": f"{page}/pull/{pull.number}",
        "issue_url": f"{api}/issues/{pull.number}",
        "title": pull.title,
        "body": pull.body,
        "state": pull.state,
        "locked": False,
        "draft": pull.draft,
        "user": show_user(call, pull.author),
        "assignee": None,
        "assignees": [],
        "labels": [repository.label(name) for name in pull.labels],
        "created_at": timestamp(pull.created_at),
        "updated_at": timestamp(pull.updated_at),
        "closed_at": timestamp(pull.closed_at) if pull.closed_at is not None else None,
        "merged_at": timestamp(pull.merged_at) if pull.merged_at is not None else None,
        "merge_commit_sha": pull.merge_sha,
        "head": _side(call, repository, pull.head_ref, pull.head_sha),
        "base": _side(call, repository, pull.base_ref, pull.base_sha),
        "author_association": "MEMBER",
    }
    if not listed:
        shown.update(
            {
                "merged": merged,
                "mergeable": None if merged else True,
                "mergeable_state": "unknown" if merged else "clean",
                "merged_by": show_user(call, pull.author) if merged else None,
                "comments": len(pull.comments),
                "review_comments": 0,
                "commits": 1,
                "additions": len(pull.files),
                "deletions": 0,
                "changed_files": len(pull.files),
            }
        )
    return shown


def show_user(call: Call, login: str) -> Json:
    return {
        "login": login,
        "id": sum(login.encode()),
        "type": "User",
        "site_admin": False,
        "url": f"{call.api_url}/users/{login}",
        "html_url": f"{call.web_url}/{login}",
    }


def read_pull(call: Call) -> Reply:
    call.want("pull_requests")
    repository = call.repository()
    return Reply(body=show_pull(call, repository, call.pull(repository)))


def list_pulls(call: Call) -> Reply:
    call.want("pull_requests")
    repository, query = call.repository(), call.request.query
    state, head, base = query.get("state", "open"), query.get("head"), query.get("base")
    found = [
        pull
        for pull in repository.pulls.values()
        if state in ("all", pull.state)
        and (not base or pull.base_ref == base)
        # A head without an owner is ignored by the host, not refused.
        and (not head or ":" not in head or f"{repository.owner}:{pull.head_ref}" == head)
    ]
    sort = query.get("sort", "created")
    ascending = query.get("direction", "desc" if sort == "created" else "asc") == "asc"
    attribute = _SORT_FIELDS.get(sort, "created_at")
    found.sort(key=lambda pull: (getattr(pull, attribute), pull.number), reverse=not ascending)
    page, headers = call.paged(found)
    return Reply(body=[show_pull(call, repository, pull, listed=True) for pull in page], headers=headers)


def list_files(call: Call) -> Reply:
    call.want("pull_requests")
    repository = call.repository()
    page, headers = call.paged(call.pull(repository).files)
    files = [
        {"sha": None, "filename": path, "status": "modified", "additions": 1, "deletions": 0, "changes": 1}
        for path in page
    ]
    return Reply(body=files, headers=headers)


def create_pull(call: Call) -> Reply:
    call.want("pull_requests", "write")
    repository, body = call.repository(), call.body
    head, base = str(body.get("head", "")).removeprefix(f"{repository.owner}:"), str(body.get("base", ""))
    for name, branch in (("head", head), ("base", base)):
        if branch not in repository.graph.branches:
            raise _invalid([{"resource": "PullRequest", "field": name, "code": "invalid"}])
    if any(
        pull.state == "open" and (pull.head_ref, pull.base_ref) == (head, base) for pull in repository.pulls.values()
    ):
        raise _invalid(
            [
                {
                    "resource": "PullRequest",
                    "code": "custom",
                    "message": f"A pull request already exists for {repository.owner}:{head}.",
                }
            ]
        )
    head_sha, base_sha = repository.graph.branches[head], repository.graph.branches[base]
    comparison = repository.graph.compare(base_sha, head_sha)
    if comparison is None or comparison.ahead_by == 0:
        raise _invalid(
            [{"resource": "PullRequest", "code": "custom", "message": f"No commits between {base} and {head}"}]
        )
    pull = call.state.add_pull(
        repository,
        {
            "number": max(repository.pulls, default=0) + 1,
            "title": str(body.get("title", "")),
            "body": body.get("body"),
            "author": call.actor,
            "draft": bool(body.get("draft", False)),
            "head": {"ref": head, "sha": head_sha},
            "base": {"ref": base, "sha": base_sha},
            "files": list(repository.graph.changed_between(comparison.merge_base, head_sha)),
        },
    )
    shown = show_pull(call, repository, pull)
    return Reply(status=201, body=shown, headers={"Location": shown["url"]})


def change_pull(call: Call) -> Reply:
    call.want("pull_requests", "write")
    repository, body = call.repository(), call.body
    pull, now = call.pull(repository), call.state.clock.now()
    state = body.get("state")
    if state not in (None, "open", "closed"):
        raise _invalid([{"resource": "PullRequest", "field": "state", "code": "invalid"}])
    if state == "open" and pull.merged_at is not None:
        raise _invalid(
            [
                {
                    "resource": "PullRequest",
                    "field": "state",
                    "code": "invalid",
                    "message": "state cannot be changed. The pull request is merged.",
                }
            ]
        )
    pull.title, pull.body = body.get("title", pull.title), body.get("body", pull.body)
    pull.base_ref = body.get("base", pull.base_ref)
    if state is not None and state != pull.state:
        pull.state, pull.closed_at = state, now if state == "closed" else None
        call.state.record_event(pull, "closed" if state == "closed" else "reopened", actor=call.actor)
    pull.updated_at = now
    return Reply(body=show_pull(call, repository, pull))


def merge_pull(call: Call) -> Reply:
    call.want("contents", "write")
    repository, body = call.repository(), call.body
    pull = call.pull(repository)
    if body.get("merge_method", "merge") not in ("merge", "squash", "rebase"):
        raise _invalid([{"resource": "PullRequest", "field": "merge_method", "code": "invalid"}])
    if pull.merged_at is not None or pull.state != "open" or pull.draft:
        raise refused(405, "Pull Request is not mergeable")
    if body.get("sha") not in (None, pull.head_sha):
        raise refused(409, "Head branch was modified. Review and try the merge again.")
    message = "\n\n".join(filter(None, (str(body.get("commit_title") or ""), str(body.get("commit_message") or ""))))
    method = str(body.get("merge_method", "merge"))
    sha = call.state.merge(repository, pull, actor=call.actor, method=method, message=message)
    call.sandbox.push(repository, pull.base_ref, sha)
    return Reply(body={"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def is_merged(call: Call) -> Reply:
    if call.pull(call.repository()).merged_at is None:
        raise not_found()
    return Reply(status=204)


def _side(call: Call, repository: Repository, ref: str, sha: str) -> Json:
    return {
        "label": f"{repository.owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": show_user(call, repository.owner),
        "repo": {
            "id": repository.identifier,
            "name": repository.name,
            "full_name": repository.full_name,
            "private": True,
            "default_branch": repository.default_branch,
            "html_url": f"{call.web_url}/{repository.full_name}",
        },
    }


def _invalid(errors: list[dict[str, Any]]) -> RefusedError:
    return refused(422, "Validation Failed", errors=errors)
