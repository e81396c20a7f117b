"""Deployments of the GitHub stand-in, and their statuses.

Source: GitHub's REST documentation, pages "Deployments" and "Deployment statuses".
"""

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_http import Call, not_found, refused
from deploy.local.sandbox.github_pulls import show_user
from deploy.local.sandbox.replies import Json, Reply

_STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
_DESCRIPTION_LIMIT = 140
_FILTERS = ("sha", "ref", "task", "environment")


def list_deployments(call: Call) -> Reply:
    """List the newest first, filtered by what the query names."""
    call.want("deployments")
    wanted = {name: call.request.query[name] for name in _FILTERS if call.request.query.get(name)}
    found = [
        {name: value for name, value in one.items() if name != "statuses"}
        for one in reversed(call.repository().deployments)
        if all(one[name] == value for name, value in wanted.items())
    ]
    page, headers = call.paged(found)
    return Reply(body=list(page), headers=headers)


def create_deployment(call: Call) -> Reply:
    call.want("deployments", "write")
    repository, body = call.repository(), call.body
    ref = str(body.get("ref", ""))
    sha = ref if ref in repository.graph.commits else repository.graph.resolve(ref)
    if sha is None:
        raise refused(422, f"No ref found for: {ref}")
    if body.get("required_contexts") != []:
        raise refused(409, "Conflict: Commit status checks failed for the ref.")
    _check_description(body)
    now, number = timestamp(call.state.clock.now()), call.state.next_number()
    row: Json = {
        "id": number,
        "url": f"{call.api_url}/repos/{repository.full_name}/deployments/{number}",
        "sha": sha,
        "ref": ref,
        "task": body.get("task", "deploy"),
        "environment": body.get("environment", "production"),
        "production_environment": body.get("production_environment", body.get("environment") == "production"),
        "description": body.get("description"),
        "creator": show_user(call, call.actor),
        "created_at": now,
        "updated_at": now,
        "statuses": [],
    }
    repository.deployments.append(row)
    return Reply(status=201, body={name: value for name, value in row.items() if name != "statuses"})


def list_statuses(call: Call) -> Reply:
    call.want("deployments")
    page, headers = call.paged(list(reversed(_deployment(call)["statuses"])))
    return Reply(body=list(page), headers=headers)


def create_status(call: Call) -> Reply:
    """Add a status; a success makes earlier successes of the environment inactive, unless it is production."""
    call.want("deployments", "write")
    deployment, body = _deployment(call), call.body
    state = body.get("state")
    if state not in _STATES:
        raise refused(422, "Validation Failed", errors=[{"resource": "DeploymentStatus", "field": "state"}])
    for name in ("log_url", "environment_url"):
        if not str(body.get(name, "https://")).startswith(("http://", "https://")):
            raise refused(422, "Validation Failed", errors=[{"resource": "DeploymentStatus", "field": name}])
    _check_description(body)
    if state == "success" and body.get("auto_inactive", True):
        for other in call.repository().deployments:
            succeeded = other["statuses"] and other["statuses"][-1]["state"] == "success"
            same = other is not deployment and other["environment"] == deployment["environment"]
            if same and succeeded and not other["production_environment"]:
                other["statuses"].append(_status(call, other, {"state": "inactive"}))
    row = _status(call, deployment, body)
    deployment["statuses"].append(row)
    return Reply(status=201, body=row)


def _status(call: Call, deployment: Json, body: Json) -> Json:
    return {
        "id": call.state.next_number(),
        "state": body["state"],
        "description": body.get("description", ""),
        "environment": deployment["environment"],
        "log_url": body.get("log_url", ""),
        "target_url": body.get("log_url", ""),
        "environment_url": body.get("environment_url", ""),
        "creator": show_user(call, call.actor),
        "created_at": timestamp(call.state.clock.now()),
    }


def _deployment(call: Call) -> Json:
    number = call.number("deployment")
    found = next((one for one in call.repository().deployments if one["id"] == number), None)
    if found is None:
        raise not_found()
    return found


def _check_description(body: Json) -> None:
    if len(str(body.get("description") or "")) > _DESCRIPTION_LIMIT:
        raise refused(422, "Validation Failed", errors=[{"resource": "Deployment", "field": "description"}])
