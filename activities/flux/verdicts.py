"""What an event means for a commit: nothing, that work continues, or how it ended."""

from activities.flux.events import COMMIT_KEY, FluxEvent, Severity
from activities.models.revisions import CommitState
from crds.v1alpha1.flux_provider import GitProviderType

KUSTOMIZATION = "Kustomization"
_UPDATE = "update"
_COMMIT_STATUS = "commit_status"
_PROGRESSING = "Progressing"
UNFINISHED = frozenset({_PROGRESSING, "ProgressingWithRetry", "DependencyNotReady", "HealthCheckCanceled"})
"""Reasons by which an object is not ready yet, whatever severity they come with."""


class Passed(ValueError):
    """The event is no verdict on a commit; the text has the reason, `fault` whether a person must act on it."""

    def __init__(self, reason: str, *, fault: bool = False) -> None:
        super().__init__(reason)
        self.fault = fault


def verdict_of(event: FluxEvent) -> CommitState:
    """Return what the event means for its commit. Raises Passed."""
    unfinished = event.reason in UNFINISHED
    if event.involved.kind != KUSTOMIZATION and not event.metadata.get(COMMIT_KEY):
        kind = event.involved.kind or "an object without a kind"
        raise Passed(f"events of {kind} name no commit: annotate the object with `{COMMIT_KEY}`", fault=True)
    if not (unfinished or _is_conclusive(event)):
        raise Passed("it is a step on the way: neither an error, nor the end of a reconciliation")
    if unfinished:
        return CommitState.PENDING
    match event.severity:
        case Severity.INFO:
            return CommitState.SUCCESS
        case Severity.ERROR:
            return CommitState.FAILURE
    raise Passed(f"severity `{event.severity}` is neither info nor error")


def pass_flux_gate(event: FluxEvent) -> None:
    """Raise Passed where notification-controller drops an event before it looks at anything else."""
    if not _is_conclusive(event):
        raise Passed("commit status is not updated: no commit, no commit_status=update, no error")


def pass_flux_progress(event: FluxEvent, kind: GitProviderType) -> None:
    """Raise Passed where notification-controller posts nothing of progress; Gitea alone shows it."""
    if event.reason == _PROGRESSING and kind is not GitProviderType.GITEA:
        raise Passed("reason Progressing is skipped")


def flux_verdict(event: FluxEvent, kind: GitProviderType) -> CommitState:
    """Return what notification-controller would show. Raises Passed where it fails instead."""
    if event.reason == _PROGRESSING:
        return CommitState.PENDING
    match event.severity:
        case Severity.INFO:
            return CommitState.SUCCESS
        case Severity.ERROR:
            # Not `failed`, though the host has that.
            return CommitState.ERROR if kind is GitProviderType.AZURE_DEVOPS else CommitState.FAILURE
    raise Passed(f"severity `{event.severity}` has no state at {kind.value}", fault=True)


def ends_well(event: FluxEvent) -> bool:
    """Return whether a reconciliation has succeeded, as kustomize-controller marks the end of each."""
    return event.own(_COMMIT_STATUS) == _UPDATE


def _is_conclusive(event: FluxEvent) -> bool:
    """Return whether Flux gives a commit status for it."""
    return bool(event.metadata.get(COMMIT_KEY) or ends_well(event) or event.severity == Severity.ERROR)
