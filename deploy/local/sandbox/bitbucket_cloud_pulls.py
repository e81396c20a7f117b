"""Pull requests of the Bitbucket Cloud stand-in: read, list, create, change, merge, decline, and their comments."""

import re

from deploy.local.sandbox.bitbucket_cloud_http import Call, not_found, refused
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.replies import Json, Reply

_ABBREVIATED = 12
_COMMENT_LIMIT = 32_768
_DIFFSTAT_PAGE = 500
_MERGE_STRATEGIES = (
    "merge_commit",
    "squash",
    "fast_forward",
    "squash_fast_forward",
    "rebase_fast_forward",
    "rebase_merge",
)
_CONDITION = re.compile(r'([a-z.]+)\s*=\s*"((?:[^"\\]|\\.)*)"')


def show_pull(call: Call, repository: Repository, pull: Pull) -> Json:
    api = f"{call.api_url}/repositories/{repository.full_name}/pullrequests/{pull.number}"
    return {
        "type": "pullrequest",
        "id": pull.number,
        "title": pull.title,
        "description": pull.body or "",
        "state": state_of(pull),
        "draft": pull.draft,
        "author": show_user(pull.author),
        "reviewers": [show_user(login) for login in pull.reviewers],
        "close_source_branch": False,
        "source": _side(call, repository, pull.head_ref, pull.head_sha),
        "destination": _side(call, repository, pull.base_ref, pull.base_sha),
        "merge_commit": {"type": "commit", "hash": abbreviated(repository, pull.merge_sha)} if pull.merge_sha else None,
        "comment_count": len(pull.comments),
        "created_on": timestamp(pull.created_at),
        "updated_on": timestamp(pull.updated_at),
        "links": {
            "self": {"href": api},
            "html": {"href": f"{call.web_url}/{repository.full_name}/pull-requests/{pull.number}"},
            "diffstat": {"href": f"{api}/diffstat"},
        },
    }


def abbreviated(repository: Repository, sha: str) -> str:
    """Cut a hash to twelve digits, or to as many as name one commit alone."""
    digits = _ABBREVIATED
    while digits < len(sha) and sum(known.startswith(sha[:digits]) for known in repository.graph.commits) > 1:
        digits += 1
    return sha[:digits]


def show_user(login: str) -> Json:
    return {
        "type": "user",
        "uuid": f"{{{sum(login.encode()):08x}-0000-4000-8000-000000000000}}",
        "account_id": f"557058:{login}",
        "nickname": login,
        "display_name": login.capitalize(),
    }


def state_of(pull: Pull) -> str:
    if pull.merged_at is not None:
        return "MERGED"
    return "OPEN" if pull.state == "open" else "DECLINED"


def read_pull(call: Call) -> Reply:
    call.want("pullrequest")
    repository = call.repository()
    return Reply(body=show_pull(call, repository, call.pull(repository)))


def list_pulls(call: Call) -> Reply:
    """List pull requests, the newest first unless asked otherwise; without a state only open ones."""
    call.want("pullrequest")
    repository = call.repository()
    wanted = {
        name: re.sub(r"\\(.)", r"\1", value) for name, value in _CONDITION.findall(call.request.query.get("q", ""))
    }
    by_update = call.request.query.get("sort") == "-updated_on"
    states = {wanted["state"]} if "state" in wanted else set(call.request.query.getall("state", ["OPEN"]))
    found = [
        pull
        for pull in sorted(
            repository.pulls.values(), key=lambda pull: (-pull.updated_at if by_update else 0, -pull.number)
        )
        if state_of(pull) in states
        and wanted.get("source.branch.name", pull.head_ref) == pull.head_ref
        and wanted.get("destination.branch.name", pull.base_ref) == pull.base_ref
    ]
    return call.paged(found, lambda pull: show_pull(call, repository, pull))


def redirect_to_diffstat(call: Call) -> Reply:
    """Redirect to the comparison of the commits that the pull request is of."""
    call.want("pullrequest")
    repository = call.repository()
    pull = call.pull(repository)
    spec = f"{repository.full_name}:{abbreviated(repository, pull.head_sha)}%0D{abbreviated(repository, pull.base_sha)}"
    query = f"from_pullrequest_id={pull.number}&topic=true"
    place = f"{call.api_url}/repositories/{repository.full_name}/diffstat/{spec}?{query}"
    return Reply(status=302, headers={"Location": place})


def diffstat(call: Call) -> Reply:
    repository = call.repository()
    number = call.request.query.get("from_pullrequest_id", "")
    pull = repository.pulls.get(int(number)) if number.isdigit() else None
    if pull is None:
        raise not_found("Commit")
    return call.paged(pull.files, _show_change, default=_DIFFSTAT_PAGE)


def create_pull(call: Call) -> Reply:
    call.want("pullrequest:write")
    repository, body = call.repository(), call.body
    head, base = _branch(body, "source"), _branch(body, "destination") or repository.default_branch
    for name, branch in (("source", head), ("destination", base)):
        if branch not in repository.graph.branches:
            raise refused(400, f"{name}: branch not found")
    if not body.get("title"):
        raise refused(400, "title: This field is required.")
    head_sha, base_sha = repository.graph.branches[head], repository.graph.branches[base]
    comparison = repository.graph.compare(base_sha, head_sha)
    if comparison is None or comparison.ahead_by == 0:
        raise refused(400, "There are no changes to be pulled")
    pull = call.state.add_pull(
        repository,
        {
            "number": max(repository.pulls, default=0) + 1,
            "title": str(body["title"]),
            "body": body.get("description"),
            "author": call.account.login,
            "head": {"ref": head, "sha": head_sha},
            "base": {"ref": base, "sha": base_sha},
            "files": list(repository.graph.changed_between(comparison.merge_base, head_sha)),
        },
    )
    shown = show_pull(call, repository, pull)
    return Reply(status=201, body=shown, headers={"Location": shown["links"]["self"]["href"]})


def change_pull(call: Call) -> Reply:
    """Change an open one; reviewers that are not sent back are taken off."""
    call.want("pullrequest:write")
    repository = call.repository()
    pull = call.pull(repository)
    if state_of(pull) != "OPEN":
        raise refused(400, "This pull request is already closed.")
    pull.title = str(call.body.get("title", pull.title))
    pull.body = call.body.get("description", pull.body)
    pull.updated_at = call.state.clock.now()
    sent = {str(one.get("uuid")) for one in call.body.get("reviewers") or []}
    pull.reviewers = [login for login in pull.reviewers if show_user(login)["uuid"] in sent]
    return Reply(body=show_pull(call, repository, pull))


def merge_pull(call: Call) -> Reply:
    """Merge at once, or in the background where that takes long: then with 202 and a task to be asked for."""
    call.want("pullrequest:write")
    repository = call.repository()
    pull = call.pull(repository)
    if state_of(pull) != "OPEN":
        raise refused(400, "This pull request is already closed.")
    if call.body.get("merge_strategy", "merge_commit") not in _MERGE_STRATEGIES:
        raise refused(400, "merge_strategy: invalid")
    # The host knows no expected head: what the branch is at now is merged.
    pull.head_sha = repository.graph.branches.get(pull.head_ref, pull.head_sha)
    seconds = call.sandbox.options.bitbucket_merge_seconds
    if not seconds:
        call.state.merge(repository, pull, actor=call.account.login)
        return Reply(body=show_pull(call, repository, pull))
    due = call.state.clock.now() + seconds
    task = f"{call.state.next_number()}-{due}"
    place = f"{call.api_url}/repositories/{repository.full_name}/pullrequests/{pull.number}/merge/task-status/{task}"
    return Reply(status=202, headers={"Location": place})


def merge_status(call: Call) -> Reply:
    call.want("pullrequest")
    repository = call.repository()
    pull, task = call.pull(repository), call.request.match_info["task"]
    body: Json = {"task_status": "PENDING", "links": {"self": {"href": f"{call.web_url}{call.request.path}"}}}
    if call.state.clock.now() >= float(task.partition("-")[2] or "inf"):
        if state_of(pull) == "OPEN":
            call.state.merge(repository, pull, actor=call.account.login)
        body |= {"task_status": "SUCCESS", "merge_result": show_pull(call, repository, pull)}
    return Reply(body=body)


def decline_pull(call: Call) -> Reply:
    call.want("pullrequest:write")
    repository = call.repository()
    pull = call.pull(repository)
    if state_of(pull) != "OPEN":
        raise refused(400, "This pull request is already closed.")
    pull.state, pull.closed_at = "closed", call.state.clock.now()
    return Reply(body=show_pull(call, repository, pull))


def list_comments(call: Call) -> Reply:
    """List all comments, the oldest first unless asked otherwise; deleted ones stay, marked and without their text."""
    call.want("pullrequest")
    repository = call.repository()
    pull = call.pull(repository)
    newest_first = call.request.query.get("sort") == "-created_on"
    return call.paged(
        pull.comments[::-1] if newest_first else pull.comments,
        lambda comment: _show_comment(call, repository, pull, comment),
    )


def read_comment(call: Call) -> Reply:
    call.want("pullrequest")
    repository = call.repository()
    pull = call.pull(repository)
    return Reply(body=_show_comment(call, repository, pull, _comment(call, pull)))


def create_comment(call: Call) -> Reply:
    call.want("pullrequest")
    repository = call.repository()
    pull, now = call.pull(repository), timestamp(call.state.clock.now())
    comment: Json = {
        "id": call.state.next_number(),
        "body": _comment_text(call),
        "user": {"login": call.account.login},
        "created_at": now,
        "updated_at": now,
    }
    pull.comments.append(comment)
    return Reply(status=201, body=_show_comment(call, repository, pull, comment))


def change_comment(call: Call) -> Reply:
    call.want("pullrequest")
    repository = call.repository()
    pull = call.pull(repository)
    comment = _comment(call, pull)
    if comment["user"]["login"] != call.account.login:
        raise refused(403, "You do not have access to edit this comment.")
    comment["body"], comment["updated_at"] = _comment_text(call), timestamp(call.state.clock.now())
    return Reply(body=_show_comment(call, repository, pull, comment))


def _side(call: Call, repository: Repository, ref: str, sha: str) -> Json:
    return {
        "branch": {"name": ref},
        "commit": {"type": "commit", "hash": abbreviated(repository, sha)},
        "repository": {
            "type": "repository",
            "full_name": repository.full_name,
            "name": repository.name,
            "links": {"html": {"href": f"{call.web_url}/{repository.full_name}"}},
        },
    }


def _show_change(path: str) -> Json:
    side = {"type": "commit_file", "path": path}
    return {"type": "diffstat", "status": "modified", "lines_added": 1, "lines_removed": 1, "old": side, "new": side}


def _show_comment(call: Call, repository: Repository, pull: Pull, comment: Json) -> Json:
    deleted = bool(comment.get("deleted"))
    page = f"{call.web_url}/{repository.full_name}/pull-requests/{pull.number}"
    return {
        "type": "pullrequest_comment",
        "id": comment["id"],
        "deleted": deleted,
        "user": show_user(comment["user"]["login"]),
        "content": {"type": "rendered", "markup": "markdown", "raw": "" if deleted else comment["body"]},
        "created_on": comment["created_at"],
        "updated_on": comment["updated_at"],
        "links": {"html": {"href": f"{page}#comment-{comment['id']}"}},
    }


def _comment(call: Call, pull: Pull) -> Json:
    number = call.request.match_info["comment"]
    for comment in pull.comments:
        if str(comment["id"]) == number:
            return comment
    raise not_found("Comment")


def _comment_text(call: Call) -> str:
    content = call.body.get("content")
    text = content.get("raw") if isinstance(content, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise refused(400, "content: This field is required.")
    if len(text) > _COMMENT_LIMIT:
        raise refused(400, f"content.raw: Ensure this value has at most {_COMMENT_LIMIT} characters")
    return text


def _branch(body: Json, side: str) -> str:
    named = body.get(side)
    branch = named.get("branch") if isinstance(named, dict) else None
    return str(branch.get("name", "")) if isinstance(branch, dict) else ""


ROUTES = (
    ("GET", "/pullrequests", list_pulls),
    ("POST", "/pullrequests", create_pull),
    ("GET", "/pullrequests/{number}", read_pull),
    ("PUT", "/pullrequests/{number}", change_pull),
    ("POST", "/pullrequests/{number}/merge", merge_pull),
    ("GET", "/pullrequests/{number}/merge/task-status/{task}", merge_status),
    ("POST", "/pullrequests/{number}/decline", decline_pull),
    ("GET", "/pullrequests/{number}/diffstat", redirect_to_diffstat),
    ("GET", "/diffstat/{spec:.+}", diffstat),
    ("GET", "/pullrequests/{number}/comments", list_comments),
    ("POST", "/pullrequests/{number}/comments", create_comment),
    ("GET", "/pullrequests/{number}/comments/{comment}", read_comment),
    ("PUT", "/pullrequests/{number}/comments/{comment}", change_comment),
)
