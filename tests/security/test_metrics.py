"""Series come from closed sets: no answer of a host makes new ones without end."""

from prometheus_client import REGISTRY

from providers.metrics import Call, code_label, record_argocd_call, record_ci_call, record_scm_call
from providers.models import ScmIdentity

IDENTITY = ScmIdentity(
    git_repository="web", git_repository_namespace="metrics", scm_provider="github", scm_provider_kind="ScmProvider"
)


def series() -> int:
    return sum(
        len(metric.samples) for metric in REGISTRY.collect() if metric.name.startswith(("scm_", "ci_", "argocd_"))
    )


def test_to_exhaust_memory_by_status_codes_that_nobody_knows() -> None:
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
