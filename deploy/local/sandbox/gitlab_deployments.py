"""Deployments and environments of the GitLab stand-in; a deployment's status is a state machine.

Source: GitLab's REST documentation, pages "Deployments API" and "Environments API".
"""

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.gitlab_http import Call
from deploy.local.sandbox.gitlab_merge_requests import show_user
from deploy.local.sandbox.gitlab_rights import refused, require_role
from deploy.local.sandbox.replies import Json, Reply

_STATUSES = ("running", "success", "failed", "canceled")


def list_deployments(call: Call) -> Reply:
    """List oldest first unless asked otherwise."""
    require_role(call.user, "reporter")
    query = call.request.query
    found = [
        one
        for one in call.repository().deployments
        if query.get("environment") in (None, one["environment"]) and query.get("status") in (None, _status(one))
    ]
    if query.get("sort", "asc") == "desc":
        found.reverse()
    page, headers = call.paged(found)
    return Reply(body=[_show(call, one) for one in page], headers=headers)


def create(call: Call) -> Reply:
    """Make a deployment, and its environment where there is none."""
    require_role(call.user, "developer")
    repository, body = call.repository(), call.body
    if missing := [name for name in ("environment", "sha", "ref", "tag", "status") if name not in body]:
        raise refused(400, ", ".join(f"{name} is missing" for name in missing), key="error")
    _check_status(body["status"])
    if body["sha"] not in repository.graph.commits:
        raise refused(400, {"sha": ["The commit does not exist"]})
    if body["ref"] not in repository.graph.branches:
        raise refused(400, {"ref": ["The branch or tag does not exist"]})
    call.project().environments.setdefault(body["environment"], "")
    row: Json = {
        "id": call.sandbox.github.next_number(),
        "sha": body["sha"],
        "ref": body["ref"],
        "environment": body["environment"],
        "user": call.actor,
        "created_at": timestamp(call.sandbox.clock.now()),
        "statuses": [],
    }
    _add_status(call, row, body["status"])
    repository.deployments.append(row)
    return Reply(status=201, body=_show(call, row))


def change(call: Call) -> Reply:
    require_role(call.user, "developer")
    number = call.request.match_info["deployment"]
    row = next((one for one in call.repository().deployments if str(one["id"]) == number), None)
    if row is None:
        raise refused(404, "404 Not found")
    wanted = call.body.get("status")
    _check_status(wanted)
    if wanted in ("running", _status(row)):
        raise refused(400, {"status": ["cannot transition"]})
    _add_status(call, row, wanted)
    return Reply(body=_show(call, row))


def change_environment(call: Call) -> Reply:
    require_role(call.user, "developer")
    environments, number = call.project().environments, call.request.match_info["environment"]
    name = next((name for index, name in enumerate(environments, 1) if str(index) == number), None)
    if name is None:
        raise refused(404, "404 Environment Not Found")
    environments[name] = str(call.body.get("external_url") or "")
    for row in call.repository().deployments:
        if row["environment"] == name:
            row["statuses"][-1]["environment_url"] = environments[name]
    return Reply(body=_environment(call, name))


def _check_status(status: object) -> None:
    if status not in _STATUSES:
        raise refused(400, "status does not have a valid value", key="error")


def _add_status(call: Call, row: Json, state: object) -> None:
    row["statuses"].append({"state": state, "environment_url": call.project().environments[row["environment"]]})


def _status(row: Json) -> str:
    return str(row["statuses"][-1]["state"])


def _environment(call: Call, name: str) -> Json:
    environments = call.project().environments
    return {"id": list(environments).index(name) + 1, "name": name, "external_url": environments[name] or None}


def _show(call: Call, row: Json) -> Json:
    return {
        "id": row["id"],
        "iid": row["id"],
        "ref": row["ref"],
        "sha": row["sha"],
        "status": _status(row),
        "user": show_user(row["user"]),
        "created_at": row["created_at"],
        "deployable": None,
        "environment": _environment(call, row["environment"]),
    }
