"""What events of Flux report of Kustomizations, as receivers signal it and places keep it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from activities.models.bounds import Bounded, Line, Short

FLUX_CLOCK = timedelta(seconds=1)
"""Of events that are closer the order is not known by their times: Flux names whole seconds."""


class Reconciled(StrEnum):
    """How far a reconciliation is."""

    APPLIED = "Applied"
    """All of the revision is there, and healthy where the Kustomization waits for that."""
    PROGRESSING = "Progressing"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True)
class FluxReport(Bounded):
    """What one event reports of one Kustomization. Sent as a signal."""

    cluster: str = ""
    """Name of the Secret that the sending cluster signs with; empty for unsigned events."""
    kustomization: str
    """Namespace and name in that cluster, such as `flux-system/web`."""
    at: datetime
    """When it happened, by the cluster's clock; never later than when it arrived."""
    phase: Reconciled
    revision: str = ""
    """Commit that the source's artifact was made of; empty where the event names none."""
    commit: str = ""
    """Commit that a person annotated the Kustomization with; empty where none did."""
    reason: Short = ""
    message: Line = ""

    @property
    def key(self) -> tuple[str, str]:
        """Return which Kustomization of which cluster it is about."""
        return self.cluster, self.kustomization

    def is_older(self, other: "FluxReport") -> bool:
        """Return whether it happened before another one of the same Kustomization, which came earlier.

        Flux names whole seconds. A reconciliation that ended has begun before, whichever of both came first.
        """
        begins = self.phase is Reconciled.PROGRESSING and other.phase is not Reconciled.PROGRESSING
        same = begins and (self.revision, self.commit) == (other.revision, other.commit)
        return self.at < other.at + (FLUX_CLOCK if same else timedelta(0))


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What was applied last, as an event reported it."""

    at: datetime
    revision: str
    commit: str = ""


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """What is known of one Kustomization: its newest event, and what the newest success reports as applied."""

    newest: FluxReport
    applied: Applied | None = None

    def after(self, report: FluxReport) -> "Reconciliation":
        """Return what is known after one more event: the newest counts."""
        known = self
        if report.phase is Reconciled.APPLIED and (self.applied is None or report.at >= self.applied.at):
            known = replace(known, applied=_applied(report))
        return known if report.is_older(self.newest) else replace(known, newest=report)

    def shows_the_same(self, other: "Reconciliation | None") -> bool:
        """Return whether a deployment would be judged, and shown, as before."""
        return other is not None and _essence(self) == _essence(other)


def first(report: FluxReport) -> Reconciliation:
    """Return what is known by one event alone."""
    return Reconciliation(newest=report, applied=_applied(report) if report.phase is Reconciled.APPLIED else None)


def _applied(report: FluxReport) -> Applied:
    return Applied(at=report.at, revision=report.revision, commit=report.commit)


def _essence(known: Reconciliation) -> tuple[object, ...]:
    newest, applied = known.newest, known.applied
    text = "" if newest.phase is Reconciled.APPLIED else newest.message
    brought = (applied.revision, applied.commit) if applied is not None else None
    return newest.phase, newest.revision, newest.commit, newest.reason, text, brought
