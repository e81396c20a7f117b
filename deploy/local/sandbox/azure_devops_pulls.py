"""Pull requests of the Azure DevOps stand-in, with their labels and changed files."""

from typing import Any

from deploy.local.sandbox.azure_devops_http import Call, invalid, listed, refused
from deploy.local.sandbox.azure_devops_state import identifier
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.replies import Json, Reply

_BRANCHES = "refs/heads/"
_DESCRIPTION_LIMIT = 4000
_METHODS = {"": "merge", "noFastForward": "merge", "rebaseMerge": "merge", "squash": "squash", "rebase": "rebase"}


def show_person(login: str) -> Json:
    return {"id": identifier("person", login), "displayName": login.title(), "uniqueName": login}


def show_pull(call: Call, repository: Repository, pull: Pull, *, in_list: bool = False) -> Json:
    """Render a pull request; one that is asked for by its number comes without labels."""
    queued = call.state.is_queued(repository, pull)
    merged = pull.merged_at is not None
    status = "completed" if merged else "active" if pull.state == "open" else "abandoned"
    shown: Json = {
        "repository": show_repository(call, repository),
        "pullRequestId": pull.number,
        "codeReviewId": pull.number,
        "status": status,
        "createdBy": show_person(pull.author),
        "creationDate": timestamp(pull.created_at),
        **({"closedDate": timestamp(pull.closed_at)} if pull.closed_at is not None else {}),
        "title": pull.title,
        "description": pull.body,
        "sourceRefName": f"{_BRANCHES}{pull.head_ref}",
        "targetRefName": f"{_BRANCHES}{pull.base_ref}",
        "mergeStatus": "queued" if queued else "succeeded",
        "isDraft": pull.draft,
        "lastMergeSourceCommit": {"commitId": pull.head_sha},
        "lastMergeTargetCommit": {"commitId": pull.base_sha},
        "supportsIterations": True,
    }
    if not queued:
        # Of one that is open it is a test merge, which no branch contains.
        shown["lastMergeCommit"] = {"commitId": pull.merge_sha or pull.head_sha[::-1]}
    if in_list:
        shown["labels"] = [_show_label(name) for name in pull.labels]
    return shown


def show_repository(call: Call, repository: Repository) -> Json:
    return {
        "id": identifier("repository", repository.full_name),
        "name": repository.name,
        "project": {"id": identifier("project", repository.owner), "name": repository.owner, "state": "wellFormed"},
        "defaultBranch": f"{_BRANCHES}{repository.default_branch}",
        "remoteUrl": f"{call.url}/{repository.owner}/_git/{repository.name}",
        "webUrl": f"{call.url}/{repository.owner}/_git/{repository.name}",
        "isDisabled": False,
    }


def read_repository(call: Call) -> Reply:
    return Reply(body=show_repository(call, call.repository()))


def ask_permission(call: Call) -> Reply:
    """Answer whether the account holds a permission, by its bit."""
    name = {"4": "GenericContribute", "16384": "PullRequestContribute"}.get(call.request.match_info["bit"], "")
    return listed([call.rights is None or name in call.rights])


def read_connection(call: Call) -> Reply:
    if "-preview" not in call.request.query["api-version"]:
        message = "The requested version of the resource is under preview. The -preview flag must be supplied."
        raise refused(400, message, "VssInvalidPreviewVersionException")
    person = {"id": identifier("person", call.actor), "providerDisplayName": call.actor}
    return Reply(body={"authenticatedUser": person, "authorizedUser": person, "deploymentType": "hosted"})


def read_pull(call: Call) -> Reply:
    repository = call.repository()
    return Reply(body=show_pull(call, repository, call.pull(repository)))


def list_pulls(call: Call) -> Reply:
    repository, query = call.repository(), call.request.query
    wanted = query.get("searchCriteria.status", "active")
    shown = [show_pull(call, repository, pull, in_list=True) for pull in reversed(repository.pulls.values())]
    found = [
        pull
        for pull in shown
        if wanted in ("all", pull["status"])
        and query.get("searchCriteria.sourceRefName", pull["sourceRefName"]) == pull["sourceRefName"]
        and query.get("searchCriteria.targetRefName", pull["targetRefName"]) == pull["targetRefName"]
    ]
    return listed(call.paged(found))


def create_pull(call: Call) -> Reply:
    call.want("PullRequestContribute")
    repository = call.repository()
    head, base = _branch(call, repository, "sourceRefName"), _branch(call, repository, "targetRefName")
    if not call.text("title").strip():
        raise invalid("A title is required to create a pull request.")
    _check_description(call)
    for pull in repository.pulls.values():
        if pull.state == "open" and (pull.head_ref, pull.base_ref) == (head, base):
            message = "TF401179: An active pull request for the source and target branch already exists."
            raise refused(409, message, "GitPullRequestExistsException")
    head_sha, base_sha = repository.graph.branches[head], repository.graph.branches[base]
    comparison = repository.graph.compare(base_sha, head_sha)
    files = repository.graph.changed_between(comparison.merge_base, head_sha) if comparison else {}
    made = {
        "number": max(repository.pulls, default=0) + 1,
        "title": call.text("title"),
        "body": call.text("description"),
        "author": call.actor,
        "head": {"ref": head, "sha": head_sha},
        "base": {"ref": base, "sha": base_sha},
        "files": list(files),
    }
    return Reply(status=201, body=show_pull(call, repository, call.sandbox.github.add_pull(repository, made)))


def change_pull(call: Call) -> Reply:
    """Change a title or a description, abandon, or begin to complete; completing goes on after the answer."""
    call.want("PullRequestContribute")
    repository = call.repository()
    pull, status = call.pull(repository), call.text("status")
    if pull.state != "open" and status != "active":
        raise invalid(
            "TF401181: The pull request cannot be edited due to its state.", "GitPullRequestNotEditableException"
        )
    if status == "completed":
        _complete(call, repository, pull)
    elif status == "abandoned":
        pull.state, pull.closed_at = "closed", call.sandbox.clock.now()
    elif call.text("sourceRefName") or call.body.get("lastMergeSourceCommit"):
        raise invalid("Invalid pull request update.")
    else:
        _check_description(call)
        pull.title = call.text("title") or pull.title
        pull.body = call.body.get("description", pull.body)
    return Reply(body=show_pull(call, repository, pull))


def _complete(call: Call, repository: Repository, pull: Pull) -> None:
    expected = call.text("lastMergeSourceCommit", "commitId")
    if len(expected) != 40:
        raise invalid("Parameter name: You must specify a valid LastMergeSourceCommit to perform this operation.")
    if expected != pull.head_sha:
        message = "TF401192: The source branch has been modified since the last merge attempt."
        raise refused(409, message, "GitPullRequestStaleException")
    method = _METHODS.get(call.text("completionOptions", "mergeStrategy"))
    if method is None:
        raise invalid("The merge strategy is not known.")
    message = call.text("completionOptions", "mergeCommitMessage")
    call.state.complete(repository, pull, actor=call.actor, method=method, message=message)


def list_labels(call: Call) -> Reply:
    return listed([_show_label(name) for name in call.pull(call.repository()).labels])


def add_label(call: Call) -> Reply:
    call.want("PullRequestContribute")
    repository, name = call.repository(), call.text("name")
    if not name.strip() or any(sign in name for sign in ",;"):
        raise invalid("The label name is not valid.", "GitPullRequestLabelNameInvalid")
    pull = call.pull(repository)
    changed = call.sandbox.github.add_label(repository, pull, name, actor=call.actor)
    label = repository.label(name) or {"name": name}
    return Reply(body=_show_label(str(label["name"])), took_effect=changed)


def remove_label(call: Call) -> Reply:
    """Take a label off, by id or name; a name with a slash is no part of a path that the host knows."""
    call.want("PullRequestContribute")
    repository, wanted = call.repository(), call.request.match_info["label"]
    pull = call.pull(repository)
    for name in pull.labels:
        if wanted in (name, identifier("label", name)):
            call.sandbox.github.remove_label(repository, pull, name, actor=call.actor)
            return Reply()
    raise refused(404, "The label was not found.", "GitPullRequestLabelNotFoundException")


def list_iterations(call: Call) -> Reply:
    pull = call.pull(call.repository())
    return listed([{"id": 1, "sourceRefCommit": {"commitId": pull.head_sha}, "reason": "create"}])


def list_changes(call: Call) -> Reply:
    files = call.pull(call.repository()).files
    page = call.paged(files)
    begin = int(call.request.query.get("$skip", "0"))
    entries = [
        {"changeTrackingId": number, "changeId": number, "item": {"path": f"/{path}"}, "changeType": "edit"}
        for number, path in enumerate(page, start=begin + 1)
    ]
    body: Json = {"changeEntries": entries, "nextSkip": 0, "nextTop": 0}
    if begin + len(page) < len(files):
        body |= {"nextSkip": begin + len(page), "nextTop": len(page)}
    return Reply(body=body)


def _show_label(name: str) -> Json:
    return {"id": identifier("label", name), "name": name, "active": True}


def _branch(call: Call, repository: Repository, field: str) -> str:
    name = call.text(field)
    if not name.startswith(_BRANCHES) or name.removeprefix(_BRANCHES) not in repository.graph.branches:
        message = "TF401398: The pull request cannot be activated because the source and/or the target branch no longer"
        raise invalid(
            f"{message} exists, or the requested set of changes is not valid", "GitPullRequestCannotBeActivated"
        )
    return name.removeprefix(_BRANCHES)


def _check_description(call: Call) -> None:
    found: Any = call.body.get("description")
    if isinstance(found, str) and len(found) > _DESCRIPTION_LIMIT:
        raise invalid(f"The pull request description must be {_DESCRIPTION_LIMIT} characters or fewer.")
