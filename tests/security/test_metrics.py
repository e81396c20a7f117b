"""Series come from closed sets: neither answers of a host nor names of a tenant make new ones without end."""

from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import MagicMock

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from temporalio.common import MetricMeter
from temporalio.testing import ActivityEnvironment

from activities.metrics import Count, count
from activities.models.status import PolicyRef, PromotionRecord, TrackerStatus
from activities.models.tracking import TrackerRef
from crds.reasons.vocabulary import State
from providers.metrics import Call, code_label, record_argocd_call, record_ci_call, record_scm_call
from providers.models import ScmIdentity
from providers.series import NAMES_LIMIT, OTHER
from worker.watcher.metrics import WatcherMetrics

IDENTITY = ScmIdentity(
    git_repository="web", git_repository_namespace="metrics", scm_provider="github", scm_provider_kind="ScmProvider"
)


def series() -> int:
    return sum(
        len(metric.samples) for metric in REGISTRY.collect() if metric.name.startswith(("scm_", "ci_", "argocd_"))
    )


def test_to_exhaust_memory_by_status_codes_that_no_one_knows() -> None:
    def answer(codes: range) -> None:
        for code in codes:
            call = Call(api="PullRequest", operation="get", response_code=code, duration_seconds=0.1)
            record_scm_call(IDENTITY, call)
            record_ci_call("jenkins", call)
            record_argocd_call(call)

    at_first = series()
    answer(range(100, 1000))
    before = series()
    answer(range(-5, 5000))
    assert series() == before
    assert before - at_first < 2500


def test_to_exhaust_memory_by_names_that_are_declared_one_after_the_other() -> None:
    def declare(names: range) -> None:
        for number in names:
            named = replace(
                IDENTITY,
                git_repository=f"web{number}",
                git_repository_namespace="many",
                scm_provider=f"p{number}",
            )
            record_scm_call(named, Call(api="PullRequest", operation="get", response_code=200, duration_seconds=0.1))

    declare(range(NAMES_LIMIT + 1))
    before = series()
    declare(range(NAMES_LIMIT, 5 * NAMES_LIMIT))
    assert series() == before
    # Another namespace has its own.
    record_scm_call(
        replace(IDENTITY, git_repository="w", git_repository_namespace="few"),
        Call(api="PullRequest", operation="get", response_code=200, duration_seconds=0.1),
    )
    assert series() > before


def left_of(provider: str, namespace: str, kind: str = "ScmProvider") -> float | None:
    labels = {"scm_provider": provider, "scm_provider_namespace": namespace, "scm_provider_kind": kind}
    return REGISTRY.get_sample_value("scm_calls_rate_limit_remaining", labels)


def test_to_hide_that_anothers_calls_run_out_behind_a_provider_of_the_same_name() -> None:
    def answer(left: int, provider: str = "budget", namespace: str = "rates-a", kind: str = "ScmProvider") -> None:
        identity = replace(IDENTITY, scm_provider=provider, git_repository_namespace=namespace, scm_provider_kind=kind)
        headers = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": str(left)}
        record_scm_call(identity, Call(operation="get", response_code=200, duration_seconds=0.1, headers=headers))

    answer(3)
    answer(4900, namespace="rates-b")
    assert [left_of("budget", namespace) for namespace in ("rates-a", "rates-b", "")] == [3, 4900, None]
    # The credential of all namespaces is one.
    answer(70, kind="ClusterScmProvider")
    answer(60, kind="ClusterScmProvider", namespace="rates-b")
    assert left_of("budget", "", "ClusterScmProvider") == 60
    # Those beyond the bound would be one series, and write over each other's values.
    for number in range(NAMES_LIMIT + 1):
        answer(number, provider=f"p{number}")
    assert left_of(OTHER, "rates-a") is None
    assert left_of("budget", "rates-a") == 3


@pytest.mark.parametrize("label", ["runner", "instance"])
async def test_to_exhaust_the_memory_of_the_meter_by_runners_and_instances(label: str) -> None:
    environment = ActivityEnvironment()
    meter = environment.metric_meter = MagicMock(spec=MetricMeter)
    # The SDK adds the names of queue and activity.
    meter.with_additional_attributes.return_value = meter
    added = meter.create_counter.return_value.add

    def declare() -> None:
        for number in range(3 * NAMES_LIMIT):
            count(Count.POLLS, namespace="meter", **{label: f"{label}{number}"})

    environment.run(declare)
    assert added.call_count == 3 * NAMES_LIMIT
    counted = {call.args[1][label] for call in added.call_args_list}
    assert len(counted) == NAMES_LIMIT + 1
    assert OTHER in counted
    assert {call.args[1]["namespace"] for call in added.call_args_list} == {"meter"}


def test_to_exhaust_the_memory_of_the_watcher_by_targets() -> None:
    registry = CollectorRegistry()
    metrics = WatcherMetrics(registry)
    tracker = TrackerRef(namespace="shop", name="web-1", uid="u", attempt=1)
    for number in range(NAMES_LIMIT + 50):
        record = PromotionRecord(
            promoted=True,
            source="dev",
            target=f"e{number}",
            policy=PolicyRef(name="p", generation=1),
            result="Promoted",
            at=datetime.now(UTC),
        )
        status = TrackerStatus(state=State.TESTING, sequence=1, attempt=1, promotions=(record,))
        metrics.tracker_written(tracker, {}, status)
    targets = {
        sample.labels["target"]
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "pilotage_promotions_total"
    }
    assert len(targets) == NAMES_LIMIT + 1


def test_codes_that_http_knows_stay_as_they_are() -> None:
    assert [code_label(code) for code in (200, 404, 429, 503, 299, 599, 600, 99)] == [
        *("200", "404", "429", "503", "2xx", "5xx", "other", "other")
    ]


def test_a_duration_has_six_buckets_at_most() -> None:
    record_scm_call(IDENTITY, Call(api="PullRequest", operation="list", response_code=200, duration_seconds=0.1))
    bounds = {
        sample.labels["le"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "scm_calls_duration_seconds_bucket"
    }
    assert len(bounds) <= 6
