"""One record per round trip, under the names that dashboards know."""

import time
from email.utils import formatdate

import pytest
import structlog
from prometheus_client import REGISTRY

from providers.call_budgets import budget_of
from providers.errors import ProviderError
from providers.metrics import Call, record_scm_call
from providers.models import ScmIdentity
from tests.providers.hosts import FakeHost, answer, argocd, github, jenkins

LABELS = {
    "git_repository": "web",
    "git_repository_namespace": "shop",
    "scm_provider": "github",
    "scm_provider_kind": "ScmProvider",
}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_an_scm_call_is_counted_and_timed_whether_it_succeeds_or_not(host: FakeHost, status: int) -> None:
    host.always(answer({"full_name": "acme/web"}, status))
    labels = {**LABELS, "api": "PullRequest", "operation": "check", "response_code": str(status)}
    counted, timed = value("scm_calls_total", **labels), value("scm_calls_duration_seconds_count", **labels)
    with structlog.testing.capture_logs() as lines:
        if status == 200:
            await github(host.http()).check()
        else:
            with pytest.raises(ProviderError):
                await github(host.http()).check()
    assert value("scm_calls_total", **labels) == counted + 1
    assert value("scm_calls_duration_seconds_count", **labels) == timed + 1
    assert [line["event"] for line in lines] == ["SCM API call"]
    assert {key: lines[0][key] for key in labels} == labels
    assert lines[0]["log_level"] == "debug"
    assert lines[0]["duration_seconds"] >= 0


async def test_the_budget_left_is_shown_and_its_reset_counts_down(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = {"scm_provider": "budget", "scm_provider_kind": "ClusterScmProvider"}
    identity = ScmIdentity(git_repository="web", git_repository_namespace="shop", **provider)
    provider["scm_provider_namespace"] = ""
    now = time.time()
    headers = {
        "x-ratelimit-limit": "5000",
        "x-ratelimit-remaining": "4990",
        "x-ratelimit-reset": str(int(now) + 100),
    }
    record_scm_call(identity, Call(operation="get", response_code=200, duration_seconds=0.1, headers=headers))
    assert value("scm_calls_rate_limit_limit", **provider) == 5000
    assert value("scm_calls_rate_limit_remaining", **provider) == 4990
    assert 90 < value("scm_calls_rate_limit_reset_remaining_seconds", **provider) <= 100
    monkeypatch.setattr(time, "time", lambda: now + 60)
    assert 30 < value("scm_calls_rate_limit_reset_remaining_seconds", **provider) <= 40
    monkeypatch.setattr(time, "time", lambda: now + 600)
    assert value("scm_calls_rate_limit_reset_remaining_seconds", **provider) == 0


@pytest.mark.parametrize("prefix", ["x-ratelimit", "ratelimit"])
@pytest.mark.parametrize("ahead", [-7200, 0, 7200])
def test_a_reset_is_counted_by_the_clock_of_the_host(prefix: str, ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(time.time())
    monkeypatch.setattr(time, "time", lambda: now)
    theirs = {"date": formatdate(now + ahead, usegmt=True), f"{prefix}-reset": str(now + ahead + 600)}
    assert budget_of(theirs).left(now) == budget_of({**theirs, f"{prefix}-reset": "600"}).left(now) == 600


async def test_a_nonsense_budget_is_left_out() -> None:
    provider = {"scm_provider": "nonsense", "scm_provider_kind": "ScmProvider"}
    identity = ScmIdentity(git_repository="web", git_repository_namespace="shop", **provider)
    call = Call(operation="get", response_code=200, duration_seconds=0.1, headers={"x-ratelimit-limit": "many"})
    record_scm_call(identity, call)
    labels = {**provider, "scm_provider_namespace": "shop"}
    assert REGISTRY.get_sample_value("scm_calls_rate_limit_limit", labels) is None


async def test_ci_and_delivery_calls_have_counters_of_their_own(host: FakeHost) -> None:
    host.on("GET", "/jenkins/.*", answer({}, 200, x_jenkins="2.541"))
    host.on("GET", "/api/version", answer({"Version": "v3.5.7"}))
    host.on("GET", r"/api/v1/applications\?.*", answer({"items": None}))
    http = host.http()
    ci = {"system": "jenkins", "operation": "check", "response_code": "200"}
    before = value("ci_calls_total", **ci)
    versions = value("argocd_calls_total", operation="version", response_code="200")
    assert await jenkins(http).check() == "Jenkins 2.541"
    assert await argocd(http).check() == "v3.5.7"
    assert value("ci_calls_total", **ci) == before + 1
    assert value("argocd_calls_total", operation="version", response_code="200") == versions + 1
