"""What the receiver counts."""

from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from activities.flux.planning import StatusPlan

BUCKETS_SECONDS = (0.01, 0.05, 0.25, 1.0)
"""Each answer is due within a second."""


class ReceiverMetrics:
    """Count deliveries by what they were answered, and pokes by what became of them."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._deliveries = Counter(
            "pilotage_webhooks", "Deliveries of webhooks that were answered.", ("sender", "code"), registry=registry
        )
        self._seconds = Histogram(
            "pilotage_webhook_seconds", "Time to answer a delivery.", buckets=BUCKETS_SECONDS, registry=registry
        )
        self._pokes = Counter("pilotage_webhook_pokes", "Pokes of workflows.", ("result",), registry=registry)
        self._waiting = Gauge("pilotage_webhook_pokes_waiting", "Workflows that wait to be poked.", registry=registry)
        self._restarts = Counter(
            "pilotage_receiver_watch_restarts",
            "Watches of the receiver that ended other than by their time.",
            ("resource", "reason"),
            registry=registry,
        )

    def delivered(self, sender: str, code: int, seconds: float) -> None:
        """Count an answer; the sender is empty where the address names no resource."""
        self._deliveries.labels(sender, str(code)).inc()
        self._seconds.observe(seconds)

    def poked(self, result: str) -> None:
        """Count a poke: `sent`, `absent` for a workflow that does not run, `given up`."""
        self._pokes.labels(result).inc()

    def watch_restarted(self, resource: str, reason: str) -> None:
        """Count a watch that began again."""
        self._restarts.labels(resource, reason).inc()

    def follow(self, depth: Callable[[], int]) -> None:
        """Read how many workflows wait to be poked at each scrape."""
        self._waiting.set_function(depth)


class FluxMetrics:
    """Count events of Flux by what they were answered, and what each subscription made of them."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._events = Counter(
            "pilotage_flux_events", "Events of Flux that were answered.", ("code",), registry=registry
        )
        self._seconds = Histogram(
            "pilotage_flux_event_seconds", "Time to answer an event.", buckets=BUCKETS_SECONDS, registry=registry
        )
        self._plans = Counter(
            "pilotage_flux_plans", "What subscriptions made of accepted events.", ("result",), registry=registry
        )

    def answered(self, code: int, seconds: float) -> None:
        """Count an answer."""
        self._events.labels(str(code)).inc()
        self._seconds.observe(seconds)

    def planned(self, made: StatusPlan) -> None:
        """Count what one subscription made of an event: `posted`, `skipped`, `refused` or `not taken`."""
        if made.wanted is not None:
            result = "posted"
        elif made.fault:
            result = "refused"
        else:
            result = "skipped" if made.matched else "not taken"
        self._plans.labels(result).inc()
