"""Labels and comments of pull requests, and who calls."""

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.gitea_http import Call, not_found, refused, show_user
from deploy.local.sandbox.gitea_labels import Label
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.remarks import changed_since, react_to
from deploy.local.sandbox.replies import Json, Reply


def read_user(call: Call) -> Reply:
    return Reply(body=show_user(call, call.account.login))


def list_labels(call: Call) -> Reply:
    repository = call.repository()
    return Reply(body=show_labels(call, call.labels.on(repository, call.pull(repository))))


def add_labels(call: Call) -> Reply:
    """Add by ids or by names; names that do not exist are passed over, a name of several labels adds them all."""
    repository = call.repository()
    pull = call.pull(repository)
    changed = call.labels.put(
        repository, pull, [*call.labels.on(repository, pull), *_named(call, repository)], actor=call.account.login
    )
    return Reply(body=show_labels(call, call.labels.on(repository, pull)), took_effect=changed)


def replace_labels(call: Call) -> Reply:
    repository = call.repository()
    pull = call.pull(repository)
    changed = call.labels.put(repository, pull, _named(call, repository), actor=call.account.login)
    return Reply(body=show_labels(call, call.labels.on(repository, pull)), took_effect=changed)


def remove_label(call: Call) -> Reply:
    repository = call.repository()
    pull, number = call.pull(repository), call.number("label")
    if all(row.id != number for row in call.labels.of_repository(repository)):
        raise refused(422, "label does not exist [label_id: 0]")
    there = call.labels.on(repository, pull)
    changed = call.labels.put(repository, pull, [row for row in there if row.id != number], actor=call.account.login)
    return Reply(status=204, took_effect=changed)


def list_repository_labels(call: Call) -> Reply:
    page, headers = call.paged(call.labels.of_repository(call.repository()))
    return Reply(body=show_labels(call, list(page)), headers=headers)


def create_repository_label(call: Call) -> Reply:
    name, color = str(call.body.get("name") or ""), str(call.body.get("color") or "")
    if not name:
        raise refused(422, "[Name]: Required")
    description = str(call.body.get("description") or "")
    made = call.labels.create(call.repository(), name, color, description)
    return Reply(status=201, body=show_labels(call, [made])[0])


def list_comments(call: Call) -> Reply:
    """List all comments that changed since a moment at once: the host has no pages here."""
    comments = changed_since(call.pull(call.repository()).comments, call.request.query.get("since"))
    return Reply(body=comments, headers={"X-Total-Count": str(len(comments))})


def create_comment(call: Call) -> Reply:
    repository = call.repository()
    pull, now = call.pull(repository), timestamp(call.state.clock.now())
    number = call.state.next_number()
    comment: Json = {
        "id": number,
        "html_url": f"{call.web_url}/{repository.full_name}/pulls/{pull.number}#issuecomment-{number}",
        "body": _comment_text(call),
        "user": show_user(call, call.account.login),
        "created_at": now,
        "updated_at": now,
    }
    pull.comments.append(comment)
    return Reply(status=201, body=comment)


def read_comment(call: Call) -> Reply:
    return Reply(body=_comment(call))


def change_comment(call: Call) -> Reply:
    comment = _comment(call)
    comment["body"], comment["updated_at"] = _comment_text(call), timestamp(call.state.clock.now())
    return Reply(body=comment)


def list_timeline(call: Call) -> Reply:
    """List comments and what happened to labels, oldest first; the body of a label that was put there is `1`.

    The total is that of the page, no header names the next one, and a page without a row is `null`:
    https://github.com/go-gitea/gitea/blob/main/routers/api/v1/repo/issue_comment.go
    """
    pull, since = call.pull(call.repository()), call.request.query.get("since")
    labelled = [event for event in pull.events if event["event"] in ("labeled", "unlabeled")]
    comments = [{**comment, "type": "comment"} for comment in changed_since(pull.comments, since)]
    rows = comments + [_label_row(call, event) for event in changed_since(labelled, since, "created_at")]
    page, _ = call.paged(sorted(rows, key=lambda row: (str(row["created_at"]), int(row["id"]))))
    return Reply(body=list(page) or "null", headers={"X-Total-Count": str(len(page))})


def _label_row(call: Call, event: Json) -> Json:
    return {
        "id": event["id"],
        "type": "label",
        "body": "1" if event["event"] == "labeled" else "",
        "user": show_user(call, event["actor"]["login"]),
        "label": {"id": sum(event["label"]["name"].encode()), "name": event["label"]["name"]},
        "created_at": event["created_at"],
    }


def read_permission(call: Call) -> Reply:
    """Return a person's right on the repository; people who are no collaborators have `none`."""
    login = call.request.match_info["login"]
    permission = call.repository().collaborators.get(login, "none")
    return Reply(body={"permission": permission, "role_name": permission, "user": show_user(call, login)})


def react(call: Call) -> Reply:
    return react_to(_comment(call), call.account.login, str(call.body.get("content")))


def show_labels(call: Call, labels: list[Label]) -> list[Json]:
    return [
        {
            "id": label.id,
            "name": label.name,
            "exclusive": False,
            "is_archived": False,
            "color": label.color,
            "description": label.description,
            "url": f"{call.api_url}/repos/labels/{label.id}",
        }
        for label in labels
    ]


def _named(call: Call, repository: Repository) -> list[Label]:
    """Return the labels that a request means; names that do not exist are passed over."""
    wanted = call.body.get("labels") or []
    if not (all(isinstance(one, int) for one in wanted) or all(isinstance(one, str) for one in wanted)):
        raise refused(400, "labels should be an array of strings or integers")
    return [row for row in call.labels.of_repository(repository) if row.id in wanted or row.name in wanted]


def _comment(call: Call) -> Json:
    number = call.number("comment")
    pulls: list[Pull] = list(call.repository().pulls.values())
    found = (comment for pull in pulls for comment in pull.comments if comment["id"] == number)
    comment = next(found, None)
    if comment is None:
        raise not_found()
    return comment


def _comment_text(call: Call) -> str:
    text = call.body.get("body")
    if not isinstance(text, str) or not text:
        raise refused(422, "[Body]: Required")
    return text
