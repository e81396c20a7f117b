"""Turn errors of providers and of the Kubernetes API into failures that Temporal records: the only such translation."""

import functools
import random
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, TemporalError

from activities.models.bounds import cut
from activities.models.budgets import TEXT_BYTES
from activities.ports import ReferenceMissing
from activities.redaction import redact
from crds.ports import ApiError, ApiForbidden, ApiInvalid
from providers.admission import calling_for
from providers.errors import ProviderBusy, ProviderError, ProviderNotFound, ProviderRejected, ProviderUnauthorized

_logger = structlog.get_logger(__name__)

MENDABLE = (ProviderUnauthorized, ProviderNotFound, ReferenceMissing, ApiForbidden)
"""What only a person can mend."""
MENDABLE_DELAY = timedelta(seconds=30)
BUSY_DELAY = timedelta(seconds=2)
SPREAD = 0.1
"""How much later than asked, at most, an attempt comes: those who were told the same time must not come together."""
LEAST_SPREAD = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=1)
"""A host that asks for a longer wait ends an activity of bounded attempts: in the workflow's own wait it stops nothing
else, is shown, and can be cut short."""
PATIENT = frozenset({"cancel_tests", "update_application", "sync_application"})
"""Activities that no workflow asks for again after the wait: they keep to it themselves."""

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


def bounded(text: str) -> str:
    """Return the text without credentials, cut to what a failure may hold."""
    return cut(redact(text), TEXT_BYTES)


def describe(error: BaseException) -> str:
    """Return what a person may read of an error; never empty."""
    return bounded(str(error) or type(error).__name__)


def to_application_error(error: Exception) -> ApplicationError:
    """Translate one error. Its class name is the failure's type; the original stays out of history."""
    name = type(error).__name__
    text = describe(error)
    if isinstance(error, ProviderBusy):
        delay = _no_sooner(error.retry_after or BUSY_DELAY)
        return ApplicationError(
            text,
            type=name,
            non_retryable=_too_long(delay),
            next_retry_delay=spread(delay),
            category=ApplicationErrorCategory.BENIGN,
        )
    if isinstance(error, MENDABLE):
        # With bounded attempts the workflow shows the cause at once and asks again by its own timer; without a bound
        # nobody else would, so that the activity itself tries again until the Secret or the name is mended.
        if _attempts_bounded():
            return ApplicationError(text, type=name, non_retryable=True)
        return ApplicationError(text, type=name, next_retry_delay=MENDABLE_DELAY)
    if isinstance(error, ProviderError):
        asked = None if error.retry_after is None else _no_sooner(error.retry_after)
        final = not _worth_repeating(error) or _too_long(asked)
        later = None if asked is None else spread(asked)
        return ApplicationError(text, type=name, non_retryable=final, next_retry_delay=later)
    if isinstance(error, ApiError):
        return ApplicationError(text, type=name, non_retryable=isinstance(error, ApiInvalid))
    return ApplicationError(text, type=name)


def reported(
    function: Callable[Parameters, Coroutine[Any, Any, Answer]],
) -> Callable[Parameters, Coroutine[Any, Any, Answer]]:
    """Wrap an activity so that whatever it raises becomes an ApplicationError without a credential in it."""

    @functools.wraps(function)
    async def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
        try:
            with calling_for(tenant_of(args[-1] if args else None)):
                return await function(*args, **kwargs)
        except TemporalError:
            raise
        except Exception as error:
            failure = to_application_error(error)
            expected = isinstance(error, ProviderError | ApiError | ReferenceMissing)
            _logger.info("activity failed", error_type=failure.type, error=failure.message, exc_info=not expected)
            # The original's text and traceback may hold what the host echoed, so that it must not become the cause.
            raise failure from None

    return wrapper


def tenant_of(request: object) -> str:
    """Name in whose turn an activity's calls wait: its namespace with its repository, or what it names instead."""
    named = [getattr(request, name, "") for name in ("namespace", "repository")]
    connection = getattr(request, "connection", None)
    if connection is not None:
        named = [connection.namespace, connection.name]
    deployment = getattr(request, "deployment", None)
    if deployment is not None:
        named[1] = deployment.repository
    return "/".join(part for part in named if isinstance(part, str) and part)


def spread(delay: timedelta) -> timedelta:
    """Return a delay that is never shorter, and a little longer by chance."""
    return delay + random.uniform(0.0, 1.0) * max(delay * SPREAD, LEAST_SPREAD)


def _worth_repeating(error: ProviderError) -> bool:
    """Tell whether to try again; what a host rejects, only where nobody else would until the deadline."""
    patient = activity.in_activity() and (policy := activity.info().retry_policy) and policy.maximum_attempts == 0
    return error.retryable or bool(patient and isinstance(error, ProviderRejected))


def _attempts_bounded() -> bool:
    policy = activity.info().retry_policy if activity.in_activity() else None
    return policy is not None and policy.maximum_attempts > 0


def _too_long(delay: timedelta | None) -> bool:
    if delay is None or delay <= LONGEST_DELAY or not _attempts_bounded():
        return False
    return activity.info().activity_type not in PATIENT


def _no_sooner(delay: timedelta) -> timedelta:
    """Keep at least the activity's own first interval, which for triggers covers the lag of the CI system's list."""
    policy = activity.info().retry_policy if activity.in_activity() else None
    return delay if policy is None else max(delay, policy.initial_interval)
