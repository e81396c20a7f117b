"""Turn errors of providers and of the Kubernetes API into failures that Temporal records: the only such translation."""

import functools
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import structlog
from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, TemporalError

from activities.models.bounds import cut
from activities.models.budgets import FIELDS_KEPT, TEXT_BYTES
from activities.models.failures import Failure
from activities.models.tracking import TrackerRef
from activities.ports import ReferenceMissing
from activities.redaction import reading_secrets, redact
from activities.refusals import note_failure
from activities.slots import slot_of
from crds.api.ports import ApiError, ApiForbidden, ApiInvalid
from crds.reasons.problems import FailureKind
from providers.callers import calling_for
from providers.errors import (
    ProviderBlocked,
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
    TriggerUnknown,
)
from providers.shares import namespace_of

_logger = structlog.get_logger(__name__)

_BENIGN = ApplicationErrorCategory.BENIGN
FIXABLE_DELAY = timedelta(seconds=30)
BUSY_DELAY = timedelta(seconds=2)
SPREAD = 0.1
"""How much later than asked, at most, an attempt comes: those with the same time must not come together."""
LEAST_SPREAD = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=1)
"""A host that asks for a longer wait ends an activity of bounded attempts: in the workflow's own wait it stops nothing
else, is shown, and can be cut short. One without a bound keeps to the wait itself, since no workflow asks again."""

KINDS: Mapping[type[Exception], FailureKind] = {
    ProviderBusy: FailureKind.BUSY,
    ProviderRateLimited: FailureKind.RATE_LIMITED,
    ProviderUnavailable: FailureKind.UNAVAILABLE,
    ProviderBlocked: FailureKind.BLOCKED,
    ProviderMalformed: FailureKind.MALFORMED,
    ProviderUnauthorized: FailureKind.UNAUTHORIZED,
    ProviderNotFound: FailureKind.NOT_FOUND,
    ProviderMisconfigured: FailureKind.MISCONFIGURED,
    ProviderRejected: FailureKind.REJECTED,
    ProviderConflict: FailureKind.CONFLICT,
    TriggerUnknown: FailureKind.UNTRACEABLE,
    ProviderError: FailureKind.UNAVAILABLE,
    ReferenceMissing: FailureKind.REFERENCE_MISSING,
    ApiForbidden: FailureKind.API_FORBIDDEN,
    ApiInvalid: FailureKind.API_INVALID,
    ApiError: FailureKind.API_UNAVAILABLE,
}
"""The only translation of errors to kinds; a class that is not named counts as the nearest one above it."""
_AWAITS_A_PERSON = frozenset(
    {
        FailureKind.UNAUTHORIZED,
        FailureKind.NOT_FOUND,
        FailureKind.MISCONFIGURED,
        FailureKind.REFERENCE_MISSING,
        FailureKind.API_FORBIDDEN,
    }
)
"""Fixed outside the request, so that the same request succeeds later."""

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


def bounded(text: str) -> str:
    """Return the text without credentials, cut to what a failure may hold."""
    return cut(redact(text), TEXT_BYTES)


def describe(error: BaseException) -> str:
    """Return what a person may read of an error; never empty."""
    return bounded(str(error) or type(error).__name__)


def kind_of(error: Exception) -> FailureKind:
    """Return the kind of an error by its class."""
    return next((KINDS[one] for one in type(error).__mro__ if one in KINDS), FailureKind.UNEXPECTED)


def failure_from(error: Exception) -> Failure:
    """Return what an error means as a value that may leave the process."""
    kind = kind_of(error)
    note_failure(kind)
    if isinstance(error, ReferenceMissing):
        fields = f" ({'; '.join(error.fields[:FIELDS_KEPT])})" if error.fields else ""
        return Failure(kind=kind, object=error.what, message=bounded(error.message + fields))
    asked = error.retry_after if isinstance(error, ProviderError) else None
    message = describe(error)
    if kind is FailureKind.UNEXPECTED:
        message = f"{type(error).__name__}: {message}"
    return Failure(kind=kind, message=message, retry_after=asked)


def to_application_error(error: Exception) -> ApplicationError:
    """Translate one error. Its class name is the failure's type; the original stays out of history."""
    failure = failure_from(error)
    asked = failure.retry_after or (BUSY_DELAY if failure.kind is FailureKind.BUSY else None)
    asked = None if asked is None else _no_sooner(asked)
    delay, final = None if asked is None else spread(asked), _too_long(asked)
    match failure.kind:
        case kind if kind in _AWAITS_A_PERSON:
            # With bounded attempts the workflow shows the cause at once and asks again by its own timer; without a
            # bound no one else would, so that the activity itself tries again until the cause is fixed.
            final = attempts_bounded()
            delay = None if final else FIXABLE_DELAY
        case FailureKind.API_INVALID:
            final = True
        case _ if isinstance(error, ProviderError):
            final = final or not _worth_repeating(error)
    return application_error(failure, error=type(error).__name__, text=describe(error), final=final, delay=delay)


def application_error(
    failure: Failure, *, error: str = "", text: str = "", final: bool = False, delay: timedelta | None = None
) -> ApplicationError:
    """Return what carries a failure to the workflow; `final` ends the activity, else the next attempt waits `delay`."""
    return ApplicationError(
        text or failure.message,
        replace(failure, retry_after=delay),
        type=error or failure.kind.value,
        non_retryable=final,
        next_retry_delay=delay,
        # Our own bound at work is no failure that anybody must be alerted to.
        category=_BENIGN if failure.kind is FailureKind.BUSY else ApplicationErrorCategory.UNSPECIFIED,
    )


def lasts(error: ProviderError) -> bool:
    """Return whether the same request is refused until a person fixes something, at the host or in a credential."""
    return kind_of(error) in _AWAITS_A_PERSON or not _worth_repeating(error)


def carried(error: ApplicationError) -> Failure:
    """Return the failure that an ApplicationError of ours carries."""
    (failure,) = error.details
    if not isinstance(failure, Failure):
        raise TypeError(f"{error.type} carries no failure")
    return failure


def reported(
    function: Callable[Parameters, Coroutine[Any, Any, Answer]],
) -> Callable[Parameters, Coroutine[Any, Any, Answer]]:
    """Wrap an activity so that whatever it raises becomes an ApplicationError without a credential in it.

    It holds a slot for the namespace that its request names (activities/slots.py). Wrappers are not to be nested.
    """

    @functools.wraps(function)
    async def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
        # Until the failure is built and logged, what was read of Secrets must be known.
        with reading_secrets():
            try:
                tenant = next(filter(None, map(tenant_of, args)), "")
                with slot_of(namespace_of(tenant)), calling_for(tenant):
                    return await function(*args, **kwargs)
            except TemporalError:
                raise
            except Exception as error:  # noqa: BLE001 -- the edge: what is raised is logged and translated
                # The original's text and traceback may hold what the host echoed: it must not become the cause.
                raise refusal_of(error) from None

    return wrapper


def refusal_of(error: Exception) -> ApplicationError:
    """Return what an activity, or one part of it, raises for an error, and log that; what is translated stays."""
    if isinstance(error, ApplicationError):
        return error
    failure = to_application_error(error)
    expected = kind_of(error) is not FailureKind.UNEXPECTED
    _logger.info("activity failed", error_type=failure.type, error=failure.message, exc_info=not expected)
    return failure


def tenant_of(request: object) -> str:
    """Name in whose turn an activity's calls wait: its namespace with its repository, or what it names instead."""
    named = [getattr(request, name, "") for name in ("namespace", "repository")]
    connection = getattr(request, "connection", None)
    if connection is not None:
        named = [connection.namespace, connection.name]
    tracker = getattr(request, "tracker", None)
    if isinstance(tracker, TrackerRef) and not named[0]:
        named = [tracker.namespace, tracker.name]
    deployment = getattr(request, "deployment", None)
    if deployment is not None:
        named[1] = deployment.repository
    return "/".join(part for part in named if isinstance(part, str) and part)


def spread(delay: timedelta) -> timedelta:
    """Return a delay that is never shorter, and a little longer by chance."""
    return delay + random.uniform(0.0, 1.0) * max(delay * SPREAD, LEAST_SPREAD)  # noqa: S311 -- keeps no secret


def _worth_repeating(error: ProviderError) -> bool:
    """Return whether to try again; what a host rejects, only where no one else would until the deadline."""
    policy = _retry_policy()
    patient = policy is not None and policy.maximum_attempts == 0
    return error.retryable or (patient and isinstance(error, ProviderRejected))


def last_attempt() -> bool:
    """Return whether no other attempt of this activity follows, so that what is known must be returned now."""
    policy = _retry_policy()
    return policy is not None and 0 < policy.maximum_attempts <= activity.info().attempt


def attempts_bounded() -> bool:
    """Return whether this activity ends after some attempts, so that its workflow goes on by its own timer."""
    policy = _retry_policy()
    return policy is not None and policy.maximum_attempts > 0


def _retry_policy() -> RetryPolicy | None:
    return activity.info().retry_policy if activity.in_activity() else None


def _too_long(delay: timedelta | None) -> bool:
    return delay is not None and delay > LONGEST_DELAY and attempts_bounded()


def _no_sooner(delay: timedelta) -> timedelta:
    """Keep at least the activity's own first interval, which for triggers covers the lag of the CI system's list."""
    policy = _retry_policy()
    return delay if policy is None else max(delay, policy.initial_interval)
