"""What an event reports of a Kustomization by which something is delivered. Pure."""

from datetime import datetime

from activities.flux.events import EVENT_GROUP, FluxEvent, Severity
from activities.flux.metadata import cleaned
from activities.flux.revisions import NoCommit, commit_of
from activities.flux.verdicts import KUSTOMIZATION, UNFINISHED, ends_well
from activities.models.reconciliations import FluxReport, Reconciled

KUSTOMIZE_GROUP = "kustomize.toolkit.fluxcd.io"


def report_of(event: FluxEvent, *, cluster: str, now: datetime) -> FluxReport | None:
    """Return what it reports of a Kustomization of a cluster; None for an event of anything else, or of a step."""
    involved, event = event.involved, cleaned(event)
    phase = _phase(event)
    if (involved.kind, involved.group) != (KUSTOMIZATION, KUSTOMIZE_GROUP) or not involved.name or phase is None:
        return None
    return FluxReport(
        cluster=cluster,
        kustomization=f"{involved.namespace}/{involved.name}",
        # A clock that is ahead must not outdo all events until ours has caught up.
        at=min(event.timestamp, now),
        phase=phase,
        revision=_commit({key: event.own(key) for key in ("originRevision", "revision")}),
        commit=_commit({"commit": event.metadata.get(f"{EVENT_GROUP}/commit", "")}),
        reason=event.reason,
        message=event.message,
    )


def _phase(event: FluxEvent) -> Reconciled | None:
    if event.reason in UNFINISHED:
        return Reconciled.PROGRESSING
    if event.severity == Severity.ERROR:
        return Reconciled.FAILED
    return Reconciled.APPLIED if event.severity == Severity.INFO and ends_well(event) else None


def _commit(metadata: dict[str, str]) -> str:
    try:
        return commit_of(metadata)
    except NoCommit:
        return ""
