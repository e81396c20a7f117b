"""What the Temporal UI shows of a workflow from its start on: what it is for, and which commands show more. Pure.

Markdown; names are those of Kubernetes objects and need no escapes.
"""

from activities.models.credential_checks import CheckedResource
from activities.models.drift import InstanceRef
from activities.models.repository_sync import RepositoryRef
from activities.models.tracking import TrackerRef, TrackerSpec
from crds.group import in_full


def promotion_page(attempt: TrackerRef, spec: TrackerSpec) -> str:
    """Return the page of one attempt of a tracker."""
    where, name = attempt.namespace, attempt.name
    return _page(
        f"Attempt {attempt.attempt} of PullRequestTracker `{where}/{name}`, from `{spec.environment}` on.",
        f"pilotage -n {where} why {name}",
        f"kubectl -n {where} describe {in_full('PullRequestTracker')} {name}",
    )


def place_page(namespace: str, environment: str, repository: str) -> str:
    """Return the page of a repository in an environment."""
    return _page(
        f"Observes what `{environment}` runs of `{repository}`, and grants its lane to one change at a time.",
        f"pilotage -n {namespace} envs {environment}",
        f"kubectl -n {namespace} describe {in_full('Environment')} {environment}",
    )


def credential_check_page(resource: CheckedResource) -> str:
    """Return the page of a credential check."""
    namespace = f"-n {resource.namespace} " if resource.namespace else ""
    return _page(
        "Checks whether the server can be reached and accepts the credential; the conditions show the result.",
        f"kubectl {namespace}describe {in_full(resource.kind)} {resource.name}",
    )


def repository_page(repository: RepositoryRef) -> str:
    """Return the page of a repository's list."""
    return _page(
        "Lists what changed of the pull requests, signals their trackers, and makes new ones where discovery is on.",
        f"kubectl -n {repository.namespace} describe {in_full('GitRepository')} {repository.name}",
    )


def drift_page(instance: InstanceRef) -> str:
    """Return the page of the watch over what promotions left at an Argo CD."""
    return _page(
        "Watches whether what was promoted stays in place.",
        f"pilotage -n {instance.namespace} drift",
        f"kubectl -n {instance.namespace} get {in_full('DriftMonitor')}",
    )


def _page(purpose: str, *commands: str) -> str:
    return "\n".join([purpose, "", "```", *commands, "```"])
