"""Failures as activities answer with them, for tests and fakes."""

from activities.models.failures import BriefFailure, Failure
from crds.reasons.problems import FailureKind


def missing(object_: str) -> Failure:
    """Return why something that people must provide is not there."""
    return Failure(kind=FailureKind.REFERENCE_MISSING, object=object_, message="does not exist")


def unread(
    message: str = "no answer", *, passing: bool = False, object_: str = "ArgoCDInstance/argocd"
) -> BriefFailure:
    """Return why one deployment cannot be read: its token is refused, or its Argo CD does not answer for now."""
    kind = FailureKind.UNAVAILABLE if passing else FailureKind.UNAUTHORIZED
    return BriefFailure(kind=kind, object="ArgoCDInstance/argocd", message=message)
