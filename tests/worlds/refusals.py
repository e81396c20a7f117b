"""Failures as activities answer with them, for tests and fakes."""

from activities.models.failures import Failure, FailureKind


def missing(object_: str) -> Failure:
    """Return why something that people must provide is not there."""
    return Failure(kind=FailureKind.REFERENCE_MISSING, object=object_, message="does not exist")
