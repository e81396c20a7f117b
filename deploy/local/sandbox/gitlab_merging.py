"""Listing, opening and merging merge requests at the GitLab stand-in.

Source: GitLab's REST documentation, page "Merge requests API".
"""

from deploy.local.sandbox.gitlab_http import Call
from deploy.local.sandbox.gitlab_merge_requests import kept, pull_of, show
from deploy.local.sandbox.gitlab_rights import has_role, refused, require_role
from deploy.local.sandbox.replies import Reply


def list_all(call: Call) -> Reply:
    """List newest first unless asked otherwise; an unknown state is refused."""
    repository, query = call.repository(), call.request.query
    state = query.get("state", "all")
    if state not in ("opened", "closed", "merged", "locked", "all"):
        raise refused(400, "state does not have a valid value", key="error")
    found = [
        pull
        for pull in repository.pulls.values()
        if state in ("all", show(call, pull)["state"])
        and query.get("source_branch") in (None, pull.head_ref)
        and query.get("target_branch") in (None, pull.base_ref)
    ]
    order = query.get("order_by", "created_at")
    if order not in ("created_at", "updated_at"):
        raise refused(400, "order_by does not have a valid value", key="error")
    found.sort(key=lambda pull: (getattr(pull, order), pull.number), reverse=query.get("sort", "desc") == "desc")
    page, headers = call.paged(found)
    return Reply(body=[show(call, pull, listed=True) for pull in page], headers=headers)


def create(call: Call) -> Reply:
    """Open one, also where nothing would be merged; between two branches there is one at a time."""
    require_role(call.user, "developer")
    repository, body = call.repository(), call.body
    head, base, title = (str(body.get(name) or "") for name in ("source_branch", "target_branch", "title"))
    if not head or not base or not title:
        raise refused(400, "source_branch is missing, target_branch is missing, title is missing", key="error")
    graph = repository.graph
    if missing := [branch for branch in (head, base) if branch not in graph.branches]:
        raise refused(400, [f'Branch "{branch}" does not exist' for branch in missing])
    there = [pull for pull in repository.pulls.values() if (pull.head_ref, pull.base_ref) == (head, base)]
    if duplicate := next((pull for pull in there if pull.state == "open"), None):
        raise refused(409, [f"Another open merge request already exists for this source branch: !{duplicate.number}"])
    head_sha, base_sha = graph.branches[head], graph.branches[base]
    comparison = graph.compare(base_sha, head_sha)
    since = comparison.merge_base if comparison is not None else base_sha
    pull = call.sandbox.github.add_pull(
        repository,
        {
            "number": max(repository.pulls, default=0) + 1,
            "title": title,
            "body": kept(body.get("description")),
            "author": call.actor,
            "draft": title.startswith("Draft:"),
            "head": {"ref": head, "sha": head_sha},
            "base": {"ref": base, "sha": base_sha},
            "files": list(graph.changed_between(since, head_sha)),
        },
    )
    return Reply(status=201, body=show(call, pull))


def merge(call: Call) -> Reply:
    """Merge in the host's order of checks: the right to, the head, whether it may be merged."""
    repository, pull = pull_of(call)
    body = call.body
    if not has_role(call.user, "developer"):
        raise refused(401, "401 Unauthorized")
    if body.get("sha") not in (None, pull.head_sha):
        raise refused(409, "SHA does not match HEAD of source branch")
    if pull.state != "open" or pull.draft:
        raise refused(405, "405 Method Not Allowed")
    if "merge_commit_message" in body and not body["merge_commit_message"]:
        raise refused(422, "Branch cannot be merged")
    squash = body.get("squash") is True
    message = str(body.get("squash_commit_message" if squash else "merge_commit_message") or "")
    sha = call.sandbox.github.merge(
        repository, pull, actor=call.actor, method="squash" if squash else "merge", message=message
    )
    call.sandbox.push(repository, pull.base_ref, sha)
    return Reply(body=show(call, pull))
