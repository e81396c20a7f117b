"""Commits of the GitLab stand-in, their common ancestors, and their statuses, each of which is a state machine.

Source: GitLab's REST documentation, pages "Commits API" and "Repositories API".
"""

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.gitlab_http import Call
from deploy.local.sandbox.gitlab_merge_requests import show_user
from deploy.local.sandbox.gitlab_rights import refused, require_role
from deploy.local.sandbox.gitlab_state import Pipeline
from deploy.local.sandbox.replies import Json, Reply

_TEXT_LIMIT = 255
_ACTIVE = ("pending", "running")
# From which states each is reached, and what the host calls the way; `created` is where a new one begins.
_EVENTS = {
    "pending": ("enqueue", ("created",)),
    "running": ("run", ("created", "pending")),
    "success": ("success", ("created", *_ACTIVE)),
    "failed": ("drop", ("created", *_ACTIVE)),
    "canceled": ("cancel", ("created", *_ACTIVE)),
    "skipped": ("skip", ("created", "pending")),
}


def show_commit(call: Call, repository: Repository, sha: str) -> Json:
    commit = repository.graph.commits[sha]
    return {
        "id": sha,
        "short_id": sha[:8],
        "title": commit.message.partition("\n")[0],
        "message": commit.message,
        "author_name": commit.author,
        "parent_ids": list(commit.parents),
        "web_url": f"{call.web_url}/{repository.full_name}/-/commit/{sha}",
    }


def read_one(call: Call) -> Reply:
    """Read a commit by its hash, an abbreviation that fits one alone, a branch or a tag."""
    require_role(call.user, "reporter")
    repository = call.repository()
    sha = repository.graph.resolve(call.request.match_info["sha"])
    if sha is None:
        raise refused(404, "404 Commit Not Found")
    return Reply(body=show_commit(call, repository, sha))


def read_merge_base(call: Call) -> Reply:
    require_role(call.user, "reporter")
    repository, asked = call.repository(), call.request.query.getall("refs[]", [])
    if len(asked) < 2:
        raise refused(400, "Provide at least 2 refs")
    found = {ref: repository.graph.resolve(ref) for ref in asked}
    if unknown := [ref for ref, sha in found.items() if sha is None]:
        raise refused(400, f"Could not find {'refs' if len(unknown) > 1 else 'ref'}: {', '.join(unknown)}")
    base, head = (str(found[ref]) for ref in asked[:2])
    comparison = repository.graph.compare(base, head)
    if comparison is None:
        raise refused(404, "404 Merge Base Not Found")
    return Reply(body=show_commit(call, repository, comparison.merge_base))


def list_statuses(call: Call) -> Reply:
    """List the newest of each name, oldest first; with `all` those before them too."""
    repository, query, sha = call.repository(), call.request.query, call.request.match_info["sha"]
    if sha not in repository.graph.commits:
        raise refused(404, "404 Commit Not Found")
    rows = repository.statuses.get(sha, [])
    if query.get("all") not in ("true", "1"):
        rows = list({(row["context"], row.get("ref")): row for row in rows}.values())
    wanted = [
        row
        for row in rows
        if query.get("ref") in (None, row.get("ref")) and query.get("name") in (None, row["context"])
    ]
    page, headers = call.paged(sorted(wanted, key=lambda row: int(row["id"])))
    return Reply(body=[_show_status(sha, row) for row in page], headers=headers)


def create_status(call: Call) -> Reply:
    """Move the status of this user, name and ref that has not ended, or begin a new one."""
    require_role(call.user, "developer")
    repository, body, sha = call.repository(), call.body, call.request.match_info["sha"]
    state, name = body.get("state"), str(body.get("name") or body.get("context") or "default")
    if state not in _EVENTS:
        raise refused(400, "state does not have a valid value", key="error")
    if sha not in repository.graph.commits:
        raise refused(404, "404 Commit Not Found")
    pipeline = _pipeline_of(call, sha, body.get("ref"))
    ref = body.get("ref") or (pipeline.ref if pipeline is not None else _branch_with(repository, sha))
    _check_texts(name, body)
    rows = repository.statuses.setdefault(sha, [])
    same = [row for row in rows if (row["context"], row.get("ref"), row.get("user")) == (name, ref, call.actor)]
    row = next((row for row in same if row["state"] in _ACTIVE), None)
    event, origins = _EVENTS[str(state)]
    if row is not None and row["state"] not in origins:
        reason = f'(Reason(s): Status cannot transition via "{event}")'
        raise refused(400, f"Cannot transition status via :{event} from :{row['state']} {reason}")
    if row is None:
        row = {"id": call.sandbox.github.next_number(), "context": name, "ref": ref, "user": call.actor}
        row |= {"description": None, "target_url": None, "created_at": timestamp(call.sandbox.clock.now())}
        rows.append(row)
        if pipeline is not None:
            pipeline.external.append(row)
    row["state"] = state
    row.update({key: body[key] for key in ("description", "target_url") if key in body})
    return Reply(status=201, body=_show_status(sha, row))


def _pipeline_of(call: Call, sha: str, ref: str | None) -> Pipeline | None:
    """Return the commit's newest pipeline, of which a status becomes a job; None where the host makes an own one."""
    fitting = [
        pipeline
        for pipeline in call.project().pipelines.values()
        if pipeline.sha == sha and ref in (None, pipeline.ref)
    ]
    return fitting[-1] if fitting else None


def _branch_with(repository: Repository, sha: str) -> str:
    """Return the first branch that holds a commit, where no ref is named."""
    graph = repository.graph
    found = sorted(branch for branch, tip in graph.branches.items() if sha in graph.contained_in(tip))
    if not found:
        raise refused(404, "404 References for commit Not Found")
    return found[0]


def _check_texts(name: str, body: Json) -> None:
    for key, text in (("name", name), *((key, body.get(key)) for key in ("description", "target_url"))):
        if text is not None and len(str(text)) > _TEXT_LIMIT:
            raise refused(400, {key: ["is too long (maximum is 255 characters)"]})
    url = body.get("target_url")
    if url is not None and not str(url).startswith(("http://", "https://")):
        raise refused(400, {"target_url": ["is blocked: Only allowed schemes are http, https"]})


def _show_status(sha: str, row: Json) -> Json:
    return {
        "id": row["id"],
        "sha": sha,
        "ref": row.get("ref"),
        "status": row["state"],
        "name": row["context"],
        "target_url": row["target_url"],
        "description": row["description"],
        "created_at": row["created_at"],
        "author": show_user(row.get("user", "")),
        "allow_failure": False,
    }
