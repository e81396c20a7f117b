"""Pull requests of the Bitbucket Data Center stand-in: read, list, create, change, merge, decline, and comments."""

from collections.abc import Sequence

from deploy.local.sandbox.bitbucket_data_center_http import Call, not_found, refused
from deploy.local.sandbox.clock import parse_timestamp, timestamp
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.remarks import answers_to, react_to
from deploy.local.sandbox.replies import Json, RefusedError, Reply

_COMMENT_LIMIT = 32_768
_ACTIVITIES_PAGE = 500
_CHANGES_PAGE = 1000
_STRATEGIES = ("no-ff", "ff", "ff-only", "rebase-no-ff", "rebase-ff-only", "squash", "squash-ff-only")


def show_pull(call: Call, repository: Repository, pull: Pull) -> Json:
    state = state_of(pull)
    return {
        "id": pull.number,
        "version": pull.version,
        "title": pull.title,
        "description": pull.body or "",
        "state": state,
        "open": state == "OPEN",
        "closed": state != "OPEN",
        "draft": pull.draft,
        "createdDate": int(pull.created_at * 1000),
        "updatedDate": int(pull.updated_at * 1000),
        **({"closedDate": int(pull.closed_at * 1000)} if pull.closed_at is not None else {}),
        "fromRef": _ref(repository, pull.head_ref, pull.head_sha),
        "toRef": _ref(repository, pull.base_ref, pull.base_sha),
        "author": {"user": show_user(pull.author), "role": "AUTHOR"},
        "reviewers": [{"user": show_user(login), "role": "REVIEWER"} for login in pull.reviewers],
        "participants": [],
        "properties": {"mergeCommit": {"id": pull.merge_sha}} if pull.merge_sha else {},
        "links": {"self": [{"href": f"{_page(call, repository)}/pull-requests/{pull.number}"}]},
    }


def show_user(login: str) -> Json:
    return {"name": login, "slug": login, "id": sum(login.encode()), "displayName": login.capitalize(), "active": True}


def state_of(pull: Pull) -> str:
    if pull.merged_at is not None:
        return "MERGED"
    return "OPEN" if pull.state == "open" else "DECLINED"


def read_pull(call: Call) -> Reply:
    repository = call.repository()
    return Reply(body=show_pull(call, repository, call.pull(repository)))


def list_pulls(call: Call) -> Reply:
    """List pull requests; `at` is the branch that they come from (OUTGOING) or go to."""
    repository, query = call.repository(), call.request.query
    state, branch = query.get("state", "OPEN"), query.get("at", "").removeprefix("refs/heads/")
    outgoing = query.get("direction", "INCOMING") == "OUTGOING"
    found = [
        pull
        for pull in sorted(repository.pulls.values(), key=lambda pull: pull.number)
        if state in ("ALL", state_of(pull)) and (not branch or branch == (pull.head_ref if outgoing else pull.base_ref))
    ]
    if query.get("order") != "OLDEST":
        found.reverse()
    return call.paged(found, lambda pull: show_pull(call, repository, pull))


def list_changes(call: Call) -> Reply:
    """List changed files; what is beyond one page is left out."""
    repository = call.repository()
    files = call.pull(repository).files[:_CHANGES_PAGE]
    return call.paged(files, _show_change, most=_CHANGES_PAGE)


def list_activities(call: Call) -> Reply:
    """List what happened, the newest first."""
    repository = call.repository()
    pull = call.pull(repository)
    found: list[Json] = [
        {
            "id": comment["id"],
            "action": "COMMENTED",
            "commentAction": "ADDED",
            "comment": _show_comment(comment, answers_to(pull.comments, comment)),
        }
        for comment in pull.comments
        if "answers" not in comment
    ]
    opened: Json = {"id": 0, "action": "OPENED", "user": show_user(pull.author)}
    merged: list[Json] = [{"id": -1, "action": "MERGED", "commit": {"id": pull.merge_sha}}] if pull.merge_sha else []
    return call.paged([*merged, *reversed(found), opened], lambda one: one, most=_ACTIVITIES_PAGE)


def create_pull(call: Call) -> Reply:
    repository, body = call.repository(), call.body
    head, base = _branch(body, "fromRef"), _branch(body, "toRef")
    for branch in (head, base):
        if branch not in repository.graph.branches:
            raise not_found("commit.NoSuchCommitException", f"Commit 'refs/heads/{branch}'")
    for pull in repository.pulls.values():
        if state_of(pull) == "OPEN" and (pull.head_ref, pull.base_ref) == (head, base):
            message = "Only one pull request may be open for a given source and target branch"
            existing = show_pull(call, repository, pull)
            raise refused(409, "pull.DuplicatePullRequestException", message, existingPullRequest=existing)
    head_sha, base_sha = repository.graph.branches[head], repository.graph.branches[base]
    comparison = repository.graph.compare(base_sha, head_sha)
    if comparison is None or comparison.ahead_by == 0:
        message = f"Branch refs/heads/{base} is already up-to-date with branch refs/heads/{head}"
        raise refused(409, "pull.EmptyPullRequestException", message)
    pull = call.state.add_pull(
        repository,
        {
            "number": max(repository.pulls, default=0) + 1,
            "title": str(body.get("title", "")),
            "body": body.get("description"),
            "author": call.account.login,
            "head": {"ref": head, "sha": head_sha},
            "base": {"ref": base, "sha": base_sha},
            "files": list(repository.graph.changed_between(comparison.merge_base, head_sha)),
        },
    )
    pull.version_head = head_sha
    return Reply(status=201, body=show_pull(call, repository, pull))


def change_pull(call: Call) -> Reply:
    """Change one of the version that is named; reviewers that are not sent back are taken off."""
    repository = call.repository()
    pull = call.pull(repository)
    _want_version(call, pull, call.body.get("version"))
    _want_open(pull)
    pull.title = str(call.body.get("title", pull.title))
    pull.body = call.body.get("description", pull.body)
    sent = {str(one.get("user", {}).get("name")) for one in call.body.get("reviewers") or []}
    pull.reviewers = [login for login in pull.reviewers if login in sent]
    _changed(call, pull)
    return Reply(body=show_pull(call, repository, pull))


def merge_pull(call: Call) -> Reply:
    repository = call.repository(write=True)
    pull = call.pull(repository)
    _want_version(call, pull, call.body.get("version", call.request.query.get("version", -1)))
    _want_open(pull)
    if call.body.get("strategyId", "no-ff") not in _STRATEGIES:
        raise refused(400, "pull.IllegalMergeStrategyException", "The strategy is not enabled")
    call.state.merge(repository, pull, actor=call.account.login)
    _changed(call, pull)
    return Reply(body=show_pull(call, repository, pull))


def decline_pull(call: Call) -> Reply:
    repository = call.repository()
    pull = call.pull(repository)
    _want_version(call, pull, call.body.get("version", call.request.query.get("version", -1)))
    _want_open(pull)
    pull.state, pull.closed_at = "closed", call.state.clock.now()
    _changed(call, pull)
    return Reply(body=show_pull(call, repository, pull))


def read_comment(call: Call) -> Reply:
    return Reply(body=_show_comment(_comment(call)))


def create_comment(call: Call) -> Reply:
    repository = call.repository()
    pull = call.pull(repository)
    comment: Json = {
        "id": call.state.next_number(),
        "body": _comment_text(call),
        "user": {"login": call.account.login},
        "version": 0,
        "created_at": (now := timestamp(call.state.clock.now())),
        "updated_at": now,
    }
    pull.comments.append(comment)
    return Reply(status=201, body=_show_comment(comment))


def change_comment(call: Call) -> Reply:
    comment = _comment(call)
    if comment["user"]["login"] != call.account.login:
        raise refused(401, "AuthorisationException", "You are not permitted to edit this comment")
    if call.body.get("version") != comment["version"]:
        raise refused(409, "comment.CommentOutOfDateException", "The comment was changed since it was read")
    comment["body"] = _comment_text(call)
    comment["version"] += 1
    comment["updated_at"] = timestamp(call.state.clock.now())
    return Reply(body=_show_comment(comment))


def _ref(repository: Repository, branch: str, sha: str) -> Json:
    return {
        "id": f"refs/heads/{branch}",
        "displayId": branch,
        "latestCommit": sha,
        "repository": {"slug": repository.name, "project": {"key": repository.owner.upper()}},
    }


def _page(call: Call, repository: Repository) -> str:
    return f"{call.web_url}/projects/{repository.owner.upper()}/repos/{repository.name}"


def _show_change(path: str) -> Json:
    parts = path.split("/")
    shown = {"components": parts, "parent": "/".join(parts[:-1]), "name": parts[-1], "toString": path}
    return {"type": "MODIFY", "nodeType": "FILE", "path": shown}


def _show_comment(comment: Json, answers: Sequence[Json] = ()) -> Json:
    return {
        "id": comment["id"],
        "version": comment.get("version", 0),
        "text": comment["body"],
        "author": show_user(comment["user"]["login"]),
        "createdDate": _milliseconds(comment["created_at"]),
        "updatedDate": _milliseconds(comment["updated_at"]),
        "comments": [_show_comment(one) for one in answers],
    }


def _milliseconds(moment: str) -> int:
    return int(parse_timestamp(moment) * 1000)


def react(call: Call) -> Reply:
    """React to a comment; the same reaction again changes nothing."""
    shown = react_to(_comment(call), call.account.login, call.request.match_info["emoticon"])
    return Reply(body=shown.body, took_effect=shown.took_effect)


def _comment(call: Call) -> Json:
    repository, number = call.repository(), call.request.match_info["comment"]
    for comment in call.pull(repository).comments:
        if str(comment["id"]) == number:
            return comment
    raise not_found("comment.NoSuchCommentException", f"Comment {number}")


def _comment_text(call: Call) -> str:
    text = call.body.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) >= _COMMENT_LIMIT:
        message = f"Please enter a non-empty value less than {_COMMENT_LIMIT} characters"
        raise RefusedError(Reply(status=400, body={"errors": [{"context": "text", "message": message}]}))
    return text


def _branch(body: Json, side: str) -> str:
    named = body.get(side)
    return str(named.get("id", "")).removeprefix("refs/heads/") if isinstance(named, dict) else ""


def _want_version(call: Call, pull: Pull, named: object) -> None:
    if str(named) != str(pull.version):
        message = "You are attempting to modify a pull request based on out-of-date information."
        raise refused(
            409, "pull.PullRequestOutOfDateException", message, currentVersion=named, expectedVersion=pull.version
        )


def _want_open(pull: Pull) -> None:
    if state_of(pull) != "OPEN":
        raise refused(409, "pull.IllegalPullRequestStateException", "This pull request is already closed")


def _changed(call: Call, pull: Pull) -> None:
    pull.version += 1
    pull.updated_at = call.state.clock.now()


ROUTES = (
    ("GET", "/pull-requests", list_pulls),
    ("POST", "/pull-requests", create_pull),
    ("GET", "/pull-requests/{number}", read_pull),
    ("PUT", "/pull-requests/{number}", change_pull),
    ("POST", "/pull-requests/{number}/merge", merge_pull),
    ("POST", "/pull-requests/{number}/decline", decline_pull),
    ("GET", "/pull-requests/{number}/changes", list_changes),
    ("GET", "/pull-requests/{number}/activities", list_activities),
    ("POST", "/pull-requests/{number}/comments", create_comment),
    ("GET", "/pull-requests/{number}/comments/{comment}", read_comment),
    ("PUT", "/pull-requests/{number}/comments/{comment}", change_comment),
)
