"""GitHub's REST shapes for deployments and their statuses, as pure functions.

https://docs.github.com/en/rest/deployments/deployments and https://docs.github.com/en/rest/deployments/statuses
"""

from collections.abc import Mapping

from providers.documents import number, text
from providers.github import wire
from providers.messages import Reply, Request
from providers.models import DeploymentRecord, DeploymentState
from providers.redaction import shortened

TASK = "deploy:pilotage"
"""What sets our deployments apart from those that others made of the same commit and environment."""

_STATES: Mapping[DeploymentState, str] = {
    DeploymentState.QUEUED: "queued",
    DeploymentState.IN_PROGRESS: "in_progress",
    DeploymentState.SUCCEEDED: "success",
    DeploymentState.FAILED: "failure",
    DeploymentState.ENDED: "inactive",
}
_UNDER_WAY = ("queued", "in_progress")


def find(repository: str, sha: str, environment: str) -> Request:
    """Ask for our newest deployment of a commit to an environment."""
    query = {"sha": sha, "environment": environment, "task": TASK, "per_page": "1"}
    return Request(
        method="GET", path=f"{repository}/deployments", query=query, api="Deployment", operation="list-deployments"
    )


def create(repository: str, wanted: DeploymentRecord) -> Request:
    """Make a deployment of exactly this commit: nothing is merged into it, and no status of it is waited for.

    An environment that counts as production would keep its earlier deployments active.
    """
    return Request(
        method="POST",
        path=f"{repository}/deployments",
        json={
            "ref": wanted.sha,
            "environment": wanted.environment,
            "task": TASK,
            "auto_merge": False,
            "required_contexts": [],
            "production_environment": False,
            "description": shortened(wanted.description, wire.DESCRIPTION_LIMIT),
        },
        api="Deployment",
        operation="create-deployment",
    )


def read_id(reply: Reply) -> int:
    """Return the id of the deployment that was made."""
    return number(reply.document(), "id")


def read_found(reply: Reply) -> int | None:
    """Return the id of the newest deployment that is listed; None where there is none."""
    return next((number(one, "id") for one in reply.documents() if text(one, "task") == TASK), None)


def newest_status(repository: str, deployment: int) -> Request:
    """Ask for the newest status; the host lists them newest first."""
    return Request(
        method="GET",
        path=f"{repository}/deployments/{deployment}/statuses",
        query={"per_page": "1"},
        api="Deployment",
        operation="list-deployment-statuses",
    )


def shows(reply: Reply, wanted: DeploymentRecord) -> bool:
    """Return whether the newest status shows what is wanted."""
    body = status_of(wanted)
    return any(
        all(text(one, name) == value for name, value in body.items() if isinstance(value, str))
        for one in reply.documents()[:1]
    )


def is_under_way(reply: Reply) -> bool:
    """Return whether the newest status is one of a deployment that is still to end."""
    return any(text(one, "state") in _UNDER_WAY for one in reply.documents()[:1])


def status_of(wanted: DeploymentRecord) -> dict[str, str | bool]:
    """Return the status to send; at a success the host makes earlier deployments of the environment inactive."""
    links = {"log_url": wanted.log_url, "environment_url": wanted.environment_url}
    return {
        "state": _STATES[wanted.state],
        "description": shortened(wanted.description, wire.DESCRIPTION_LIMIT),
        **{name: url for name, url in links.items() if url},
        "auto_inactive": True,
    }


def create_status(repository: str, deployment: int, wanted: DeploymentRecord) -> Request:
    return Request(
        method="POST",
        path=f"{repository}/deployments/{deployment}/statuses",
        json=status_of(wanted),
        api="Deployment",
        operation="create-deployment-status",
    )
