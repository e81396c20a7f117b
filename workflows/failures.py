"""The workflows' edge: what an activity raised becomes a Failure here, once."""

from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TimedOut

from activities.models.failures import Failure
from crds.reasons.problems import FailureKind

_KNOWN = {kind.value: kind for kind in FailureKind}


def failure_of(refusal: BaseException, object_: str = "", *, through: str = "") -> Failure:
    """Return what was raised as a value; `object_` is meant where the failure names no object itself.

    `through` is the resource whose host was asked for it, where that is another one.
    """
    found = _read(refusal.__cause__ or refusal)
    return found if found.object else replace(found, object=object_, through=through)


def worth_showing(failure: Failure, since: datetime, now: datetime, *, passing: timedelta) -> bool:
    """Return whether people are to know of it; what usually ends by itself, once it has lasted for `passing`."""
    return not failure.passing or now - since >= passing


def _read(cause: BaseException) -> Failure:
    if isinstance(cause, TimedOut):
        # What the last attempt but this one failed of is better evidence than a timeout, except of what this one did.
        last = cause.__cause__
        found = _read(last) if isinstance(last, ApplicationError) else None
        if cause.type is TimeoutType.SCHEDULE_TO_START and not isinstance(last, TimedOut):
            # No worker took this attempt, and none ever will: what came of those before is what they reported.
            return found or Failure(kind=FailureKind.EXPIRED, message=str(cause), began=False)
        return replace(found or Failure(kind=FailureKind.EXPIRED, message=str(cause)), began=True)
    if not isinstance(cause, ApplicationError):
        return Failure(kind=FailureKind.UNEXPECTED, message=str(cause))
    if cause.details and isinstance(cause.details[0], dict):
        return _typed(cause.details[0])
    kind = _KNOWN.get(cause.type or "", FailureKind.UNEXPECTED)
    named = f"{cause.type}: {cause.message}" if cause.type and kind is FailureKind.UNEXPECTED else cause.message
    return Failure(kind=kind, message=named, retry_after=cause.next_retry_delay)


def _typed(detail: dict[str, object]) -> Failure:
    """Give a detail its type back, which the SDK decodes without one; a newer worker may know more kinds than we do."""
    kind = _KNOWN.get(str(detail.get("kind")), FailureKind.UNEXPECTED)
    converter = workflow.payload_converter()
    found: Failure = converter.from_payload(converter.to_payload({**detail, "kind": kind}), Failure)
    return found
