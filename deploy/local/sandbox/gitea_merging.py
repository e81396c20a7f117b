"""Open, change and merge pull requests."""

from deploy.local.sandbox.gitea_http import Call, not_found, refused
from deploy.local.sandbox.gitea_pulls import show_pull
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.replies import Reply

_STYLES = ("merge", "rebase", "rebase-merge", "squash", "fast-forward-only", "manually-merged")


def list_pulls(call: Call) -> Reply:
    repository, query = call.repository(), call.request.query
    wanted = query.get("state", "open")
    found = [pull for pull in repository.pulls.values() if wanted in ("all", pull.state)]
    if query.get("sort") == "recentupdate":
        found.sort(key=lambda pull: (pull.updated_at, pull.number), reverse=True)
    else:
        found.sort(key=lambda pull: pull.number, reverse=query.get("sort") != "oldest")
    page, headers = call.paged(found)
    return Reply(body=[show_pull(call, repository, pull) for pull in page], headers=headers)


def create_pull(call: Call) -> Reply:
    """Open one, also where nothing differs but the names of the branches."""
    repository, body = call.repository(), call.body
    head, base = str(body.get("head") or ""), str(body.get("base") or "")
    if head == base:
        raise refused(422, "Invalid PullRequest: There are no changes between the head and the base")
    head_sha, base_sha = _branch(repository, head), _branch(repository, base)
    for pull in repository.pulls.values():
        if pull.state == "open" and (pull.head_ref, pull.base_ref) == (head, base):
            where = f"head_branch: {head}, base_branch: {base}"
            raise refused(409, f"pull request already exists for these targets [id: {pull.number}, {where}]")
    comparison = repository.graph.compare(base_sha, head_sha)
    since = comparison.merge_base if comparison is not None else base_sha
    made = call.state.add_pull(
        repository,
        {
            "number": max(repository.pulls, default=0) + 1,
            "title": str(body.get("title") or ""),
            "body": body.get("body"),
            "author": call.account.login,
            "head": {"ref": head, "sha": head_sha},
            "base": {"ref": base, "sha": base_sha},
            "files": list(repository.graph.changed_between(since, head_sha)),
        },
    )
    return Reply(status=201, body=show_pull(call, repository, made))


def change_pull(call: Call) -> Reply:
    repository, body = call.repository(), call.body
    pull, now = call.pull(repository), call.state.clock.now()
    state = body.get("state")
    if state is not None and pull.merged_at is not None:
        raise refused(412, "cannot change state of this pull request, it was already merged")
    pull.title, pull.body = body.get("title", pull.title), body.get("body", pull.body)
    if state in ("open", "closed") and state != pull.state:
        pull.state, pull.closed_at = state, now if state == "closed" else None
        call.state.record_event(pull, "closed" if state == "closed" else "reopened", actor=call.account.login)
    pull.updated_at = now
    return Reply(status=201, body=show_pull(call, repository, pull))


def merge_pull(call: Call) -> Reply:
    """Merge; the answer is empty."""
    repository, body = call.repository(), call.body
    pull = call.pull(repository)
    style = str(body.get("Do") or "merge")
    if style not in _STYLES:
        raise refused(422, "[Do]: In")
    if pull.merged_at is not None:
        raise refused(405, "The PR is already merged")
    if pull.state != "open":
        raise not_found()
    if pull.draft:
        raise refused(405, "Work in progress PRs cannot be merged")
    if body.get("head_commit_id") not in (None, "", pull.head_sha):
        raise refused(409, "head out of date")
    texts = (str(body.get(name) or "").strip() for name in ("MergeTitleField", "MergeMessageField"))
    message = "\n\n".join(filter(None, texts))
    sha = call.state.merge(repository, pull, actor=call.account.login, method=style, message=message)
    call.sandbox.push(repository, pull.base_ref, sha)
    return Reply(status=200)


def _branch(repository: Repository, name: str) -> str:
    sha = repository.graph.branches.get(name)
    if sha is None:
        raise not_found()
    return sha
