"""How notification-controller calls a verdict at each type of host."""

from collections.abc import Mapping

from activities.models.revisions import CommitState
from crds.v1alpha1.flux_provider import GitProviderType

_PLAIN = {CommitState.SUCCESS: "success", CommitState.FAILURE: "failure", CommitState.PENDING: "pending"}
_BITBUCKET = {CommitState.SUCCESS: "SUCCESSFUL", CommitState.FAILURE: "FAILED"}
_STATES: Mapping[GitProviderType, Mapping[CommitState, str]] = {
    GitProviderType.GITHUB: _PLAIN,
    GitProviderType.GITEA: _PLAIN,
    GitProviderType.GITLAB: {CommitState.SUCCESS: "success", CommitState.FAILURE: "failed"},
    GitProviderType.BITBUCKET: _BITBUCKET,
    GitProviderType.BITBUCKET_SERVER: _BITBUCKET,
    GitProviderType.AZURE_DEVOPS: {CommitState.SUCCESS: "succeeded", CommitState.ERROR: "error"},
}


def flux_state(kind: GitProviderType, verdict: CommitState) -> str:
    """Return the state that is sent to a host."""
    return _STATES[kind][verdict]
