"""Merge requests and labels of the GitLab stand-in.

Source: GitLab's REST documentation, pages "Merge requests API" and "Labels API".
"""

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.gitlab_http import Call
from deploy.local.sandbox.gitlab_rights import has_role, refused, require_role
from deploy.local.sandbox.replies import Json, Reply

_CHANGEABLE = ("title", "description", "target_branch", "state_event", "labels", "add_labels", "remove_labels")


def show_user(login: str) -> Json:
    return {"id": sum(login.encode()), "username": login, "name": login.title(), "state": "active"}


def pull_of(call: Call) -> tuple[Repository, Pull]:
    """Find the merge request that is asked for."""
    repository, iid = call.repository(), call.request.match_info["iid"]
    pull = repository.pulls.get(int(iid)) if iid.isdigit() else None
    if pull is None:
        raise refused(404, "404 Not found")
    return repository, pull


def show(call: Call, pull: Pull, *, listed: bool = False) -> Json:
    """Render a merge request; list items are without what only a single read computes."""
    project = call.project()
    merged = pull.merged_at is not None
    shown: Json = {
        "id": project.identifier * 100_000 + pull.number,
        "iid": pull.number,
        "project_id": project.identifier,
        "title": pull.title,
        "description": pull.body,
        "state": "merged" if merged else "opened" if pull.state == "open" else "closed",
        "created_at": timestamp(pull.created_at),
        "updated_at": timestamp(pull.updated_at),
        "merged_at": timestamp(pull.merged_at) if pull.merged_at is not None else None,
        "closed_at": timestamp(pull.closed_at) if pull.closed_at is not None and not merged else None,
        "target_branch": pull.base_ref,
        "source_branch": pull.head_ref,
        "source_project_id": project.identifier,
        "target_project_id": project.identifier,
        "author": show_user(pull.author),
        "labels": list(pull.labels),
        "draft": pull.draft,
        "sha": pull.head_sha,
        "merge_commit_sha": pull.merge_sha,
        "squash_commit_sha": None,
        "detailed_merge_status": "not_open" if merged else "draft_status" if pull.draft else "mergeable",
        "web_url": f"{call.web_url}/{project.path}/-/merge_requests/{pull.number}",
    }
    if not listed:
        shown["changes_count"] = str(len(pull.files))
        shown["diff_refs"] = {"base_sha": pull.base_sha, "head_sha": pull.head_sha, "start_sha": pull.base_sha}
        shown["merge_error"] = None
    return shown


def read_one(call: Call) -> Reply:
    return Reply(body=show(call, pull_of(call)[1]))


def list_diffs(call: Call) -> Reply:
    page, headers = call.paged(pull_of(call)[1].files)
    diffs = [
        {
            "old_path": path,
            "new_path": path,
            "diff": "@@ -1 +1 @@\n-old\n+new\n",
            "new_file": False,
            "renamed_file": False,
            "deleted_file": False,
        }
        for path in page
    ]
    return Reply(body=diffs, headers=headers)


def change(call: Call) -> Reply:
    """Change what is given, and nothing else; labels by difference or as a whole."""
    repository, pull = pull_of(call)
    require_role(call.user, "reporter")
    body = call.body
    if not any(name in body for name in _CHANGEABLE):
        raise refused(
            400, f"{', '.join(_CHANGEABLE)} are missing, at least one parameter must be provided", key="error"
        )
    pull.title = str(body.get("title", pull.title))
    pull.body = kept(body["description"]) if "description" in body else pull.body
    pull.base_ref = str(body.get("target_branch", pull.base_ref))
    if "labels" in body:
        _remove(call, pull, [name for name in pull.labels if name not in _names(body["labels"])])
    _add(call, repository, pull, [*_names(body.get("labels")), *_names(body.get("add_labels"))])
    _remove(call, pull, _names(body.get("remove_labels")))
    _change_state(call, pull, body.get("state_event"))
    pull.updated_at = call.sandbox.clock.now()
    return Reply(body=show(call, pull))


def create_label(call: Call) -> Reply:
    require_role(call.user, "reporter")
    repository, name, color = call.repository(), str(call.body.get("name") or ""), str(call.body.get("color") or "")
    if not name or not color:
        raise refused(400, "name is missing" if not name else "color is missing", key="error")
    if _has_label(repository, name):
        raise refused(409, "Label already exists")
    if not color.startswith("#"):
        raise refused(400, {"color": ["must be a valid color code"]})
    if "," in name:
        raise refused(400, {"title": ["is invalid"]})
    label = repository.create_label(
        name=name,
        color=color,
        description=call.body.get("description"),
        number=call.sandbox.github.next_number(),
    )
    return Reply(status=201, body={**label, "color": color})


def kept(description: object) -> str | None:
    """Return a description as the host stores it, once it has looked for quick actions."""
    return description.replace("\r", "").rstrip() if isinstance(description, str) else None


def _add(call: Call, repository: Repository, pull: Pull, names: list[str]) -> None:
    """Add labels by their exact names; one that the project misses is created for those who may, else left out."""
    for name in names:
        if name in pull.labels or (not _has_label(repository, name) and not has_role(call.user, "reporter")):
            continue
        if not _has_label(repository, name):
            repository.create_label(name=name, number=call.sandbox.github.next_number())
        pull.labels.append(name)
        label: Json = {"name": name, "color": "1d76db"}
        call.sandbox.github.record_event(pull, "labeled", actor=call.actor, label=label)


def _remove(call: Call, pull: Pull, names: list[str]) -> None:
    for name in names:
        if name in pull.labels:
            pull.labels.remove(name)
            label: Json = {"name": name, "color": "1d76db"}
            call.sandbox.github.record_event(pull, "unlabeled", actor=call.actor, label=label)


def _has_label(repository: Repository, name: str) -> bool:
    return any(label["name"] == name for label in repository.labels.values())


def _names(given: object) -> list[str]:
    parts = given if isinstance(given, list) else str(given or "").split(",")
    return [name for part in parts if (name := str(part).strip())]


def _change_state(call: Call, pull: Pull, event: object) -> None:
    if event not in (None, "close", "reopen"):
        raise refused(400, "state_event does not have a valid value", key="error")
    if event is None or pull.merged_at is not None:
        return
    pull.state = "closed" if event == "close" else "open"
    pull.closed_at = call.sandbox.clock.now() if event == "close" else None
    call.sandbox.github.record_event(pull, "closed" if event == "close" else "reopened", actor=call.actor)
