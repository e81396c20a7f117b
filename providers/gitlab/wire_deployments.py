"""GitLab's REST shapes for deployments and environments, as pure functions.

https://docs.gitlab.com/api/deployments and https://docs.gitlab.com/api/environments
"""

from collections.abc import Mapping
from dataclasses import dataclass

from providers.documents import Document, at, required_number, required_text, text
from providers.gitlab.wire import page
from providers.messages import Reply, Request
from providers.models import DeploymentRecord, DeploymentState

API = "Deployment"
STATES: Mapping[DeploymentState, str] = {
    DeploymentState.IN_PROGRESS: "running",
    DeploymentState.SUCCEEDED: "success",
    DeploymentState.FAILED: "failed",
    DeploymentState.ENDED: "canceled",
}
"""What the API takes; it has no value for one that has not begun."""
_RUNNING = "running"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One deployment that the API made, with its environment."""

    id: int
    status: str
    environment: int
    environment_url: str


def list_newest(project: str, environment: str) -> Request:
    """Ask for the newest deployments to an environment; one that does not exist has none."""
    return page(
        f"{project}/deployments",
        1,
        api=API,
        operation="list-deployments",
        environment=environment,
        order_by="id",
        sort="desc",
    )


def read_newest(reply: Reply, sha: str, own: str | None) -> Deployment | None:
    """Return the newest one of a commit that an account made, or anybody where no account is known.

    What a CI job made cannot be changed by the API, and is not ours.
    """
    made = (one for one in reply.documents() if at(one, "sha") == sha and at(one, "deployable") is None)
    ours = (one for one in made if own is None or text(one, "user", "id") == own)
    return next(map(read_deployment, ours), None)


def read_deployment(value: Document) -> Deployment:
    return Deployment(
        id=required_number(value, "id"),
        status=required_text(value, "status"),
        environment=required_number(value, "environment", "id"),
        environment_url=text(value, "environment", "external_url"),
    )


def read_default_branch(project: Document) -> str:
    return required_text(project, "default_branch")


def is_under_way(deployment: Deployment) -> bool:
    """Return whether the deployment is still to end."""
    return deployment.status == _RUNNING


def may_become(deployment: Deployment, state: str) -> bool:
    """Return whether the deployment may go on to this state: what ended does not run again."""
    return state != _RUNNING or deployment.status == _RUNNING


def create(project: str, wanted: DeploymentRecord, ref: str) -> Request:
    """Make a deployment, and its environment where there is none."""
    return Request(
        method="POST",
        path=f"{project}/deployments",
        json={
            "environment": wanted.environment,
            "sha": wanted.sha,
            "ref": ref,
            "tag": False,
            "status": STATES[wanted.state],
        },
        api=API,
        operation="create-deployment",
    )


def update(project: str, deployment: Deployment, state: str) -> Request:
    return Request(
        method="PUT",
        path=f"{project}/deployments/{deployment.id}",
        json={"status": state},
        api=API,
        operation="update-deployment",
    )


def set_address(project: str, deployment: Deployment, url: str) -> Request:
    """Name where the environment is seen; only where no one else has."""
    return Request(
        method="PUT",
        path=f"{project}/environments/{deployment.environment}",
        json={"external_url": url},
        api=API,
        operation="update-environment",
    )
