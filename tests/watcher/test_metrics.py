"""What the watcher counts from one published status to the next."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from activities.models.status import (
    PolicyRef,
    PromotionRecord,
    TestStatus,
    TrackerStatus,
    WaitingFor,
)
from activities.models.tracking import PullRequest, PullRequestState, TrackerRef
from activities.resources import render_tracker_status
from crds.reasons.vocabulary import State, Waiting
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
RESULTS = ("Promoted", "AlreadyContained", "Failed")
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
    labels = {"namespace": "shop", "runner": "jenkins", "result": "Passed", "required": "true"}
    assert registry.get_sample_value("pilotage_tests_total", labels) == 1


def test_a_retry_of_a_test_counts_for_itself(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    failed = replace(STATUS, tests=(replace(TEST, state="Failed"),))
    again = replace(STATUS, tests=(replace(TEST, state="Failed", key="k2", retry=1),))
    metrics.tracker_written(TRACKER, rendered(STATUS), failed)
    metrics.tracker_written(TRACKER, rendered(failed), again)
    labels = {"namespace": "shop", "runner": "jenkins", "result": "Failed", "required": "true"}
    assert registry.get_sample_value("pilotage_tests_total", labels) == 2


def test_a_promotion_counts_once_when_its_record_appears(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    done = replace(STATUS, promotions=(RECORD,))
    metrics.tracker_written(TRACKER, rendered(STATUS), done)
    metrics.tracker_written(TRACKER, rendered(done), done)
    labels = {"namespace": "shop", "target": "staging", "result": "Promoted"}
    assert registry.get_sample_value("pilotage_promotions_total", labels) == 1


def merged(at: datetime | None) -> PullRequest:
    return PullRequest(
        number=412,
        title="Fix rounding",
        author="ann",
        url="",
        state=PullRequestState.MERGED,
        head_sha="a",
        merged_at=at,
    )


ARRIVAL = {"namespace": "shop", "target": "staging"}


def test_the_lead_time_of_an_arrival_begins_with_the_merge(
    registry: CollectorRegistry, metrics: WatcherMetrics
) -> None:
    since = replace(STATUS, pull_request=merged(AT - timedelta(hours=2)))
    metrics.tracker_written(TRACKER, rendered(since), replace(since, promotions=(RECORD,)))
    assert registry.get_sample_value("pilotage_lead_time_seconds_sum", ARRIVAL) == 7200


@pytest.mark.parametrize("result", ["Failed", "NothingToDeploy"])
def test_a_hop_that_brought_no_change_has_no_lead_time(
    result: str, registry: CollectorRegistry, metrics: WatcherMetrics
) -> None:
    since = replace(STATUS, pull_request=merged(AT - timedelta(hours=2)))
    metrics.tracker_written(TRACKER, rendered(since), replace(since, promotions=(replace(RECORD, result=result),)))
    assert registry.get_sample_value("pilotage_lead_time_seconds_count", ARRIVAL) is None


def test_a_merge_that_the_host_does_not_date_has_no_lead_time(
    registry: CollectorRegistry, metrics: WatcherMetrics
) -> None:
    since = replace(STATUS, pull_request=merged(None))
    metrics.tracker_written(TRACKER, rendered(since), replace(since, promotions=(RECORD,)))
    assert registry.get_sample_value("pilotage_lead_time_seconds_count", ARRIVAL) is None


@pytest.mark.parametrize("restored", ["Promoted", "AlreadyContained"])
def test_a_target_is_restored_once_since_its_first_failure(
    restored: str, registry: CollectorRegistry, metrics: WatcherMetrics
) -> None:
    failures = tuple(
        replace(RECORD, promoted=False, result="Failed", at=AT + timedelta(minutes=minute)) for minute in (0, 10)
    )
    arrived = replace(RECORD, result=restored, at=AT + timedelta(minutes=30))
    failed = replace(STATUS, promotions=failures)
    metrics.tracker_written(TRACKER, rendered(failed), replace(failed, promotions=(*failures, arrived)))
    later = replace(arrived, at=AT + timedelta(hours=5))
    done = replace(failed, promotions=(*failures, arrived))
    metrics.tracker_written(TRACKER, rendered(done), replace(done, promotions=(*failures, arrived, later)))
    assert registry.get_sample_value("pilotage_time_to_restore_seconds_count", ARRIVAL) == 1
    assert registry.get_sample_value("pilotage_time_to_restore_seconds_sum", ARRIVAL) == 1800


def test_the_lag_of_a_status_is_seen_once_per_state(registry: CollectorRegistry, metrics: WatcherMetrics) -> None:
    began = replace(STATUS, state_since=datetime.now(UTC) - timedelta(seconds=3))
    metrics.tracker_written(TRACKER, {}, began)
    metrics.tracker_written(TRACKER, rendered(began), replace(began, message="later"))
    assert registry.get_sample_value("pilotage_status_lag_seconds_count") == 1
    assert (registry.get_sample_value("pilotage_status_lag_seconds_sum") or 0) >= 3


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


def test_an_environment_has_its_series_before_the_first_promotion_to_it(
    registry: CollectorRegistry, metrics: WatcherMetrics
) -> None:
    metrics.environment_declared("shop", "staging")
    place = {"namespace": "shop", "target": "staging"}
    before = {
        result: registry.get_sample_value("pilotage_promotions_total", {**place, "result": result})
        for result in RESULTS
    }
    assert before == dict.fromkeys(RESULTS, 0)
    assert registry.get_sample_value("pilotage_lead_time_seconds_count", place) == 0
    assert registry.get_sample_value("pilotage_time_to_restore_seconds_count", place) == 0
    metrics.tracker_written(TRACKER, rendered(STATUS), replace(STATUS, promotions=(RECORD,)))
    metrics.environment_declared("shop", "staging")
    assert registry.get_sample_value("pilotage_promotions_total", {**place, "result": "Promoted"}) == 1


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
