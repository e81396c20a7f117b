"""Labels, comments and events of pull requests, and labels of a repository."""

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_http import Call, not_found, refused
from deploy.local.sandbox.github_pulls import show_user
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.remarks import changed_since, react_to
from deploy.local.sandbox.replies import Json, Reply

_LABEL_NAME_LIMIT = 50
_LABEL_DESCRIPTION_LIMIT = 100
_COMMENT_LIMIT = 65_536


def list_labels(call: Call) -> Reply:
    repository = call.repository()
    page, headers = call.paged([repository.label(name) for name in call.pull(repository).labels])
    return Reply(body=list(page), headers=headers)


def add_labels(call: Call) -> Reply:
    """Add to what is there; labels that the repository misses are created in grey."""
    call.want("pull_requests", "write")
    repository = call.repository()
    pull = call.pull(repository)
    changed = [call.state.add_label(repository, pull, name, actor=call.actor) for name in _names(call)]
    return Reply(body=_labels(repository, pull), took_effect=any(changed))


def replace_labels(call: Call) -> Reply:
    call.want("pull_requests", "write")
    repository = call.repository()
    pull, wanted = call.pull(repository), _names(call)
    keep = {name.lower() for name in wanted}
    for name in [name for name in pull.labels if name.lower() not in keep]:
        call.state.remove_label(repository, pull, name, actor=call.actor)
    for name in wanted:
        call.state.add_label(repository, pull, name, actor=call.actor)
    return Reply(body=_labels(repository, pull))


def remove_label(call: Call) -> Reply:
    call.want("pull_requests", "write")
    repository = call.repository()
    pull = call.pull(repository)
    if not call.state.remove_label(repository, pull, call.request.match_info["name"], actor=call.actor):
        raise refused(404, "Label does not exist")
    return Reply(body=_labels(repository, pull))


def clear_labels(call: Call) -> Reply:
    call.want("pull_requests", "write")
    repository = call.repository()
    pull = call.pull(repository)
    for name in list(pull.labels):
        call.state.remove_label(repository, pull, name, actor=call.actor)
    return Reply(status=204)


def list_repository_labels(call: Call) -> Reply:
    page, headers = call.paged(list(call.repository().labels.values()))
    return Reply(body=list(page), headers=headers)


def read_repository_label(call: Call) -> Reply:
    label = call.repository().label(call.request.match_info["name"])
    if label is None:
        raise not_found()
    return Reply(body=label)


def create_repository_label(call: Call) -> Reply:
    call.want("issues", "write")
    repository, name = call.repository(), str(call.body.get("name") or "")
    problem = {"resource": "Label", "field": "name"}
    if not name:
        raise refused(422, "Validation Failed", errors=[{**problem, "code": "missing_field"}])
    if repository.label(name) is not None:
        raise refused(422, "Validation Failed", errors=[{**problem, "code": "already_exists"}])
    if len(name) > _LABEL_NAME_LIMIT:
        raise refused(
            422,
            "Validation Failed",
            errors=[{**problem, "code": "custom", "message": "name is too long (maximum is 50 characters)"}],
        )
    description = call.body.get("description")
    if description and len(description) > _LABEL_DESCRIPTION_LIMIT:
        raise refused(
            422,
            "Validation Failed",
            errors=[
                {
                    "resource": "Label",
                    "field": "description",
                    "code": "custom",
                    "message": "description is too long (maximum is 100 characters)",
                }
            ],
        )
    color = str(call.body.get("color") or "ededed")
    if color.startswith("#"):
        raise refused(422, "Validation Failed", errors=[{"resource": "Label", "field": "color", "code": "invalid"}])
    label = repository.create_label(name=name, color=color, description=description, number=call.state.next_number())
    return Reply(status=201, body=label)


def list_comments(call: Call) -> Reply:
    found = changed_since(call.pull(call.repository()).comments, call.request.query.get("since"))
    page, headers = call.paged(found)
    return Reply(body=list(page), headers=headers)


def create_comment(call: Call) -> Reply:
    call.want("pull_requests", "write")
    repository = call.repository()
    pull, now = call.pull(repository), timestamp(call.state.clock.now())
    number = call.state.next_number()
    comment: Json = {
        "id": number,
        "url": f"{call.api_url}/repos/{repository.full_name}/issues/comments/{number}",
        "html_url": f"{call.web_url}/{repository.full_name}/pull/{pull.number}#issuecomment-{number}",
        "body": _comment_text(call),
        "user": show_user(call, call.actor),
        "created_at": now,
        "updated_at": now,
    }
    pull.comments.append(comment)
    return Reply(status=201, body=comment, headers={"Location": comment["url"]})


def change_comment(call: Call) -> Reply:
    call.want("pull_requests", "write")
    comment = _comment(call)[1]
    comment["body"], comment["updated_at"] = _comment_text(call), timestamp(call.state.clock.now())
    return Reply(body=comment)


def read_comment(call: Call) -> Reply:
    return Reply(body=_comment(call)[1])


def delete_comment(call: Call) -> Reply:
    call.want("pull_requests", "write")
    pull, comment = _comment(call)
    pull.comments.remove(comment)
    return Reply(status=204)


def list_events(call: Call) -> Reply:
    page, headers = call.paged(call.pull(call.repository()).events)
    return Reply(body=list(page), headers=headers)


def read_permission(call: Call) -> Reply:
    """Return a person's right on the repository; people who are no collaborators have `none`."""
    login = call.request.match_info["login"]
    permission = call.repository().collaborators.get(login, "none")
    return Reply(body={"permission": permission, "role_name": permission, "user": show_user(call, login)})


def read_membership(call: Call) -> Reply:
    """Return a person's membership of a team of the organization."""
    team, login = call.request.match_info["team"], call.request.match_info["login"]
    if login not in call.state.teams.get(team, ()):
        raise not_found()
    return Reply(body={"state": "active", "role": "member"})


def react(call: Call) -> Reply:
    return react_to(_comment(call)[1], call.actor, str(call.body.get("content")))


def _labels(repository: Repository, pull: Pull) -> list[Json | None]:
    return [repository.label(name) for name in pull.labels]


def _names(call: Call) -> list[str]:
    names = call.body.get("labels")
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise refused(
            422, "Validation Failed", errors=[{"resource": "Label", "field": "name", "code": "missing_field"}]
        )
    if any(len(name) > _LABEL_NAME_LIMIT for name in names):
        raise refused(422, "Validation Failed", errors=[{"resource": "Label", "field": "name", "code": "invalid"}])
    return names


def _comment(call: Call) -> tuple[Pull, Json]:
    number = call.number("comment")
    for pull in call.repository().pulls.values():
        for comment in pull.comments:
            if comment["id"] == number:
                return pull, comment
    raise not_found()


def _comment_text(call: Call) -> str:
    text = call.body.get("body")
    if not isinstance(text, str) or not text.strip():
        raise refused(
            422, "Validation Failed", errors=[{"resource": "IssueComment", "field": "body", "code": "missing_field"}]
        )
    if len(text) > _COMMENT_LIMIT:
        raise refused(
            422,
            "Validation Failed",
            errors=[
                {
                    "resource": "IssueComment",
                    "field": "body",
                    "code": "unprocessable",
                    "message": "body is too long (maximum is 65536 characters)",
                }
            ],
        )
    return text
