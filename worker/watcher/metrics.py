"""What the watcher counts: promotions, tests and states as they are published, and its own watches and queues."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from activities.models.status import TrackerStatus
from activities.models.testing import RunState
from activities.models.tracking import TrackerRef
from crds.reasons.trackers import RecordResult
from crds.reasons.vocabulary import Drift
from providers.series import Names
from worker.watcher.queue import KeyedQueue

# From a minute, a fast test, to a week, a release that waits for a person.
STATE_BUCKETS_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 86400, 7 * 86400)

# From an hour, trunk-based teams, to a month, a release train.
LEAD_BUCKETS_SECONDS = (300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 86400, 7 * 86400, 30 * 86400)
RESTORE_BUCKETS_SECONDS = (300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 86400)
LAG_BUCKETS_SECONDS = (0.5, 1, 2, 5, 30, 300)
FAILED = "Failed"
ARRIVED = frozenset(("Promoted", "AlreadyContained"))
"""Results with which the change runs in the target, no matter who brought it."""

_FINAL = frozenset(state.value for state in RunState if state.final)


class WatcherMetrics:
    """Implement activities.resources.PublicationObserver. A status is counted by the replica that wrote it."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._targets, self._runners = Names(), Names()
        self._promotions = Counter(
            "pilotage_promotions", "Hops that ended.", ("namespace", "target", "result"), registry=registry
        )
        self._tests = Counter(
            "pilotage_tests", "Test runs that ended.", ("namespace", "runner", "result", "required"), registry=registry
        )
        self._lead = Histogram(
            "pilotage_lead_time_seconds",
            "Time from the merge of a change until it ran in the target.",
            ("namespace", "target"),
            buckets=LEAD_BUCKETS_SECONDS,
            registry=registry,
        )
        self._restore = Histogram(
            "pilotage_time_to_restore_seconds",
            "Time from a failed promotion until the target ran the change, or one that contains it.",
            ("namespace", "target"),
            buckets=RESTORE_BUCKETS_SECONDS,
            registry=registry,
        )
        self._lag = Histogram(
            "pilotage_status_lag_seconds",
            "Time from a change of state in the workflow until its status was written.",
            buckets=LAG_BUCKETS_SECONDS,
            registry=registry,
        )
        self._state = Histogram(
            "pilotage_state_seconds",
            "Time that a tracker spent in a state before it left it.",
            ("state",),
            buckets=STATE_BUCKETS_SECONDS,
            registry=registry,
        )
        self._restarts = Counter(
            "pilotage_watch_restarts",
            "Watches that ended other than by their time.",
            ("resource", "reason"),
            registry=registry,
        )
        self._refused = Counter(
            "pilotage_status_refused",
            "Statuses that were refused, so that only a part of them was written.",
            ("kind", "namespace"),
            registry=registry,
        )
        self._forged = Counter(
            "pilotage_status_forged",
            "Statuses that somebody else wrote with a sequence far ahead of the clock, and that were replaced.",
            ("kind", "namespace"),
            registry=registry,
        )
        self._drifts = Counter(
            "pilotage_drifts",
            "Times that a monitor reported another kind of drift, or InPlace at the end of one.",
            ("namespace", "kind"),
            registry=registry,
        )
        self._drifted = Gauge(
            "pilotage_drift_monitors", "Monitors that show this kind of drift now.", ("kind",), registry=registry
        )
        self._depth = Gauge(
            "pilotage_queue_depth", "Keys that wait to be reconciled now.", ("queue",), registry=registry
        )
        self._pollers = Gauge(
            "pilotage_task_queue_pollers",
            "Pollers that Temporal knows of a task queue; none at all while Temporal does not answer.",
            ("task_queue",),
            registry=registry,
        )

    def environment_declared(self, namespace: str, environment: str) -> None:
        """Show that nothing was promoted there yet.

        The first value of a series is no increase of it, so that the first promotion, and the first that fails, would
        be missing in every sum over time.
        """
        labels = (namespace, self._targets.label(namespace, environment))
        for result in RecordResult:
            self._promotions.labels(*labels, result.value)
        self._lead.labels(*labels)
        self._restore.labels(*labels)

    def watch_restarted(self, resource: str, reason: str) -> None:
        """Count a watch that began again."""
        self._restarts.labels(resource, reason).inc()

    def status_refused(self, kind: str, namespace: str) -> None:
        """Count a status that was refused."""
        self._refused.labels(kind, namespace).inc()

    def status_forged(self, kind: str, namespace: str) -> None:
        """Count a status of others that was replaced."""
        self._forged.labels(kind, namespace).inc()

    def drift_shown(self, namespace: str, kind: str) -> None:
        """Count what a monitor reports newly."""
        self._drifts.labels(namespace, kind).inc()

    def follow_drift(self, count: Callable[[str], int]) -> None:
        """Read how many monitors show each kind at each scrape."""
        for kind in Drift:
            self._drifted.labels(kind.value).set_function(partial(count, kind.value))

    def follow_queues(self, queues: Iterable[KeyedQueue[Any]]) -> None:
        """Read the depth of these queues at each scrape."""
        for queue in queues:
            self._depth.labels(queue.name).set_function(partial(_depth, queue))

    def show_pollers(self, counts: Mapping[str, int]) -> None:
        """Show how many pollers each task queue has; of an empty mapping nothing is known."""
        if not counts:
            self._pollers.clear()
        for queue, count in counts.items():
            self._pollers.labels(queue).set(count)

    def tracker_written(self, tracker: TrackerRef, previous: Mapping[str, Any], status: TrackerStatus) -> None:
        """Count what a status shows beyond the one before it."""
        self._count_promotions(tracker, previous, status)
        self._count_tests(tracker, previous, status)
        self._observe_state(previous, status)
        self._observe_lag(previous, status)

    def _observe_state(self, previous: Mapping[str, Any], status: TrackerStatus) -> None:
        state, since = previous.get("state"), _time(previous.get("stateSince"))
        # A new attempt does not leave the end of the one before it: that may be weeks ago.
        if not state or since is None or state == status.state.value or previous.get("attempt") != status.attempt:
            return
        # Not the time of the write, which a watcher that was away makes late.
        left = status.state_since or datetime.now(UTC)
        self._state.labels(state).observe(max(0.0, (left - since).total_seconds()))

    def _observe_lag(self, previous: Mapping[str, Any], status: TrackerStatus) -> None:
        if status.state_since is not None and previous.get("state") != status.state.value:
            self._lag.observe(max(0.0, (datetime.now(UTC) - status.state_since).total_seconds()))

    def _count_promotions(self, tracker: TrackerRef, previous: Mapping[str, Any], status: TrackerStatus) -> None:
        known = {
            (record.get("source"), record.get("target"), _time(record.get("at")))
            for record in previous.get("promotions") or ()
        }
        failed: dict[str, datetime] = {}
        for record in status.promotions:
            # Kubernetes keeps whole seconds.
            if (record.source, record.target, record.at.replace(microsecond=0)) not in known:
                labels = (tracker.namespace, self._targets.label(tracker.namespace, record.target))
                self._promotions.labels(*labels, record.result).inc()
                if record.result in ARRIVED:
                    self._observe_arrival(labels, record.at, status, failed.get(record.target))
            if record.result == FAILED:
                failed.setdefault(record.target, record.at)
            else:
                failed.pop(record.target, None)

    def _observe_arrival(
        self, labels: tuple[str, str], at: datetime, status: TrackerStatus, failed: datetime | None
    ) -> None:
        merged = status.pull_request.merged_at if status.pull_request is not None else None
        for histogram, began in ((self._lead, merged), (self._restore, failed)):
            if began is not None:
                histogram.labels(*labels).observe(max(0.0, (at - began).total_seconds()))

    def _count_tests(self, tracker: TrackerRef, previous: Mapping[str, Any], status: TrackerStatus) -> None:
        known = {
            (test.get("name"), test.get("key")) for test in previous.get("tests") or () if test.get("state") in _FINAL
        }
        for test in status.tests:
            if test.state in _FINAL and (test.name, test.key or None) not in known:
                runner = self._runners.label(tracker.namespace, test.runner)
                self._tests.labels(tracker.namespace, runner, test.state, str(test.required).lower()).inc()


def _depth(queue: KeyedQueue[Any]) -> float:
    return queue.depth


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
