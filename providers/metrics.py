"""One record per round trip: Prometheus series and the debug line, nowhere else."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias

import structlog
from prometheus_client import Counter, Gauge, Histogram

from providers.call_budgets import budget_of
from providers.models import ScmIdentity
from providers.series import OTHER, Names

_logger = structlog.get_logger("providers")

_CALL_LABELS = (
    "git_repository",
    "git_repository_namespace",
    "scm_provider",
    "scm_provider_kind",
    "api",
    "operation",
    "response_code",
)
_BUCKETS_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Few, since there is a series of each for every repository, operation and code."""
_CODES = frozenset(int(status) for status in HTTPStatus)
_RATE_LIMIT_LABELS = ("scm_provider", "scm_provider_namespace", "scm_provider_kind")
_OF_ALL_NAMESPACES = "ClusterScmProvider"

_REPOSITORIES, _PROVIDERS, _LIMITED = Names(), Names(), Names()

SCM_CALLS = Counter("scm_calls", "Round trips to SCM hosts.", _CALL_LABELS)
SCM_CALLS_DURATION = Histogram(
    "scm_calls_duration_seconds", "Duration of round trips to SCM hosts.", _CALL_LABELS, buckets=_BUCKETS_SECONDS
)
SCM_RATE_LIMIT = Gauge("scm_calls_rate_limit_limit", "Size of the current rate limit window.", _RATE_LIMIT_LABELS)
SCM_RATE_REMAINING = Gauge("scm_calls_rate_limit_remaining", "Calls left in the window.", _RATE_LIMIT_LABELS)
SCM_RATE_RESET = Gauge(
    "scm_calls_rate_limit_reset_remaining_seconds", "Seconds until the window ends, counting down.", _RATE_LIMIT_LABELS
)
CI_CALLS = Counter("ci_calls", "Round trips to CI systems.", ("system", "operation", "response_code"))
ARGOCD_CALLS = Counter("argocd_calls", "Round trips to Argo CD API servers.", ("operation", "response_code"))

CALLS_HELD = Counter("pilotage_calls_held", "Calls to other systems that were not sent.", ("reason",))
CALL_WAIT = Histogram(
    "pilotage_call_wait_seconds", "Time that a call waited for its turn before it was sent.", buckets=_BUCKETS_SECONDS
)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One round trip as it ended; without an HTTP answer `response_code` is 504, 503 or 500."""

    operation: str
    response_code: int
    duration_seconds: float
    api: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


Recorder: TypeAlias = Callable[[Call], None]


def record_scm_call(identity: ScmIdentity, call: Call) -> None:
    """Record one round trip to an SCM host, success or failure."""
    namespace = identity.git_repository_namespace
    provider = _PROVIDERS.label(namespace, identity.scm_provider)
    labels = {
        "git_repository": _REPOSITORIES.label(namespace, identity.git_repository),
        "git_repository_namespace": namespace,
        "scm_provider": provider,
        "scm_provider_kind": identity.scm_provider_kind,
        "api": call.api,
        "operation": call.operation,
        "response_code": code_label(call.response_code),
    }
    SCM_CALLS.labels(**labels).inc()
    SCM_CALLS_DURATION.labels(**labels).observe(call.duration_seconds)
    _record_rate_limit(identity, call.headers)
    _logger.debug("SCM API call", **labels, duration_seconds=round(call.duration_seconds, 6))


def code_label(code: int) -> str:
    """Return a status code as a label: as it is where HTTP knows it, else its class, so that no host makes series."""
    if code in _CODES:
        return str(code)
    return f"{code // 100}xx" if 100 <= code <= 599 else "other"


def record_ci_call(system: str, call: Call) -> None:
    """Record one round trip to a CI system."""
    CI_CALLS.labels(system=system, operation=call.operation, response_code=code_label(call.response_code)).inc()
    _logger.debug(
        "CI API call",
        system=system,
        operation=call.operation,
        response_code=str(call.response_code),
        duration_seconds=round(call.duration_seconds, 6),
    )


def record_argocd_call(call: Call) -> None:
    """Record one round trip to an Argo CD API server; a stream counts once, when it opens."""
    ARGOCD_CALLS.labels(operation=call.operation, response_code=code_label(call.response_code)).inc()
    _logger.debug(
        "Argo CD API call",
        operation=call.operation,
        response_code=str(call.response_code),
        duration_seconds=round(call.duration_seconds, 6),
    )


def record_event_call(call: Call) -> None:
    """Record one round trip to a receiver of events; what became of each event is counted where it is sent."""
    _logger.debug(
        "event receiver call",
        operation=call.operation,
        response_code=str(call.response_code),
        duration_seconds=round(call.duration_seconds, 6),
    )


def _record_rate_limit(identity: ScmIdentity, headers: Mapping[str, str]) -> None:
    """Set the gauges of a credential; providers of one name in two namespaces are two."""
    namespace = "" if identity.scm_provider_kind == _OF_ALL_NAMESPACES else identity.git_repository_namespace
    provider = _LIMITED.label(namespace, identity.scm_provider)
    if provider == OTHER:
        # Several would write over each other's values.
        return
    kind = identity.scm_provider_kind
    labels = {"scm_provider": provider, "scm_provider_namespace": namespace, "scm_provider_kind": kind}
    budget = budget_of(headers)
    if budget.limit is not None:
        SCM_RATE_LIMIT.labels(**labels).set(budget.limit)
    if budget.remaining is not None:
        SCM_RATE_REMAINING.labels(**labels).set(budget.remaining)
    if budget.resets_at is not None:
        SCM_RATE_RESET.labels(**labels).set_function(lambda: budget.left(time.time()))
