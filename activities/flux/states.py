"""How notification-controller calls a verdict at each type of host."""

from collections.abc import Mapping

from activities.flux.verdicts import Verdict
from crds.v1alpha1.flux_provider import GitProviderType

_PLAIN = {Verdict.SUCCESS: "success", Verdict.FAILURE: "failure", Verdict.ERROR: "error", Verdict.PENDING: "pending"}
_BITBUCKET = {Verdict.SUCCESS: "SUCCESSFUL", Verdict.FAILURE: "FAILED"}
_STATES: Mapping[GitProviderType, Mapping[Verdict, str]] = {
    GitProviderType.GITHUB: _PLAIN,
    GitProviderType.GITEA: _PLAIN,
    GitProviderType.GITLAB: {Verdict.SUCCESS: "success", Verdict.FAILURE: "failed"},
    GitProviderType.BITBUCKET: _BITBUCKET,
    GitProviderType.BITBUCKET_SERVER: _BITBUCKET,
    # Not `failed`, though the host has that.
    GitProviderType.AZURE_DEVOPS: {Verdict.SUCCESS: "succeeded", Verdict.FAILURE: "error"},
}


def flux_state(kind: GitProviderType, verdict: Verdict) -> str:
    """Return the state; what is neither info nor an error has none at most hosts, and fails there."""
    return _STATES[kind].get(verdict, "error")
