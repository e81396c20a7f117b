"""What the watcher counts from one published status to the next."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from activities.models.status import (
    PolicyRef,
    PromotionRecord,
    State,
    TestStatus,
    TrackerStatus,
    Waiting,
    WaitingFor,
)
from activities.models.tracking import TrackerRef
from activities.resources import render_tracker_status
from worker.watcher.metrics import WatcherMetrics
from worker.watcher.queue import KeyedQueue

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
TRACKER = TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=1)
TEST = TestStatus(name="unit", runner="jenkins", required=True, state="Running", key="k1")
RECORD = PromotionRecord(
    promoted=True,
    result="Promoted",
    source="dev",
    target="staging",
    policy=PolicyRef(name="dev-to-staging", generation=1),
    at=AT,
)
STATUS = TrackerStatus(state=State.TESTING, sequence=1, attempt=1, tests=(TEST,))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> WatcherMetrics:
    return WatcherMetrics(registry)


def rendered(status: TrackerStatus) -> dict[str, Any]:
    return render_tracker_status(status, {"metadata": {"uid": "uid-1"}})


def test_a_test_counts_once_when_it_ends(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    passed = replace(STATUS, tests=(replace(TEST, state="Passed"),))
    metrics.tracker_written(TRACKER, rendered(STATUS), passed)
    metrics.tracker_written(TRACKER, rendered(passed), replace(passed, message="later"))
    labels = {"namespace": "shop", "result": "Passed", "required": "true"}
    assert registry.get_sample_value("pilotage_tests_total", labels) == 1


def test_a_retry_of_a_test_counts_for_itself(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    failed = replace(STATUS, tests=(replace(TEST, state="Failed"),))
    again = replace(STATUS, tests=(replace(TEST, state="Failed", key="k2", retry=1),))
    metrics.tracker_written(TRACKER, rendered(STATUS), failed)
    metrics.tracker_written(TRACKER, rendered(failed), again)
    labels = {"namespace": "shop", "result": "Failed", "required": "true"}
    assert registry.get_sample_value("pilotage_tests_total", labels) == 2


def test_a_promotion_counts_once_when_its_record_appears(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    done = replace(STATUS, promotions=(RECORD,))
    metrics.tracker_written(TRACKER, rendered(STATUS), done)
    metrics.tracker_written(TRACKER, rendered(done), done)
    labels = {"namespace": "shop", "target": "staging", "result": "Promoted"}
    assert registry.get_sample_value("pilotage_promotions_total", labels) == 1


def test_the_time_in_a_state_is_seen_when_it_is_left(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    # The wait is younger than the state: its reason changed meanwhile.
    waiting = WaitingFor(what=Waiting.VERDICT, since=AT + timedelta(seconds=80))
    testing = replace(STATUS, state_since=AT, waiting_for=waiting)
    left = replace(STATUS, state=State.PROMOTING, state_since=AT + timedelta(seconds=90))
    metrics.tracker_written(TRACKER, rendered(testing), testing)
    metrics.tracker_written(TRACKER, rendered(testing), left)
    assert registry.get_sample_value("pilotage_state_seconds_count", {"state": "Testing"}) == 1
    total = registry.get_sample_value("pilotage_state_seconds_sum", {"state": "Testing"})
    # Kubernetes keeps whole seconds.
    assert total == pytest.approx(90, abs=1)


def test_a_new_attempt_does_not_leave_the_end_of_the_one_before(
    registry: CollectorRegistry, metrics: WatcherMetrics
) -> None:
    ended = replace(STATUS, state=State.ABORTED, state_since=AT)
    metrics.tracker_written(TRACKER, rendered(ended), replace(STATUS, attempt=2, state_since=AT + timedelta(days=9)))
    assert registry.get_sample_value("pilotage_state_seconds_count", {"state": "Aborted"}) is None


async def test_the_depth_of_a_queue_is_read_at_the_scrape(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    async def handle(_key: str) -> None:
        return None

    queue: KeyedQueue[str] = KeyedQueue(name="trackers", handle=handle, namespace_of=str)
    metrics.follow_queues([queue])
    assert registry.get_sample_value("pilotage_queue_depth", {"queue": "trackers"}) == 0
    queue.add("a")
    assert registry.get_sample_value("pilotage_queue_depth", {"queue": "trackers"}) == 1


def test_a_watch_that_begins_again_is_counted(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    metrics.watch_restarted("environments", "ApiGone")
    labels = {"resource": "environments", "reason": "ApiGone"}
    assert registry.get_sample_value("pilotage_watch_restarts_total", labels) == 1


def test_an_almost_empty_status_is_rendered_without_noise() -> None:
    minimal = TrackerStatus(state=State.PENDING, sequence=1, attempt=1)
    shown = rendered(minimal)
    assert (shown["state"], shown["sequence"], shown["attempt"], shown["uid"]) == ("Pending", 1, 1, "uid-1")
    assert [one["type"] for one in shown["conditions"]] == ["Ready", "Stalled"]
    assert not [name for name, value in shown.items() if value is None or value == ""]


def test_a_forged_status_counts_by_kind_and_namespace(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    metrics.status_forged("Environment", "shop")
    labels = {"kind": "Environment", "namespace": "shop"}
    assert registry.get_sample_value("pilotage_status_forged_total", labels) == 1
