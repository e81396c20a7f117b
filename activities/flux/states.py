"""How notification-controller calls a verdict at each type of host."""

from collections.abc import Mapping

from activities.flux.verdicts import Verdict
from crds.v1alpha1.flux_provider import GitProviderType

_PLAIN = {Verdict.SUCCESS: "success", Verdict.FAILURE: "failure", Verdict.PENDING: "pending"}
_BITBUCKET = {Verdict.SUCCESS: "SUCCESSFUL", Verdict.FAILURE: "FAILED"}
_STATES: Mapping[GitProviderType, Mapping[Verdict, str]] = {
    GitProviderType.GITHUB: _PLAIN,
    GitProviderType.GITEA: _PLAIN,
    GitProviderType.GITLAB: {Verdict.SUCCESS: "success", Verdict.FAILURE: "failed"},
    GitProviderType.BITBUCKET: _BITBUCKET,
    GitProviderType.BITBUCKET_SERVER: _BITBUCKET,
    GitProviderType.AZURE_DEVOPS: {Verdict.SUCCESS: "succeeded", Verdict.ERROR: "error"},
}


def flux_state(kind: GitProviderType, verdict: Verdict) -> str:
    """Return the state that is sent to a host."""
    return _STATES[kind][verdict]
